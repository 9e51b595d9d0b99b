#!/bin/sh
# What compiler flags make of a MeZO step and of noise: sh bench/flags.sh [COMPILER]
# Nanoseconds a double, the best of seven, on 2^20 doubles in place.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
cat >"$folder/main.cpp" <<'EOF'
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>
#include <zoft/mezo.hpp>

template <class F>
double best(F f) {
  double result = 1e9;
  for (int i = 0; i < 7; ++i) {
    const auto start = std::chrono::steady_clock::now();
    f();
    result = std::min(result, std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count());
  }
  return result;
}

int main() {
  std::vector<double> x(1 << 20, 1.0);
  const double n = static_cast<double>(x.size());
  auto tuner = zoft::mezo({});
  const double step = best([&] { tuner.step(std::span(x), [](std::span<const double>) { return 1.0; }); });
  const double noise = best([&] { zoft::gaussian{}.axpy(std::span(x), 1e-9, {1, 2, 3}); });
  std::printf("%6.2f  %6.2f\n", step / n, noise / n);
}
EOF
printf '%-24s  %6s  %6s\n' flags step noise
for flags in -O0 -O2 '-O2 -march=native' -O3 '-O3 -march=native'; do
  # shellcheck disable=SC2086
  "${1:-c++}" -std=c++20 $flags -I "$root/include" "$folder/main.cpp" -o "$folder/main"
  printf '%-24s  %s\n' "$flags" "$("$folder/main")"
done
