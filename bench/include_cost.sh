#!/bin/sh
# What including the library costs: seconds of compiler time, the least of five, and bytes of code.
#   sh bench/include_cost.sh [COMPILER...]
set -eu
include=$(cd "$(dirname "$0")/../include" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/nothing.cpp" <<'EOF'
EOF
cat >"$folder/standard.cpp" <<'EOF'
#include <algorithm>
#include <charconv>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>
EOF
echo '#include <zoft/mezo.hpp>' >"$folder/mezo.cpp"
echo '#include <zoft/prge.hpp>' >"$folder/prge.cpp"
echo '#include <zoft/zoft.hpp>' >"$folder/everything.cpp"
echo '#include <zoft/nn/transformer.hpp>' >"$folder/transformer.cpp"
cat >"$folder/mezo_step.cpp" <<'EOF'
#include <zoft/mezo.hpp>
double step(std::span<float> weights, double (*loss)(std::span<const float>)) {
  auto tuner = zoft::mezo({.epsilon = 1e-3, .learning_rate = 1e-6, .seed = 42});
  return tuner.step(weights, loss).probe_loss;
}
EOF

cat >"$folder/transformer_loss.cpp" <<'EOF'
#include <zoft/nn/transformer.hpp>
double loss(const zoft::nn::transformer& model, const zoft::nn::batch& batch) { return model.loss(batch); }
EOF

[ $# -gt 0 ] || set -- g++ clang++
printf '%-10s %-22s %8s %10s\n' compiler file seconds 'code bytes'
for compiler; do
  command -v "$compiler" >/dev/null 2>&1 || { echo "SKIPPED $compiler: not installed"; continue; }
  for file in nothing standard mezo prge everything transformer mezo_step transformer_loss; do
    least=
    for turn in 1 2 3 4 5; do
      seconds=$({ LC_ALL=C bash -c "TIMEFORMAT='%U %S'; time $compiler -std=c++20 -O2 -march=native -I '$include' -isystem /usr/include/eigen3 -c '$folder/$file.cpp' -o '$folder/$file.o'"; } 2>&1 |
        awk '{ print $1 + $2 }')
      least=$(printf '%s\n' $least "$seconds" | sort -n | head -n 1)
    done
    printf '%-10s %-22s %8s %10s\n' "$compiler" "$file.cpp" "$least" "$(size "$folder/$file.o" | awk 'NR == 2 { print $1 }')"
  done
done
