#!/bin/sh
# Fetches the oldest CMake that consumers may have into build/cmake-3.22, with pip: sh tests/consumer/fetch_cmake.sh
# Without it, the tests of the package leave that CMake out, and say so.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
into=$root/build/cmake-3.22
file=cmake-3.22.6-py2.py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl
sum=a2357c510e37db7df156c31ab43857b4583e3a2ece8220747e8a007aea50aa45
[ ! -x "$into/cmake/data/bin/cmake" ] || exit 0

failed() {
  echo "SKIPPED: consumers with CMake 3.22, as $*"
  exit 1
}

[ "$(uname -sm)" = "Linux x86_64" ] || failed "this machine is $(uname -sm), and the file is for Linux x86_64"
python3 -m pip --version >/dev/null 2>&1 || failed "there is no pip to fetch it with"
rm -rf "$into"
mkdir -p "$into"
python3 -m pip --disable-pip-version-check -q download --no-deps --only-binary=:all: \
  --platform manylinux_2_17_x86_64 -d "$into" cmake==3.22.6 >&2 || failed "it could not be fetched"
echo "$sum  $into/$file" | sha256sum --check --status || failed "its SHA-256 is not $sum"
python3 -m zipfile -e "$into/$file" "$into"
rm "$into/$file"
chmod +x "$into"/cmake/data/bin/* # zipfile forgets it
