#!/bin/sh
# Whether what the page writes in C++ compiles: sh programs.sh RECORD COMPILER INCLUDE
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" programs >"$work/programs.cpp"
grep -c 'zoft::engine tuner' "$work/programs.cpp"
"$2" -std=c++20 -fsyntax-only -I "$3" "$work/programs.cpp"
