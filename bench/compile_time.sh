#!/bin/sh
# What uses of the library cost to compile: seconds of the compiler's time, the least of three, and bytes of code.
#   [TURNS=3] sh bench/compile_time.sh [COMPILER...]
# Each use has a lambda of its own, so its own instances: the cost of another use is (that of 20 − that of 1) / 19.
set -eu
include=$(cd "$(dirname "$0")/../include" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# uses COUNT HEADER BEFORE AFTER: functions that differ in their lambda.
uses() {
  printf '#include <span>\n#include <vector>\n#include <zoft/%s>\n' "$2"
  i=0
  while [ $i -lt "$1" ]; do
    printf 'double use_%d(std::span<double> x) {\n  %s[](std::span<const double> v) { return v[0] * %d; }%s\n}\n' $i "$3" $i "$4"
    i=$((i + 1))
  done
}
prge() {
  uses "$1" prge.hpp 'auto tuner = zoft::prge({.seed = 42}); return tuner.step(x, ' ').probe_loss;' |
    sed 's/\[\](std::span<const double> v) { return v\[0\] \* \(.*\); })/[](zoft::candidates<double> c, std::span<double> y) { for (std::size_t i = 0; i < y.size(); ++i) y[i] = c[i][0] * \1; })/'
}
for count in 1 20; do
  uses $count minimize.hpp 'return zoft::minimize(x, ' ', {.seed = 42}).loss;' >"$folder/minimize_$count.cpp"
  uses $count mezo.hpp 'auto tuner = zoft::mezo({.seed = 42}); return tuner.step(x, ' ').probe_loss;' >"$folder/mezo.step_$count.cpp"
  prge $count >"$folder/prge.step_$count.cpp"
done
for header in minimize mezo prge; do echo "#include <zoft/$header.hpp>" >"$folder/$header.hpp_0.cpp"; done

[ $# -gt 0 ] || set -- g++ clang++
printf '%-10s %-14s %4s %8s %10s\n' compiler what uses seconds 'code bytes'
for compiler; do
  command -v "$compiler" >/dev/null 2>&1 || { echo "SKIPPED $compiler: not installed"; continue; }
  for what in minimize.hpp_0 minimize_1 minimize_20 mezo.hpp_0 mezo.step_1 mezo.step_20 prge.hpp_0 prge.step_1 prge.step_20; do
    least=
    left=${TURNS:-3}
    while [ "$left" -gt 0 ]; do
      left=$((left - 1))
      seconds=$({ LC_ALL=C bash -c "TIMEFORMAT='%U %S'; time $compiler -std=c++20 -O2 -march=native -I '$include' -c '$folder/$what.cpp' -o '$folder/$what.o'"; } 2>&1 |
        awk '{ print $1 + $2 }')
      # shellcheck disable=SC2086
      least=$(printf '%s\n' $least "$seconds" | sort -n | head -n 1)
    done
    printf '%-10s %-14s %4s %8s %10s\n' "$compiler" "${what%_*}" "${what##*_}" "$least" "$(size "$folder/$what.o" | awk 'NR == 2 { print $1 }')"
  done
done
