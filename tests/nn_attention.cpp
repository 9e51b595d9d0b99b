#include <zoft/nn/layer/attention.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace zoft::nn;

namespace {

/// Keys and values, written in two pieces.
key_values packed(const spaced& k, const spaced& v, const attention_shape& s, dtype type) {
  key_values result(s.kv_heads, s.head_dim, type);
  for (const std::size_t end : {k.rows / 3, k.rows}) {
    const std::size_t first = result.size();
    result.resize(end);
    result.write(first, k.read(first), v.read(first), end - first);
  }
  return result;
}

struct attended {
  attention_shape shape;
  std::size_t rows, first;
  spaced q, k, v, y;
  dtype type = dtype::f32;

  attended(const attention_shape& s, std::size_t r, std::size_t f, draws& d, float sharpness = 2)
      : shape(s),
        rows(r),
        first(f),
        q(r, s.heads * s.head_dim, d.size(0, 3), d, sharpness),
        k(f + r, s.kv_heads * s.head_dim, d.size(0, 3), d, sharpness),
        v(f + r, s.kv_heads * s.head_dim, d.size(0, 3), d),
        y(r, s.heads * s.head_dim, d.size(0, 3)) {}

  key_values keys() const { return packed(k, v, shape, type); }
  void run() { attention(q.read(), keys(), counted(first, rows), shape, y.write()); }
  spaced reference() const {
    spaced result(rows, shape.heads * shape.head_dim, 1);
    attention_reference(q.read(), k.read(), v.read(), counted(first, rows), shape, result.write());
    return result;
  }
  double error() const {
    const spaced wanted = reference();
    double result = 0;
    for (std::size_t row = 0; row < rows; ++row) result = std::max(result, distance(y.row(row), wanted.row(row)));
    return result;
  }
  /// Of an element of y, as attention states it. With η the relative error of an unnormalised weight, |Δy| ≤ 2η·max|v|:
  /// scores are sums of d terms, scaled, and lose the greatest; exp is good to some roundings; two sums over the keys
  /// follow, and each block of keys may scale them.
  double bound() const {
    double largest = 0, value = 0;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < first + rows; ++j)
        for (std::size_t h = 0; h < shape.heads; ++h) {
          double size = 0;
          for (std::size_t e = 0; e < shape.head_dim; ++e)
            size += std::abs(double{q.at(i, h * shape.head_dim + e)} *
                             k.at(j, h * shape.kv_heads / shape.heads * shape.head_dim + e));
          const double root = std::sqrt(static_cast<double>(shape.head_dim));
          largest = std::max(largest, shape.scale == 0 ? size / root : size * shape.scale);
        }
    for (std::size_t j = 0; j < first + rows; ++j)
      for (std::size_t e = 0; e < v.columns; ++e) value = std::max(value, std::abs(double{v.at(j, e)}));
    const double score = 2 * (static_cast<double>(shape.head_dim) + 5) * largest;
    const double in_float = unit * (score + 3 * static_cast<double>(first + rows) + 22 + 8 * shape.cap);
    const double delta = std::ldexp(largest, -8) + std::ldexp(1, -17);
    const bool rounds = type != dtype::f32 && packed_matrix::in_pairs;
    return (in_float + (rounds ? std::exp(2 * delta) * (1 + std::ldexp(1, -7)) - 1 : 0)) * value;
  }
};

constexpr dtype types[] = {dtype::f32, dtype::bf16};

attention_shape random_shape(draws& d, std::size_t trial) {
  const std::size_t kv_heads = d.size(1, 4), times = d.size(1, 3);
  constexpr std::size_t dims[] = {2, 4, 6, 8, 10, 14, 16, 32, 64, 80};
  return {kv_heads * times, kv_heads, dims[trial % std::size(dims)]};
}

}  // namespace

TEST_CASE("attention_reference: by hand, two rows and two query heads on one key head", "[nn]") {
  const std::vector<float> q{1, 0, 0, 2, 0, 0, 1, 1}, k{1, 1, 0, 3}, v{5, -1, 7, 2};
  std::vector<float> y(8);
  attention_reference({q.data(), 4}, {k.data(), 2}, {v.data(), 2}, counted(0, 2), {2, 1, 2}, {y.data(), 4});
  CHECK(y[0] == 5);
  CHECK(y[1] == -1);
  CHECK(y[2] == 5);
  CHECK(y[4] == 6);  // q is 0: both keys alike
  CHECK(y[5] == 0.5f);
  const double p = 1 / (1 + std::exp((2.0 - 3.0) / std::sqrt(2.0)));  // scores (2, 3)/√2
  CHECK(y[6] == Approx(5 + 2 * p).epsilon(1e-6));
  CHECK(y[7] == Approx(-1 + 3 * p).epsilon(1e-6));
}

TEST_CASE("attention: as the reference for grouped heads, with and without tokens before, in any width", "[nn]") {
  draws d(21);
  for (std::size_t trial = 0; trial < 150; ++trial) {
    const attention_shape s = random_shape(d, trial);
    const std::size_t rows = trial % 5 == 0 ? 1 : d.size(1, 45), first = trial % 3 == 0 ? d.size(1, 50) : 0;
    INFO("heads " << s.heads << " on " << s.kv_heads << ", d " << s.head_dim << ", rows " << rows << ", first "
                  << first);
    attended p(s, rows, first, d, trial % 4 == 0 ? 12.0f : 2.0f);
    p.type = types[d.size(0, 1)];
    p.run();
    CHECK(p.error() <= p.bound());
    CHECK(p.y.gaps_are_untouched());
  }
}

TEST_CASE("attention: as the reference with windows, caps and scales", "[nn]") {
  draws d(27);
  for (std::size_t trial = 0; trial < 150; ++trial) {
    attention_shape s = random_shape(d, trial);
    s.window = d.size(1, 70);
    if (trial % 3 > 0) s.cap = trial % 2 == 0 ? 1.5 : 30;
    if (trial % 4 > 1) s.scale = 0.3;
    const std::size_t rows = d.size(1, 45), first = trial % 3 == 0 ? d.size(1, 90) : 0;
    INFO("d " << s.head_dim << ", rows " << rows << ", first " << first << ", window " << s.window << ", cap "
              << s.cap);
    attended p(s, rows, first, d);
    p.type = types[d.size(0, 1)];
    p.run();
    CHECK(p.error() <= p.bound());
  }
}

TEST_CASE("attention: a window hides keys, exactly, and one as long as all keys hides none", "[nn]") {
  draws d(28);
  attention_shape s{2, 1, 8};
  attended p(s, 40, 0, d);
  p.type = GENERATE(dtype::f32, dtype::bf16);
  p.run();
  attended all = p;
  all.shape.window = 40;
  all.run();
  for (std::size_t row = 0; row < 40; ++row) CHECK(distance(p.y.row(row), all.y.row(row)) == 0);
  attended few = p;
  few.shape.window = 3;
  few.run();
  attended changed = few;
  for (std::size_t e = 0; e < s.head_dim; ++e) changed.v.at(10, e) = std::numeric_limits<float>::infinity();
  changed.run();
  for (std::size_t row = 0; row < 40; ++row)  // key 10 is seen by rows 10, 11 and 12 alone
    CHECK((distance(few.y.row(row), changed.y.row(row)) == 0) == (row < 10 || row > 12));
}

TEST_CASE("attention: rows that see the same last key see all keys, as in an encoder", "[nn]") {
  draws d(29);
  const attention_shape s{3, 3, 6};
  attended p(s, 21, 0, d);
  p.type = GENERATE(dtype::f32, dtype::bf16);
  const std::vector<std::size_t> last(21, 20);
  spaced wanted(21, 18, 1);
  attention(p.q.read(), p.keys(), last, s, p.y.write());
  attention_reference(p.q.read(), p.k.read(), p.v.read(), last, s, wanted.write());
  for (std::size_t row = 0; row < 21; ++row) CHECK(distance(p.y.row(row), wanted.row(row)) <= p.bound());
}

TEST_CASE("attention: as the reference over many blocks of keys", "[nn]") {
  draws d(25);
  for (const float sharpness : {0.5f, 3.0f, 30.0f})
    for (const std::size_t keys : sizes{63, 64, 65, 700}) {
      INFO("keys " << keys << ", sharpness " << sharpness);
      const attention_shape s{4, 2, 20};
      attended p(s, std::min<std::size_t>(keys, 90), keys - std::min<std::size_t>(keys, 90), d, sharpness);
      p.type = GENERATE(dtype::f32, dtype::bf16);
      p.run();
      CHECK(p.error() <= p.bound());
    }
}

TEST_CASE("attention: the greatest score may come late, and be far from the others", "[nn]") {
  draws d(26);
  constexpr std::size_t keys = 150;
  const auto score = [&](std::size_t pattern, std::size_t j) {
    const float at = static_cast<float>(j);
    switch (pattern) {
      case 0:
        return at / 16;  // each block weighs more, and none alone
      case 1:
        return -at / 16;
      case 2:
        return j == 140 ? 1e4f : 0;  // one key, late
      case 3:
        return j == 3 ? 1e4f : -1e4f;
      case 4:
        return j == 40 || j == 100 ? 1e4f : at;  // two that are alike, in two blocks
      case 5:
        return -1e4f + 1e4f * static_cast<float>(j / 50);
      case 6:
        return j < 64 ? -3e38f : 3e38f;  // the difference is beyond a float
      default:
        return j < 64 ? -infinity : j == 70 ? 2.0f : 1.0f;
    }
  };
  for (std::size_t pattern = 0; pattern < 8; ++pattern) {
    INFO("pattern " << pattern);
    attended p({1, 1, 1}, 20, keys - 20, d);
    for (std::size_t row = 0; row < p.rows; ++row) p.q.at(row, 0) = 1;
    for (std::size_t j = 0; j < keys; ++j) p.k.at(j, 0) = score(pattern, j);
    p.run();
    // These scores have no roundings; what differences have is within the rest of the bound.
    CHECK(p.error() <= (3 * keys + 22) * unit);
  }
}

TEST_CASE("attention: a row's bits are the same alone behind a cache as in a block of rows", "[nn]") {
  draws d(22);
  for (std::size_t trial = 0; trial < 20; ++trial) {
    const attention_shape s = random_shape(d, trial);
    const std::size_t rows = d.size(2, 40);
    attended p(s, rows, 0, d);
    p.type = types[d.size(0, 1)];
    p.run();
    for (std::size_t first = 0; first < rows; first += d.size(1, 4)) {
      const std::size_t n = std::min(d.size(1, 20), rows - first);
      spaced some(n, s.heads * s.head_dim, 0);
      attention(p.q.read(first), p.keys(), counted(first, n), s, some.write());
      for (std::size_t row = 0; row < n; ++row) CHECK(same_bits(some.row(row), p.y.row(first + row)));
    }
  }
}

TEST_CASE("attention: a row has the same bits among any other rows", "[nn]") {
  draws d(24);
  for (std::size_t trial = 0; trial < 20; ++trial) {
    const attention_shape s = random_shape(d, trial);
    const std::size_t rows = d.size(2, 60);
    attended p(s, rows, 0, d);
    p.type = types[d.size(0, 1)];
    p.run();
    std::vector<std::size_t> some;
    for (std::size_t row = 0; row < rows; ++row)
      if (d.word() % 3 == 0 || row + 1 == rows) some.push_back(row);
    spaced q(some.size(), s.heads * s.head_dim, 1), y(some.size(), s.heads * s.head_dim, 2);
    for (std::size_t i = 0; i < some.size(); ++i)
      for (std::size_t e = 0; e < q.columns; ++e) q.at(i, e) = p.q.at(some[i], e);
    attention(q.read(), p.keys(), some, s, y.write());
    for (std::size_t i = 0; i < some.size(); ++i) CHECK(same_bits(y.row(i), p.y.row(some[i])));
    CHECK(y.gaps_are_untouched());
  }
}

TEST_CASE("attention: what comes later changes no bit of what came before, be it infinite or NaN", "[nn]") {
  draws d(23);
  const attention_shape s{4, 2, 11};
  attended p(s, 70, 0, d);
  p.type = GENERATE(dtype::f32, dtype::bf16);
  p.run();
  for (const float key : {50.0f, infinity, not_a_number})
    for (const float value : {-70.0f, infinity, not_a_number})
      for (const std::size_t changed : sizes{1, 15, 16, 29, 31, 32, 33, 64, 69}) {
        INFO("key " << key << ", value " << value << ", position " << changed);
        attended other = p;
        for (std::size_t e = 0; e < p.k.columns; ++e) {
          other.k.at(changed, e) = key;
          other.v.at(changed, e) = value;
        }
        other.run();
        for (std::size_t row = 0; row < 70; ++row) CHECK(same_bits(other.y.row(row), p.y.row(row)) == (row < changed));
      }
}

TEST_CASE("attention: NaN in a query, or in a key or value that is seen, is NaN in what sees it only", "[nn]") {
  draws d(27);
  const attention_shape s{4, 2, 5};
  attended sound(s, 50, 0, d);
  sound.type = GENERATE(dtype::f32, dtype::bf16);
  const auto nans = [&](const attended& p, std::size_t row, std::size_t head) {
    std::size_t n = 0;
    for (std::size_t e = 0; e < s.head_dim; ++e)
      if (std::isnan(p.y.at(row, head * s.head_dim + e))) ++n;
    return n;
  };
  for (const std::size_t changed : sizes{0, 7, 31, 32, 49}) {
    INFO("position " << changed);
    attended q = sound, k = sound, v = sound;
    q.q.at(changed, 2 * s.head_dim + 1) = not_a_number;
    k.k.at(changed, s.head_dim + 2) = not_a_number;
    v.v.at(changed, s.head_dim + 3) = not_a_number;
    for (attended* p : {&q, &k, &v}) p->run();
    for (std::size_t row = 0; row < 50; ++row)
      for (std::size_t head = 0; head < 4; ++head) {
        const bool sees = row >= changed && head >= 2;
        CHECK(nans(q, row, head) == (row == changed && head == 2 ? s.head_dim : 0));
        CHECK(nans(k, row, head) == (sees ? s.head_dim : 0));
        CHECK(nans(v, row, head) == (sees ? 1 : 0));
      }
  }
}

TEST_CASE("attention: scores beyond what exp can take are a choice of one key", "[nn]") {
  const attention_shape s{1, 1, 2};
  std::vector<float> q{1e4f, 0, 1e4f, 0}, k{-1e4f, 0, 1e4f, 0}, v{1, 2, 3, 4}, y(4);
  for (const dtype type : types) {
    key_values keys(1, 2, type);
    keys.resize(2);
    keys.write(0, {k.data(), 2}, {v.data(), 2}, 2);
    attention({q.data(), 2}, keys, counted(0, 2), s, {y.data(), 2});
    CHECK(y == std::vector<float>{1, 2, 3, 4});
  }
}
