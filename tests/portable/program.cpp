// A program for several instruction sets: prints the set that it was compiled for, and what it computed with it.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>
#include <zoft/mezo.hpp>
#include <zoft/nn/kernel/matmul.hpp>

#define SPELLED(x) #x
#define NAME(x) SPELLED(x)

namespace {

// Made before main with the set's own instructions, and with memory that it gives back after main.
const std::vector<float> made_before_main = [] {
  std::vector<float> x(1024);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sqrt(static_cast<float>(i)) * 0.125f;
  return x;
}();

}  // namespace

int main() {
  // z is the same on all sets, to the last bit.
  std::vector<float> z(1001, 0.0f);
  zoft::gaussian{}.axpy(std::span(z), 1.0f, zoft::direction{42, 3, 2});
  std::uint64_t hash = 0;
  for (const float v : z) {
    std::uint32_t word;
    std::memcpy(&word, &v, sizeof word);
    hash = hash * 0x9e3779b97f4a7c15u + word;
  }

  // The set's own products of bfloat16.
  constexpr std::size_t rows = 8, out = 32, in = 32;
  const std::span<const float> x(made_before_main.data(), rows * in), weights(made_before_main.data(), out * in);
  std::vector<float> y(rows * out), expected(rows * out);
  zoft::nn::matmul(x, rows, zoft::nn::pack(weights, out, in, zoft::nn::dtype::bf16), std::span(y));
  zoft::nn::matmul_reference(x, rows, weights, std::span(expected));
  for (std::size_t i = 0; i < y.size(); ++i)
    if (!(std::abs(y[i] - expected[i]) <= 0.01f * std::abs(expected[i]))) {
      std::printf("product %zu is %g, and should be %g\n", i, static_cast<double>(y[i]),
                  static_cast<double>(expected[i]));
      return 1;
    }

  // Exceptions find their way.
  try {
    zoft::nn::matmul(x, rows, zoft::nn::pack(weights, out, in, zoft::nn::dtype::bf16), std::span(y).first(1));
    return 1;
  } catch (const std::invalid_argument&) {
  }

  std::printf("%s %016llx\n", NAME(ZOFT_ISA), static_cast<unsigned long long>(hash));
}
