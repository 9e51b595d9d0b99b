// What the tests of zoft/nn share: numbers that are a function of a seed, matrices with gaps, and random models.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <vector>
#include <zoft/nn/transformer.hpp>
#include <zoft/random/stream.hpp>

#include "io_support.hpp"

namespace nn_test {

using sizes = std::initializer_list<std::size_t>;

inline constexpr double unit = 0x1p-24;  // a float's relative rounding error
inline constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
inline constexpr float infinity = std::numeric_limits<float>::infinity();
inline constexpr double lanes = zoft::simd::floats<>::size;

inline constexpr zoft::nn::dtype kept_as[] = {zoft::nn::dtype::f32, zoft::nn::dtype::bf16, zoft::nn::dtype::i8,
                                              zoft::nn::dtype::i4, zoft::nn::dtype::nf4};

/// Whether weights of that type are multiplied in bfloat16: x, u and a shared A are rounded to it.
inline bool multiplied_narrow(zoft::nn::dtype type) {
  return zoft::nn::packed_matrix::in_pairs && type != zoft::nn::dtype::f32;
}

/// What the values of W's codes are rounded by before they are multiplied.
inline double rounding_of_weights(zoft::nn::dtype type) {
#if defined(ZOFT_HAS_AMX)
  if (type == zoft::nn::dtype::i4) return 0x1p-8;
#endif
  return multiplied_narrow(type) && type == zoft::nn::dtype::nf4 ? 0x1p-8 : 0;
}

/// Words of Philox, one behind another.
class draws {
 public:
  explicit draws(std::uint64_t seed) : d_{seed, 0, 0} {}

  std::uint32_t word() { return zoft::random::word(d_, zoft::random::stream::data, at_++); }
  std::size_t size(std::size_t least, std::size_t most) { return least + word() % (most - least + 1); }
  /// Uniform in [−1, 1).
  float number() { return static_cast<float>(static_cast<std::int32_t>(word())) * 0x1p-31f; }
  std::vector<float> numbers(std::size_t n, float scale = 1, float centre = 0) {
    std::vector<float> result(n);
    for (float& value : result) value = centre + scale * number();
    return result;
  }
  std::vector<std::int32_t> tokens(std::size_t n, std::size_t vocabulary) {
    std::vector<std::int32_t> result(n);
    for (auto& token : result) token = static_cast<std::int32_t>(word() % vocabulary);
    return result;
  }

 private:
  zoft::direction d_;
  std::uint64_t at_ = 0;
};

/// A matrix whose rows lie apart, with NaN between and behind them: what reads there, or writes there, is seen.
struct spaced {
  std::size_t rows, columns, stride;
  std::vector<float> data;

  spaced(std::size_t r, std::size_t c, std::size_t gap)
      : rows(r), columns(c), stride(c + gap), data((r + 1) * stride, not_a_number) {}
  spaced(std::size_t r, std::size_t c, std::size_t gap, draws& d, float scale = 1) : spaced(r, c, gap) {
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < c; ++j) at(i, j) = scale * d.number();
  }
  float& at(std::size_t row, std::size_t column) { return data[row * stride + column]; }
  float at(std::size_t row, std::size_t column) const { return data[row * stride + column]; }
  zoft::nn::rows_of<const float> read(std::size_t row = 0) const { return {data.data() + row * stride, stride}; }
  zoft::nn::rows_of<float> write() { return {data.data(), stride}; }
  std::vector<float> row(std::size_t r) const {
    const float* const from = data.data() + r * stride;
    return {from, from + columns};
  }
  bool gaps_are_untouched() const {
    for (std::size_t i = 0; i < data.size(); ++i)
      if ((i >= rows * stride || i % stride >= columns) && !std::isnan(data[i])) return false;
    return true;
  }
};

/// first, first + 1, …: n of them.
inline std::vector<std::size_t> counted(std::size_t first, std::size_t n) {
  std::vector<std::size_t> result(n);
  std::iota(result.begin(), result.end(), first);
  return result;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

inline bool same_bits(const std::vector<zoft::nn::token_score>& a, const std::vector<zoft::nn::token_score>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(&a[i].nll, &b[i].nll, sizeof a[i].nll) != 0 || a[i].best != b[i].best) return false;
  return true;
}

/// A model whose extents are no multiples of anything, with weights that make logits of order 1.
inline zoft::nn::transformer random_model(zoft::nn::config c, const zoft::nn::biases& bias, std::uint64_t seed,
                                          const zoft::nn::load_options& o = {}) {
  c.bias = bias;
  draws d(seed);
  std::map<std::string, std::vector<float>> storage;
  zoft::io::checkpoint::tensor_map tensors;
  zoft::io::for_each_tensor(c, [&](const std::string& name, const std::vector<std::size_t>& shape) {
    const std::size_t size = zoft::io::elements(shape);
    const float in = static_cast<float>(shape.back());
    std::vector<float>& values = storage[name];
    if (shape.size() == 1)
      values = name.ends_with(".bias") ? d.numbers(size, 0.5f) : d.numbers(size, 0.4f, 1);
    else
      values = d.numbers(size, name.find("embed") != std::string::npos ? 1.0f : 2.5f / std::sqrt(in));
    tensors[name] = {zoft::io::storage::f32, shape, std::as_bytes(std::span<const float>(values))};
  });
  return zoft::nn::transformer(zoft::io::checkpoint("a random model", c, {}, std::move(tensors)), o);
}

inline zoft::nn::config odd_shape() {
  return {.dim = 22,
          .hidden = 37,
          .layers = 3,
          .heads = 6,
          .kv_heads = 3,
          .head_dim = 10,
          .vocabulary = 51,
          .context = 150,
          .rope_base = 300.0,
          .norm_epsilon = 1e-5,
          .pairing = zoft::nn::rope::interleaved,
          .tied_head = false};
}

inline zoft::nn::transformer fixture_model(const std::string& name, const zoft::nn::load_options& o = {}) {
  return zoft::nn::load(io_test::fixture(name), o);
}

/// The numbers of a list of lists.
template <class T>
std::vector<T> flat(const zoft::io::json& rows) {
  std::vector<T> result;
  for (const auto& row : rows)
    for (const auto& value : row) result.push_back(value.get<T>());
  return result;
}

/// The greatest |a − b|; infinite where one is not a number, or the sizes differ.
template <class A, class B>
double distance(const A& a, const B& b) {
  double result = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double apart = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    result = apart <= result ? result : std::isnan(apart) ? std::numeric_limits<double>::infinity() : apart;
  }
  return result;
}

}  // namespace nn_test
