#!/bin/sh
# Builds the playground, a folder that opens from a disk: sh examples/playground/build.sh [--tests]
#
# The folder is build/playground/page. index.html in it needs no server and no network. --tests also makes the programs
# in build/playground that node runs in the tests. What is missing is installed with apt, as by cmake/demo.sh.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/cmake/setup.sh"
here=$root/examples/playground
work=$root/build/playground
page=$work/page

need_to_build
need emscripten has_command em++
install_missing

# Debian's emscripten asks node for Debian's acorn, also a node that is not Debian's.
if [ -d /usr/share/nodejs/acorn ]; then export NODE_PATH="${NODE_PATH:-/usr/share/nodejs}"; fi

# The three libraries are headers alone. They are linked to, because what else lies beside them is this machine's.
mkdir -p "$work/include" "$page"
for library in nlohmann xsimd Eigen unsupported; do
  for folder in /usr/include /usr/local/include /usr/include/eigen3 /usr/local/include/eigen3 /opt/homebrew/include; do
    if [ -e "$folder/$library" ]; then ln -sfn "$folder/$library" "$work/include/$library"; fi
  done
done

flags="-std=c++20 -O3 -msimd128 -fwasm-exceptions -include $here/libcxx13.hpp -I $root/include -I $here"
flags="$flags -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast"
# xsimd 8.1 knows SSE, which emscripten has, and not WebAssembly's own vectors.
model_flags="-msse2 -DEIGEN_DONT_VECTORIZE -isystem $work/include"
linked_for_node="-fwasm-exceptions -sSINGLE_FILE=1 -sALLOW_MEMORY_GROWTH=1 -sENVIRONMENT=node"
linked="-fwasm-exceptions -sSINGLE_FILE=1 -sALLOW_MEMORY_GROWTH=1 -sENVIRONMENT=web,worker"
linked="$linked -sMODULARIZE=1 -sEXPORTED_RUNTIME_METHODS=cwrap"

# compiled OBJECT SOURCE FLAG...: unless it is newer than all that it may be made of.
compiled() {
  object=$work/$1 source=$2
  shift 2
  if [ ! -e "$object" ] || [ -n "$(find "$root/include" "$root/examples/finetune/epoch_order.hpp" "$here"/*.hpp "$source" -type f -newer "$object" | head -n 1)" ]; then
    # shellcheck disable=SC2086
    em++ $flags "$@" -c "$source" -o "$object"
  fi
}
compiled functions.o "$here/functions.cpp"
compiled functions_exports.o "$here/functions_exports.cpp"
# shellcheck disable=SC2086
compiled demo.o "$here/demo.cpp" $model_flags
# shellcheck disable=SC2086
compiled demo_exports.o "$here/demo_exports.cpp" $model_flags

# shellcheck disable=SC2086
em++ -O3 $linked -sEXPORT_NAME=createFunctions "$work/functions.o" "$work/functions_exports.o" \
  -o "$work/functions_core.js"
embedded=
for file in config.json model.safetensors tokenizer.bin train.pairs heldout.pairs; do
  embedded="$embedded --embed-file $root/examples/finetune/default/$file@/default/$file"
done
# shellcheck disable=SC2086
em++ -O3 $linked -sEXPORT_NAME=createDemo "$work/demo.o" "$work/demo_exports.o" \
  $embedded -o "$work/demo_core.js"

if [ "${1-}" = --tests ]; then
  # shellcheck disable=SC2086
  compiled record.o "$here/record.cpp" $model_flags
  compiled bits.o "$root/tests/bits/main.cpp"
  # shellcheck disable=SC2086
  em++ -O2 $linked_for_node "$work/record.o" "$work/functions.o" "$work/demo.o" $embedded -o "$work/record.js"
  # shellcheck disable=SC2086
  em++ -O2 $linked_for_node "$work/bits.o" -o "$work/bits.js"
fi

# A page from a disk may not load a worker from there, but may make one of a text: that of this function.
{
  echo 'function workerProgram() {'
  cat "$work/demo_core.js" "$here/worker.js"
  echo '}'
} >"$page/worker.js"
cp "$work/functions_core.js" "$here/index.html" "$here/style.css" "$here/plot.js" "$here/functions.js" "$here/demo.js" "$page"
say "the playground is $page/index.html, $(du -sk "$page" | cut -f 1) kB"
