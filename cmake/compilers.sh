#!/bin/sh
# Tries all headers with every compiler that is found: sh cmake/compilers.sh [-t] [COMPILER...]
#
# Each header is compiled alone as C++20, and all together as C++20 for four machines and as C++23 and C++26 for this one,
# where the compiler knows them, with the project's warnings as errors. -t compiles them together only, which takes some
# minutes a compiler. Headers whose dependencies are missing are left out.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
alone=1
if [ "${1-}" = -t ]; then
  alone=
  shift
fi
if [ $# -eq 0 ]; then
  for name in g++ clang++; do
    for version in 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24; do
      if command -v "$name-$version" >/dev/null; then set -- "$@" "$name-$version"; fi
    done
  done
  [ $# -gt 0 ] || set -- "${CXX:-c++}"
fi

warnings="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Werror"
includes="-I $root/include"
for folder in /usr/include/eigen3 $(mpicxx --showme:incdirs 2>/dev/null || true); do
  if [ -d "$folder" ]; then includes="$includes -isystem $folder"; fi
done

# compiles FLAG... FILE
compiles() {
  # shellcheck disable=SC2086
  $compiler $warnings $own $includes -fsyntax-only "$@" >"$work/log" 2>&1
}

# first: the first error, or what else was said
first() { grep -m 1 -E 'error|warning' "$work/log" || head -n 1 "$work/log"; }

failed=
wrong() {
  echo "  $1: $(first)"
  failed=1
}

for compiler; do
  echo "$compiler ($($compiler --version | head -n 1))"
  # GCC warns about its own AVX-512 intrinsics (its bug 105593). Late Clangs warn about what std::stable_sort of GCC 12's
  # library uses (get_temporary_buffer).
  own=-Wno-maybe-uninitialized
  if $compiler -dM -E -x c++ /dev/null | grep -q __clang__; then own=-Wno-deprecated-declarations; fi
  headers=$(cd "$root/include" && find zoft -name '*.hpp' | sort)
  for dependency in unsupported/Eigen/CXX11/ThreadPool:eigen:nn:io:sparing xsimd/xsimd.hpp:nn:io:batch nlohmann/json.hpp:io \
    pcre2.h:tokenizer:chat:data unicode/normalizer2.h:tokenizer:chat:data mpi.h:mpi; do
    printf "#define PCRE2_CODE_UNIT_WIDTH 8\n#include <%s>\n" "${dependency%%:*}" >"$work/one.cpp"
    # shellcheck disable=SC2086
    if ! $compiler -std=c++20 $includes -fsyntax-only "$work/one.cpp" >/dev/null 2>&1; then
      for part in $(echo "${dependency#*:}" | tr : ' '); do
        headers=$(echo "$headers" | grep -v -E "^zoft/(.*/)?$part(/|\.hpp$)" || true)
      done
      echo "  without ${dependency#*:}: there is no ${dependency%%:*}"
    fi
  done
  echo "$headers" | sed 's/.*/#include <&>/' >"$work/all.cpp"
  for standard in 20 23:2b 26:2c; do
    flag=-std=c++${standard#*:}
    echo >"$work/one.cpp"
    $compiler "$flag" -fsyntax-only "$work/one.cpp" 2>/dev/null || { echo "  C++${standard%:*} is not known"; continue; }
    machines=native
    [ "$standard" != 20 ] || machines="x86-64 x86-64-v3 x86-64-v4:-mavx512bf16:-mavx512vbmi native"
    for machine in $machines; do
      # shellcheck disable=SC2046
      if compiles "$flag" -march=$(echo "$machine" | tr : ' ') "$work/all.cpp"; then
        echo "  C++${standard%:*}, $machine, $(wc -l <"$work/all.cpp") headers together: no warning"
      else
        wrong "C++${standard%:*}, $machine, together"
      fi
    done
  done
  [ -n "$alone" ] || continue
  count=0
  for header in $headers; do
    echo "#include <$header>" >"$work/one.cpp"
    if compiles -std=c++20 "$work/one.cpp"; then count=$((count + 1)); else wrong "$header alone"; fi
  done
  echo "  C++20, alone: $count headers without a warning"
done
[ -z "$failed" ]
