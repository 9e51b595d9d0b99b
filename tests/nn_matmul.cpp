#include <zoft/nn/kernel/matmul.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace zoft::nn;
using io_test::check_refused;

namespace {

double as_multiplied(float x, dtype type) {
  return multiplied_narrow(type) ? static_cast<float>(zoft::bfloat16(x)) : x;
}

// A row of weights as the type keeps it: the nearest value there is.
std::vector<float> stored(std::span<const float> w, dtype type) {
  std::vector<float> result(w.begin(), w.end());
  if (type == dtype::bf16)
    for (float& value : result) value = static_cast<float>(zoft::bfloat16(value));
  if (bits_of(type) > 8) return result;
  std::vector<float> values(nf4_values.begin(), nf4_values.end());
  const int most = type == dtype::i8 ? 127 : 7;
  if (type != dtype::nf4) {
    values.clear();
    for (int code = -most; code <= most; ++code) values.push_back(static_cast<float>(code));
  }
  const std::size_t group = type == dtype::i8 ? w.size() : 32;
  for (std::size_t first = 0; first < w.size(); first += group) {
    const auto part = std::span(result).subspan(first, std::min(group, w.size() - first));
    float greatest = 0;
    for (const float value : part) greatest = std::max(greatest, std::abs(value));
    const float scale = greatest / values.back();
    for (float& value : part) {
      float nearest = scale * values.front();
      for (const float v : values)
        if (std::abs(scale * v - value) < std::abs(nearest - value)) nearest = scale * v;
      value = nearest;
    }
  }
  return result;
}

}  // namespace

TEST_CASE("simd: sum and greatest do what their names say", "[nn]") {
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
      // Inputs come together, and scales are floats.
      const std::size_t together = packed_matrix::inputs_together(type),
                        inputs = (in + together - 1) / together * together;
      const std::size_t scales = type == dtype::i8 ? 1 : bits_of(type) == 4 ? (in + 31) / 32 : 0;
      CHECK(m.bytes() == m.panels() * m.width() * (inputs * bits_of(type) / 8 + 4 * scales));

      const std::size_t first = d.size(0, out - 1), rows = d.size(1, out - first);
      const std::vector<float> part = d.numbers(rows * in);
      const float scale = 1.5f + d.number();
      m.assign(part, first, scale);
      for (std::size_t i = 0; i < part.size(); ++i) w[first * in + i] = scale * part[i];
      std::size_t wrong = 0;
      std::vector<float> row(in);
      for (std::size_t o = 0; o < out; ++o) {
        m.row(o, row);
        const std::vector<float> kept = stored(std::span<const float>(w).subspan(o * in, in), type);
        for (std::size_t i = 0; i < in; ++i) {
          // Two values may be as near as can be told.
          const double to_kept = std::abs(double{kept[i]} - w[o * in + i]),
                       to_got = std::abs(double{m.at(o, i)} - w[o * in + i]);
          wrong += m.at(o, i) != kept[i] && to_got > to_kept + 1e-6;
          wrong += row[i] != m.at(o, i);
        }
      }
      CHECK(wrong == 0);
    }
}

TEST_CASE("packed_matrix: numbers so small that their scale is rounded become the greatest there are, of their sign",
          "[nn]") {
  // The scale would be a part of the least float there is: it is rounded to that, and codes end at their greatest.
  const float least = std::numeric_limits<float>::denorm_min();
  for (const dtype type : {dtype::i8, dtype::i4, dtype::nf4}) {
    INFO(name_of(type));
    const float most = type == dtype::i8 ? 127 : type == dtype::i4 ? 7 : 1;
    const std::vector<float> w{1.4f * most * least, -1.4f * most * least, 0};
    const packed_matrix m = pack(w, 1, 3, type);
    CHECK(m.at(0, 0) == most * least);
    CHECK(m.at(0, 1) == -most * least);
    CHECK(m.at(0, 2) == 0);
  }
}

TEST_CASE("packed_matrix: what cannot be packed is refused", "[nn]") {
  const std::vector<float> w(6);
  check_refused([&] { pack(w, 2, 4); }, {"pack: 6 weights were given, and 2 by 4 are wanted"});
  check_refused([&] { pack({}, 0, 4); }, {"pack: 0 weights were given, and 0 by 4 are wanted, at least 1 by 1"});
  check_refused([&] { pack({}, 4, 0); }, {"pack: 0 weights were given, and 4 by 0 are wanted, at least 1 by 1"});
  // Products that are 0 and 4 in 64 bits.
  constexpr std::size_t half = std::size_t{1} << 63, quarter = std::size_t{1} << 62;
  check_refused([&] { pack({}, half, 2); }, {"pack: 0 weights were given, and 9223372036854775808 by 2 are wanted"});
  check_refused([&] { pack(std::span(w).first(4), quarter + 1, 4); }, {"4611686018427387905 by 4 are wanted"});
  check_refused([&] { packed_matrix(0, 5, dtype::f32); }, {"pack: a matrix of 0 by 5, and must have from 1 to 2^40"});
  check_refused([&] { packed_matrix(half, 2, dtype::i4); }, {"pack: a matrix of 9223372036854775808 by 2, and must"});
  check_refused([&] { pack(w, 2, 3, dtype::f16); }, {"pack: dtype is F16, and must be F32, BF16, I8, I4 or NF4"});
  for (const dtype type : {dtype::i8, dtype::i4, dtype::nf4})
    for (const float bad : {not_a_number, std::numeric_limits<float>::infinity()}) {
      std::vector<float> spoiled(w);
      spoiled[5] = bad;
      check_refused([&] { pack(spoiled, 2, 3, type); },
                    {"pack: the weight of row 1, column 2 is " + zoft::text(bad) +
                     ", and must be finite to be kept as " + std::string(name_of(type))});
    }
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
    // Rows beyond a block of them, and outputs of some panels of 32 with the last one cut.
    const std::size_t rows = trial % 10 == 0 ? d.size(90, 230) : d.size(1, 40),
                      in = d.size(1, trial % 7 == 0 ? 2500 : 90), out = d.size(1, trial % 3 == 0 ? 100 : 40);
    const dtype type = kept_as[trial % 5];
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
          const double term = as_multiplied(x.at(row, i), type) * w.at(o, i);
          sum += term;
          size += std::abs(term);
        }
        // A sum of so many terms, and of groups' sums times their scales.
        const double roundings = static_cast<double>(in + in / 16 + 3);
        const double bound = (roundings * unit + rounding_of_weights(type)) * size * 1.0001;
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

TEST_CASE("matmul: an output's bits do not depend on how many there are", "[nn]") {
  // The last panel may have any number of columns, and then fewer vectors are computed.
  draws d(6);
  const std::size_t in = 45, most = 96;
  for (const dtype type : kept_as) {
    const std::vector<float> w = d.numbers(most * in);
    const packed_matrix whole = pack(w, most, in, type);
    for (const std::size_t rows : sizes{1, 5, 12, 17}) {
      const spaced x(rows, in, 0, d);
      spaced all(rows, most, 0);
      matmul(x.read(), rows, whole, all.write());
      for (std::size_t out = 17; out <= most; ++out) {
        INFO(name_of(type) << ", rows " << rows << ", out " << out);
        spaced some(rows, out, 0);
        matmul(x.read(), rows, pack(std::span(w).first(out * in), out, in, type), some.write());
        bool same = true;
        for (std::size_t row = 0; row < rows; ++row)
          for (std::size_t o = 0; o < out; ++o) same = same && some.at(row, o) == all.at(row, o);
        CHECK(same);
      }
    }
  }
}

TEST_CASE("matmul: few rows of very many inputs have the bits that they have among many", "[nn]") {
  // Few rows come with as many inputs as there is room for, and many with a part of them: sums must end at the same.
  draws d(8);
  const std::size_t in = 27300, out = 5, most = 13;
  const spaced x(most, in, 0, d);
  for (const dtype type : kept_as) {
    INFO(name_of(type));
    const packed_matrix w = pack(d.numbers(out * in), out, in, type);
    spaced all(most, out, 0);
    matmul(x.read(), most, w, all.write());
    for (const std::size_t rows : sizes{1, 3, 4, 5, 7, 11}) {
      spaced some(rows, out, 0);
      matmul(x.read(1), rows, w, some.write());
      for (std::size_t row = 0; row < rows; ++row) CHECK(same_bits(some.row(row), all.row(1 + row)));
    }
  }
}

TEST_CASE("matmul: weights of fewer bits give the bits of the same weights as floats", "[nn]") {
  draws d(5);
  const std::vector<dtype> narrow_types =
      packed_matrix::in_pairs ? std::vector{dtype::i8} : std::vector{dtype::bf16, dtype::i8, dtype::i4, dtype::nf4};
  for (const dtype type : narrow_types)
    for (const std::size_t rows : sizes{1, 3, 4, 9, 30})
      for (const std::size_t in : sizes{40, 41, 333})
        for (const std::size_t out : sizes{13, 37}) {
          std::vector<float> w = d.numbers(out * in, 0.9f);
          // A scale of a power of 2 makes all of i8's values bfloat16's too, and sums of codes those of values.
          for (std::size_t o = 0; packed_matrix::in_pairs && o < out; ++o) w[o * in] = 127.0f / 128;
          const packed_matrix narrow = pack(w, out, in, type);
          std::vector<float> widened(out * in);
          for (std::size_t o = 0; o < out; ++o) narrow.row(o, std::span(widened).subspan(o * in, in));
          const packed_matrix wide = pack(widened, out, in, packed_matrix::in_pairs ? dtype::bf16 : dtype::f32);
          const std::vector<float> x = d.numbers(rows * in);
          std::vector<float> a(rows * out), b(rows * out);
          matmul(x, rows, narrow, a);
          matmul(x, rows, wide, b);
          CHECK(same_bits(a, b));
        }
}

TEST_CASE("matmul: a row of zeros, and weights of zeros, in every type", "[nn]") {
  for (const dtype type : kept_as) {
    const std::size_t in = 70, out = 40;
    std::vector<float> y(3 * out, 1.0f);
    matmul(std::vector<float>(3 * in, 2.0f), 3, pack(std::vector<float>(out * in), out, in, type), y);
    CHECK(y == std::vector<float>(3 * out, 0.0f));
  }
}

TEST_CASE("matmul: spans of the wrong size are refused", "[nn]") {
  const packed_matrix w = pack(std::vector<float>(12), 4, 3);
  std::vector<float> x(6), y(8), wrong(7);
  check_refused([&] { matmul(x, 2, w, wrong); },
                {"matmul: x has 6 numbers and y 7, and 2 rows of 3 and of 4 are wanted"});
  check_refused([&] { matmul(wrong, 2, w, y); }, {"matmul: x has 7 numbers and y 8"});
  check_refused([&] { matmul(x, 3, w, y); }, {"3 rows of 3 and of 4"});
  // As many rows of an even width are none in 64 bits.
  const packed_matrix even = pack(std::vector<float>(8), 4, 2);
  const std::vector<float> nothing;
  std::vector<float> no_room;
  check_refused([&] { matmul(nothing, std::size_t{1} << 63, even, no_room); }, {"9223372036854775808 rows of 2"});
  check_refused([&] { matmul(nothing, 3, packed_matrix(), no_room); }, {"3 rows of 0 and of 0 are wanted"});
  CHECK_NOTHROW(matmul(nothing, 0, even, no_room));
  std::vector<float> both(12);
  check_refused([&] { matmul(std::span(both).first(6), 2, w, std::span(both).last(8)); },
                {"matmul: x and y overlap, and y is written while x is read"});
  CHECK_NOTHROW(matmul(std::span(x), 2, w, y));
}
