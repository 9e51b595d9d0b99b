#!/bin/sh
# Fetches llama.cpp's source and builds its library into build/llama_cpp: sh examples/engines/llama_cpp/fetch.sh
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
. "$root/examples/engines/package.sh"

# The Python package carries the whole of llama.cpp, which is all that is used of it.
release=0.3.36
[ ! -e "$root/build/llama_cpp/$release" ] || exit 0
fetch_package llama_cpp llama-cpp-python $release llama_cpp_python-$release.tar.gz \
  832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e --no-binary llama-cpp-python
tar -xzf "$into/$file" -C "$into" "llama_cpp_python-$release/vendor/llama.cpp"
say "building llama.cpp, which takes a minute or two of each processor"
# shellcheck disable=SC2016
{
  cmake -S "$into/llama_cpp_python-$release/vendor/llama.cpp" -B "$into/build" -G Ninja --log-level=WARNING \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$into" -DCMAKE_INSTALL_LIBDIR=lib \
    -DCMAKE_INSTALL_RPATH='$ORIGIN' -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF \
    -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF &&
    cmake --build "$into/build" -- --quiet && cmake --install "$into/build"
} >"$into/log" 2>&1 || die "llama.cpp could not be built: build/llama_cpp/log says why"
rm -rf "$into/build" "$into/llama_cpp_python-$release" "${into:?}/$file"
: >"$into/$release"
say "llama.cpp of $name $release is in build/llama_cpp"
