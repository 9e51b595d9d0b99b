#!/bin/sh
# Makes the single header and compiles the README's P-RGE form with it alone: sh single_header.sh PROJECT FOLDER COMPILER
set -eu
project=$1
folder=$2
compiler=$3
here=$project/tests/single_header
rm -rf "$folder"
mkdir -p "$folder/single/zoft"
awk -f "$project/cmake/single_header.awk" "$project/include/zoft/prge.hpp" >"$folder/single/zoft/prge.hpp"
awk '/^\/\/ P-RGE/ { on = 1 } on && /^$/ { exit } on && !/^#include/' "$project/README.md" >"$folder/form.inc"
grep -q 'tuner\.step' "$folder/form.inc" || { echo "the README has no P-RGE form"; exit 1; }

warnings="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Werror"
# The header as what is compiled, so that a compiler holds back no warning as a header's.
# shellcheck disable=SC2086
for standard in 20 23 26; do
  case $standard in 23) flag=2b ;; 26) flag=2c ;; *) flag=20 ;; esac
  echo 'int main() {}' | "$compiler" -std=c++$flag -x c++ -fsyntax-only - 2>/dev/null || continue
  { cat "$folder/single/zoft/prge.hpp"; echo 'int main() {}'; } | grep -v '^#pragma once' >"$folder/alone.cpp"
  "$compiler" -std=c++$flag $warnings -O1 -o "$folder/alone" "$folder/alone.cpp"
done

# shellcheck disable=SC2086
for way in single own; do
  case $way in single) include=$folder/single ;; *) include=$project/include ;; esac
  "$compiler" -std=c++20 -O1 $warnings -I "$include" -I "$folder" -o "$folder/$way.out" "$here/form.cpp"
  "$folder/$way.out" >"$folder/$way.txt"
done
cat "$folder/single.txt"
cmp "$folder/single.txt" "$folder/own.txt"
