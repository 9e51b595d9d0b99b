#include <zoft/nn/matmul.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace zoft::nn;
using io_test::check_refused;

namespace {

const dtype kept_as[] = {dtype::f32, dtype::bf16};

float stored(float value, dtype type) { return type == dtype::f32 ? value : static_cast<float>(zoft::bfloat16(value)); }

}  // namespace

TEST_CASE("simd: sum, greatest and widened do what their names say", "[nn]") {
  using floats = zoft::simd::floats<>;
  draws d(1);
  for (int trial = 0; trial < 50; ++trial) {
    const std::vector<float> x = d.numbers(floats::size);
    double sum = 0, size = 0;
    for (const float value : x) {
      sum += value;
      size += std::abs(value);
    }
    CHECK(std::abs(zoft::simd::sum(floats::load_unaligned(x.data())) - sum) <= floats::size * unit * size);
    CHECK(zoft::simd::greatest(floats::load_unaligned(x.data())) == *std::max_element(x.begin(), x.end()));

    std::vector<zoft::bfloat16> narrow(x.begin(), x.end());
    std::vector<float> wide(floats::size), also(floats::size);
    zoft::simd::widened<xsimd::default_arch>(narrow.data()).store_unaligned(wide.data());
    zoft::simd::widened<xsimd::default_arch>(x.data()).store_unaligned(also.data());
    for (std::size_t i = 0; i < floats::size; ++i) CHECK(wide[i] == static_cast<float>(narrow[i]));
    CHECK(also == x);
  }
}

TEST_CASE("packed_matrix: every element, row and span of rows is where it was put, rounded once", "[nn]") {
  draws d(2);
  for (const dtype type : kept_as)
    for (int trial = 0; trial < 40; ++trial) {
      const std::size_t out = d.size(1, 70), in = d.size(1, 33);
      INFO(out << " by " << in << " in " << name_of(type));
      std::vector<float> w = d.numbers(out * in, 3);
      packed_matrix m = pack(std::span<const float>(w), out, in, type);
      CHECK((m.out() == out && m.in() == in && m.type() == type));
      CHECK(m.panels() * m.width() >= out);
      CHECK((m.panels() - 1) * m.width() < out);
      CHECK(m.bytes() == m.panels() * m.width() * in * size_of(type));

      const std::size_t first = d.size(0, out - 1), rows = d.size(1, out - first);
      const std::vector<float> part = d.numbers(rows * in);
      const float scale = 1.5f + d.number();
      m.assign(part, first, scale);
      for (std::size_t i = 0; i < part.size(); ++i) w[first * in + i] = scale * part[i];
      std::size_t wrong = 0;
      std::vector<float> row(in);
      for (std::size_t o = 0; o < out; ++o) {
        m.row(o, row);
        for (std::size_t i = 0; i < in; ++i) wrong += m.at(o, i) != stored(w[o * in + i], type) || row[i] != m.at(o, i);
      }
      CHECK(wrong == 0);
    }
}

TEST_CASE("packed_matrix: what cannot be packed is refused", "[nn]") {
  const std::vector<float> w(6);
  check_refused([&] { pack(w, 2, 4); }, {"pack: 6 weights were given, and 2 by 4 are 8"});
  check_refused([&] { pack({}, 0, 4); }, {"pack: 0 weights were given, and 0 by 4 are 0"});
  check_refused([&] { pack(w, 2, 3, dtype::f16); }, {"pack: dtype is F16, and must be F32 or BF16"});
}

TEST_CASE("matmul_reference is the sum", "[nn]") {
  const std::vector<float> x{1, 2, 3, -1, 0.5f, 4}, w{1, 0, 2, 3, -1, 0.25f};
  std::vector<float> y(4);
  matmul_reference(x, 2, w, y);
  CHECK(y == std::vector<float>{7, 1.75f, 7, -2.5f});
}

TEST_CASE("matmul: within in·2⁻²⁴·Σ|xw| of the exact sum, whatever the shape, the type and the strides", "[nn]") {
  draws d(3);
  for (int trial = 0; trial < 200; ++trial) {
    // Rows beyond a block of 96, and outputs of some panels of 32 with the last one cut.
    const std::size_t rows = trial % 10 == 0 ? d.size(90, 230) : d.size(1, 40), in = d.size(1, 90),
                      out = d.size(1, trial % 3 == 0 ? 100 : 40);
    const dtype type = kept_as[trial % 2];
    const bool accumulate = d.word() % 2 == 0;
    INFO("rows " << rows << ", in " << in << ", out " << out << ", " << name_of(type) << ", accumulate " << accumulate);
    const packed_matrix w = pack(d.numbers(out * in), out, in, type);
    const spaced x(rows, in, d.size(0, 5), d);
    spaced y(rows, out, d.size(0, 5), d);
    const spaced before = y;
    matmul(x.read(), rows, w, y.write(), accumulate);

    double worst = 0;
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t o = 0; o < out; ++o) {
        double sum = accumulate ? before.at(row, o) : 0.0, size = std::abs(sum);
        for (std::size_t i = 0; i < in; ++i) {
          const double term = double{x.at(row, i)} * w.at(o, i);
          sum += term;
          size += std::abs(term);
        }
        const double bound = static_cast<double>(in + (accumulate ? 1 : 0)) * unit * size * 1.0001;
        const double error = std::abs(y.at(row, o) - sum);
        worst = error <= worst * bound ? worst : std::isnan(error) ? 1e30 : error / bound;
      }
    CHECK(worst <= 1);
    CHECK(y.gaps_are_untouched());
  }
}

TEST_CASE("matmul: a row's bits do not depend on the rows beside it, nor on how they are spread", "[nn]") {
  draws d(4);
  for (const dtype type : kept_as)
    for (const std::size_t out : sizes{1, 7, 16, 33, 70}) {
      const std::size_t in = 45, most = 110;
      const packed_matrix w = pack(d.numbers(out * in), out, in, type);
      const spaced x(most, in, 3, d);
      spaced all(most, out, 0);
      matmul(x.read(), most, w, all.write());
      for (const std::size_t rows : sizes{1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 24, 31, 97}) {
        const std::size_t first = d.size(0, most - rows);
        spaced some(rows, out, 2);
        matmul(x.read(first), rows, w, some.write());
        for (std::size_t row = 0; row < rows; ++row) CHECK(same_bits(some.row(row), all.row(first + row)));
      }
    }
}

TEST_CASE("matmul: bfloat16 weights give the bits of the same weights as floats", "[nn]") {
  draws d(5);
  const std::size_t rows = 9, in = 40, out = 37;
  const packed_matrix narrow = pack(d.numbers(out * in), out, in, dtype::bf16);
  std::vector<float> widened(out * in);
  for (std::size_t o = 0; o < out; ++o) narrow.row(o, std::span(widened).subspan(o * in, in));
  const packed_matrix wide = pack(widened, out, in);
  const std::vector<float> x = d.numbers(rows * in);
  std::vector<float> a(rows * out), b(rows * out);
  matmul(x, rows, narrow, a);
  matmul(x, rows, wide, b);
  CHECK(same_bits(a, b));
}

TEST_CASE("matmul: spans of the wrong size are refused", "[nn]") {
  const packed_matrix w = pack(std::vector<float>(12), 4, 3);
  std::vector<float> x(6), y(8), wrong(7);
  check_refused([&] { matmul(x, 2, w, wrong); },
                {"matmul: x has 6 numbers and y 7, and 2 rows of 3 and of 4 are wanted"});
  check_refused([&] { matmul(wrong, 2, w, y); }, {"matmul: x has 7 numbers and y 8"});
  check_refused([&] { matmul(x, 3, w, y); }, {"3 rows of 3 and of 4"});
}
