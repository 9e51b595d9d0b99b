#!/bin/sh
# Fetches ONNX Runtime into build/onnxruntime: sh examples/engines/onnxruntime/fetch.sh
# It takes the library from the Python package onnxruntime, and needs Python and pip for nothing else.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
. "$root/cmake/setup.sh"

release=1.32.0
wheel=onnxruntime-$release-cp311-cp311-manylinux_2_28_x86_64.whl
sum=5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d
into=$root/build/onnxruntime

[ ! -e "$into/$release" ] || exit 0
[ "$(uname -sm)" = "Linux x86_64" ] || die "onnxruntime: this machine is $(uname -sm), and the script knows the file for Linux x86_64"
has_pip() { python3 -m pip --version >/dev/null 2>&1; }
need_to_build
need python3-pip has_pip
install_missing

mkdir -p "$into"
# Whatever Python there is here, the file is that of 3.11, so that its sum is always the same. The library is in each.
python3 -m pip --disable-pip-version-check -q download --no-deps --only-binary=:all: --implementation cp \
  --python-version 3.11 --abi cp311 --platform manylinux_2_28_x86_64 -d "$into" "onnxruntime==$release" >&2 ||
  die "onnxruntime $release could not be fetched"
echo "$sum  $into/$wheel" | sha256sum --check --status || {
  rm -f "$into/$wheel"
  die "$wheel is not the file that was expected: its SHA-256 must be $sum"
}
python3 - "$into" "$wheel" "$release" <<'EOS'
import pathlib, sys, zipfile
folder, wheel, version = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
with zipfile.ZipFile(folder / wheel) as files:
    library = files.read(f"onnxruntime/capi/libonnxruntime.so.{version}")
    (folder / "LICENSE").write_bytes(files.read("onnxruntime/LICENSE"))
(folder / "libonnxruntime.so.1").write_bytes(library)  # by the name that it gives itself
EOS
rm "$into/$wheel"
: >"$into/$release"
say "onnxruntime $release is in build/onnxruntime"
