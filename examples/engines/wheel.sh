# shellcheck shell=sh
# The part that the engines' fetch.sh share. They source it with `root` set to the project's folder.
: "${root:?}"
. "$root/cmake/setup.sh"

# fetch_wheel NAME RELEASE FILE SHA256: puts the file of the Python package, unpacked, into build/NAME. Python and pip are
# needed for nothing else. Does nothing if it is there.
fetch_wheel() {
  into=$root/build/$1
  [ ! -e "$into/$2" ] || return 0
  [ "$(uname -sm)" = "Linux x86_64" ] || die "$1: this machine is $(uname -sm), and the file is for Linux x86_64"
  has_pip() { python3 -m pip --version >/dev/null 2>&1; }
  name=$1 release=$2 wheel=$3 sum=$4
  need_to_build
  need python3-pip has_pip
  install_missing
  rm -rf "$into"
  mkdir -p "$into"
  # Whatever Python there is here, the file is that for 3.11, so that its sum is always the same.
  python3 -m pip --disable-pip-version-check -q download --no-deps --only-binary=:all: --implementation cp \
    --python-version 3.11 --abi cp311 --platform manylinux_2_28_x86_64 -d "$into" "$name==$release" >&2 ||
    die "$name $release could not be fetched"
  echo "$sum  $into/$wheel" | sha256sum --check --status ||
    die "$wheel is not the file that was expected: its SHA-256 must be $sum"
  python3 -m zipfile -e "$into/$wheel" "$into"
  rm "$into/$wheel"
  : >"$into/$release"
  say "$name $release is in build/$name"
}
