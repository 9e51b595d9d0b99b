// Linears with what a stack of adapters adds to them, in every type of weights.
#include <thread>
#include <zoft/nn/layer/linear.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace zoft::nn;
using zoft::low_rank;
using zoft::low_rank_stack;

namespace {

double rounded(float x, bool round) { return round ? static_cast<float>(zoft::bfloat16(x)) : x; }

struct adapted {
  std::size_t out, rank;  ///< rank 0: not adapted
  bool shared_a;
};

/// A linear and a stack of adapters to some of its parts. A has integers of up to 14 bits, so that with integers in x
/// every u is exact in float, whatever the order of its sum, and is rounded to one bfloat16 for certain.
struct problem {
  linear l;
  std::size_t groups;
  low_rank_stack stack;
  std::vector<std::vector<float>> a, b;

  problem(std::size_t in, dtype type, std::span<const adapted> parts, bool biased, std::size_t g, draws& d)
      : groups(g), stack(g) {
    std::size_t out = 0;
    for (const adapted& p : parts) {
      l.parts.push_back({"part " + std::to_string(l.parts.size()), out, p.out});
      out += p.out;
    }
    l.weight = pack(d.numbers(out * in), out, in, type);
    if (biased) l.bias = d.numbers(out, 3);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const adapted& p = parts[i];
      a.push_back(integers((p.shared_a ? 1 : g) * p.rank * in, in < 100 ? 8191 : 1023, d));
      // What is added is then of the size of x·W, or some hundred times that: neither may hide the other's errors.
      b.push_back(d.numbers(g * p.out * p.rank, d.word() % 2 == 0 ? 1e-3f : 0.1f));
    }
    for (std::size_t i = 0; i < parts.size(); ++i)
      if (parts[i].rank > 0) stack.add(l.parts[i].name, entry(parts[i], a[i], b[i]));
  }

  static std::vector<float> integers(std::size_t n, int most, draws& d) {
    std::vector<float> result(n);
    for (float& value : result) value = std::nearbyint(static_cast<float>(most) * d.number());
    return result;
  }
  std::vector<float> x(std::size_t rows, draws& d) const { return integers(rows * l.weight.in(), 3, d); }

  low_rank entry(const adapted& p, const std::vector<float>& of_a, const std::vector<float>& of_b) const {
    return {.a = of_a.data(),
            .b = of_b.data(),
            .a_stride = p.shared_a ? 0 : p.rank * l.weight.in(),
            .b_stride = p.out * p.rank,
            .rank = p.rank,
            .in = l.weight.in(),
            .out = p.out,
            .scale = 1.7f};
  }

  /// One A is one bfloat16 only where all adapted parts have one A for all groups.
  bool rounds_a() const {
    bool result = multiplied_narrow(l.weight.type());
    for (const linear::part& p : l.parts)
      if (const low_rank* found = stack.find(p.name)) result = result && found->a_stride == 0;
    return result;
  }
};

std::vector<float> product(const problem& p, const std::vector<float>& x, std::size_t groups, std::size_t rows,
                           group_range g) {
  const addition extra(p.l, p.stack);
  // What is there before must not matter.
  std::vector<float> y(p.groups * rows * p.l.weight.out() + 7, not_a_number);
  const std::size_t made = apply<zoft::simd::arch>(p.l, extra, x, groups, rows, g, y);
  CHECK(made == (p.stack.linears() == 0 ? groups : g.count));
  CHECK(y.size() == made * rows * p.l.weight.out());
  return y;
}

/// The greatest error of y over what is allowed; infinite where a number is not one.
double worst_error(const problem& p, const std::vector<float>& x, std::size_t groups, std::size_t rows, group_range g,
                   const std::vector<float>& y) {
  const std::size_t in = p.l.weight.in(), out = p.l.weight.out();
  const dtype type = p.l.weight.type();
  const bool rounds = multiplied_narrow(type), rounds_a = p.rounds_a();
  double result = 0;
  for (std::size_t group = 0; group < y.size() / (rows * out); ++group)
    for (std::size_t row = 0; row < rows; ++row) {
      const float* const from = x.data() + ((groups == 1 ? 0 : group) * rows + row) * in;
      for (const linear::part& part : p.l.parts) {
        const low_rank* const found = p.stack.find(part.name);
        std::vector<double> u(found == nullptr ? 0 : found->rank);
        for (std::size_t k = 0; k < u.size(); ++k) {
          for (std::size_t i = 0; i < in; ++i)
            u[k] += double{from[i]} * rounded(found->a_of(g.first + group)[k * in + i], rounds_a);
          u[k] = rounded(static_cast<float>(u[k]), rounds_a);
        }
        for (std::size_t o = 0; o < part.out; ++o) {
          double base = 0, low = 0, base_size = 0, low_size = 0;
          for (std::size_t i = 0; i < in; ++i) {
            const double term = double{from[i]} * p.l.weight.at(part.first + o, i);
            base += term;
            base_size += std::abs(term);
          }
          for (std::size_t k = 0; k < u.size(); ++k) {
            const double term = double{found->scale} * u[k] * found->b_of(g.first + group)[o * found->rank + k];
            low += term;
            low_size += std::abs(term);
          }
          const double bias = p.l.bias.empty() ? 0 : p.l.bias[part.first + o];
          // A sum of so many terms and of groups' sums times their scales; and s·b, rounded, and where it is a sum of
          // two bfloat16, right to 2⁻¹⁶, as is u where groups have their own A, and without the lower parts' product.
          const double roundings = static_cast<double>(in + in / 16 + 3 * 20 * p.l.parts.size() + 5);
          const double allowed =
              (roundings * unit * (base_size + low_size + std::abs(bias)) + rounding_of_weights(type) * base_size +
               (rounds ? (rounds_a ? 1 : 3) * 0x1p-16 : 0) * low_size) *
                  1.0001 +
              1e-30;
          const double error = std::abs(y[(group * rows + row) * out + part.first + o] - (base + low + bias));
          result = error <= result * allowed ? result : std::isnan(error) ? 1e30 : error / allowed;
        }
      }
    }
  return result;
}

/// Parts whose outputs begin and end anywhere in panels, adapted ones and others.
std::vector<adapted> random_parts(draws& d) {
  std::vector<adapted> result;
  const std::size_t kind = d.size(0, 2);  // one A for all groups, an A for each, or both in one linear
  for (std::size_t n = d.size(1, 4); n > 0; --n)
    result.push_back({d.size(1, d.size(0, 2) == 0 ? 75 : 20), d.word() % 3 == 0 ? 0 : d.size(1, 20),
                      kind == 0 || (kind == 2 && d.word() % 2 == 0)});
  return result;
}

}  // namespace

TEST_CASE("linear: xWᵀ + b + s·(xAᵀ)Bᵀ, whatever the shapes, the type and the groups", "[nn]") {
  draws d(91);
  for (int trial = 0; trial < 240; ++trial) {
    const dtype type = kept_as[trial % 5];
    const bool many = trial % 8 == 0, deep = trial % 12 == 1;
    const std::size_t groups = many ? 3 : d.size(1, 5),
                      rows = many   ? 70
                             : deep ? d.size(1, 9)
                                    : d.size(1, 22),
                      in = deep ? d.size(1000, 2500) : d.size(1, 90);
    const std::vector<adapted> parts = random_parts(d);
    const problem p(in, type, parts, trial % 2 == 0, groups, d);
    const std::size_t first = d.size(0, groups - 1);
    const group_range g{first, d.size(1, groups - first)};
    INFO("trial " << trial << ": " << name_of(type) << ", " << groups << " groups, " << rows << " rows, in " << in
                  << ", " << parts.size() << " parts, groups from " << g.first << ": " << g.count);
    for (const group_range range : {group_range{0, groups}, g})
      for (const std::size_t given : {std::size_t{1}, range.count}) {
        const std::vector<float> x = p.x(given * rows, d);
        CHECK(worst_error(p, x, given, rows, range, product(p, x, given, rows, range)) <= 1);
      }
  }
}

TEST_CASE("linear: more rows than a block, of groups that no block ends with", "[nn]") {
  draws d(92);
  const adapted parts[] = {{21, 3, true}, {9, 0, true}, {40, 17, true}, {13, 20, true}};
  for (const dtype type : kept_as)
    for (const bool shared : {true, false})
      for (const std::size_t rows : sizes{70, 96, 131}) {
        std::vector<adapted> of(std::begin(parts), std::end(parts));
        for (adapted& p : of) p.shared_a = shared;
        const problem p(45, type, of, true, 3, d);
        INFO(name_of(type) << ", 3 groups of " << rows << (shared ? ", one A" : ", an A each"));
        for (const std::size_t given : sizes{1, 3}) {
          const std::vector<float> x = p.x(given * rows, d);
          std::vector<float> y;
          // A thread of its own has no memory from before, in which to read beyond its end would not be seen.
          std::thread([&] { y = product(p, x, given, rows, {0, 3}); }).join();
          CHECK(worst_error(p, x, given, rows, {0, 3}, y) <= 1);
        }
      }
}

TEST_CASE("linear: a group has the same bits alone, among others, and where all have one x", "[nn]") {
  draws d(93);
  for (const dtype type : kept_as)
    for (const bool shared : {true, false})
      for (const std::size_t rows : sizes{1, 3, 11, 40, 70}) {
        INFO(name_of(type) << ", " << rows << " rows" << (shared ? ", one A" : ", an A each"));
        const std::size_t groups = 4, in = rows == 3 ? 2500 : 75;
        const adapted parts[] = {{20, 5, shared}, {7, 0, shared}, {30, 12, shared}};
        const problem p(in, type, parts, true, groups, d);
        const std::vector<float> one = d.numbers(rows * in);
        std::vector<float> repeated;
        for (std::size_t g = 0; g < groups; ++g) repeated.insert(repeated.end(), one.begin(), one.end());
        const std::vector<float> all = product(p, one, 1, rows, {0, groups});
        CHECK(same_bits(product(p, repeated, groups, rows, {0, groups}), all));
        const auto size = static_cast<std::ptrdiff_t>(all.size() / groups);
        for (std::size_t first = 0; first < groups; ++first)
          for (std::size_t count = 1; first + count <= groups; ++count) {
            const auto from = all.begin() + static_cast<std::ptrdiff_t>(first) * size;
            CHECK(same_bits(product(p, one, 1, rows, {first, count}),
                            std::vector<float>(from, from + static_cast<std::ptrdiff_t>(count) * size)));
          }
        for (std::size_t g = 1; g < groups; ++g)
          CHECK(!std::equal(all.begin(), all.begin() + size, all.begin() + static_cast<std::ptrdiff_t>(g) * size));
      }
}

TEST_CASE("linear: parts that are not adapted have the bits of no adapter at all", "[nn]") {
  draws d(94);
  for (const dtype type : kept_as) {
    INFO(name_of(type));
    const std::size_t rows = 13, in = 50;
    const adapted parts[] = {{17, 0, true}, {10, 6, true}, {18, 0, true}, {50, 0, true}, {5, 3, true}};
    const problem p(in, type, parts, true, 2, d);
    const std::vector<float> x = p.x(rows, d), adapted_y = product(p, x, 1, rows, {0, 2});
    problem none = p;
    none.stack = low_rank_stack(2);
    const std::vector<float> plain = product(none, x, 1, rows, {0, 2});
    REQUIRE(plain.size() == rows * p.l.weight.out());
    for (std::size_t i = 0; i < adapted_y.size(); ++i) {
      const std::size_t o = i % p.l.weight.out();
      const bool is_adapted = (o >= 17 && o < 27) || o >= 95;
      CHECK((adapted_y[i] == plain[i % plain.size()]) == !is_adapted);
    }
  }
}

TEST_CASE("linear: what perturbs B by a ten-thousandth is not rounded away", "[nn]") {
  draws d(95);
  for (const dtype type : kept_as)
    for (const bool shared : {true, false})
      for (const std::size_t rank : sizes{1, 4, 16}) {
        INFO(name_of(type) << ", rank " << rank << (shared ? ", one A" : ", an A each"));
        // W is 0, so that y is what is added. Two groups have the same A: B and B + 10⁻⁴·z.
        const std::size_t rows = 15, in = 40, out = 45;
        const float delta = 1e-4f;
        const adapted part{out, rank, shared};
        problem p(in, type, std::span(&part, 1), false, 2, d);
        p.l.weight = packed_matrix(out, in, type);
        const std::size_t of_b = out * rank;
        if (!shared) std::copy_n(p.a[0].begin(), rank * in, p.a[0].begin() + static_cast<std::ptrdiff_t>(rank * in));
        for (std::size_t i = 0; i < of_b; ++i) p.b[0][i] = d.number();
        std::vector<double> z(of_b);
        for (std::size_t i = 0; i < of_b; ++i) {
          p.b[0][of_b + i] = p.b[0][i] + delta * d.number();
          z[i] = double{p.b[0][of_b + i]} - p.b[0][i];
        }
        const std::vector<float> x = p.x(rows, d), y = product(p, x, 1, rows, {0, 2});
        const low_rank& entry = *p.stack.find("part 0");
        double error = 0, size = 0;
        for (std::size_t row = 0; row < rows; ++row) {
          std::vector<double> u(rank);
          for (std::size_t k = 0; k < rank; ++k) {
            for (std::size_t i = 0; i < in; ++i) u[k] += x[row * in + i] * rounded(entry.a[k * in + i], p.rounds_a());
            u[k] = rounded(static_cast<float>(u[k]), p.rounds_a());
          }
          for (std::size_t o = 0; o < out; ++o) {
            double exact = 0;
            for (std::size_t k = 0; k < rank; ++k) exact += double{entry.scale} * u[k] * z[o * rank + k];
            const double got = double{y[(rows + row) * out + o]} - y[row * out + o];
            error += (got - exact) * (got - exact);
            size += exact * exact;
          }
        }
        // The rounding of a number to two bfloat16 is 2⁻¹⁸ of it at most, evenly spread, and so has a deviation of
        // 2⁻¹⁸/√3; the difference of two such is 3·10⁻⁶ beside 10⁻⁴. Of one bfloat16 it would be 16 times 10⁻⁴.
        CHECK(std::sqrt(error / size) < 0.06);
      }
}

TEST_CASE("linear: what perturbs A by a ten-thousandth is not rounded away", "[nn]") {
  draws d(96);
  for (const dtype type : kept_as)
    for (const std::size_t rank : sizes{1, 4, 16}) {
      INFO(name_of(type) << ", rank " << rank);
      // W is 0, and two groups have the same B: A and A + 10⁻⁴·z.
      const std::size_t rows = 15, in = 40, out = 45, of_a = rank * in;
      const adapted part{out, rank, false};
      problem p(in, type, std::span(&part, 1), false, 2, d);
      p.l.weight = packed_matrix(out, in, type);
      std::copy_n(p.b[0].begin(), out * rank, p.b[0].begin() + static_cast<std::ptrdiff_t>(out * rank));
      std::vector<double> z(of_a);
      for (std::size_t i = 0; i < of_a; ++i) {
        p.a[0][i] = d.number();
        p.a[0][of_a + i] = p.a[0][i] + 1e-4f * d.number();
        z[i] = double{p.a[0][of_a + i]} - p.a[0][i];
      }
      const std::vector<float> x = p.x(rows, d), y = product(p, x, 1, rows, {0, 2});
      const low_rank& entry = *p.stack.find("part 0");
      double error = 0, size = 0;
      for (std::size_t row = 0; row < rows; ++row)
        for (std::size_t o = 0; o < out; ++o) {
          double exact = 0;
          for (std::size_t k = 0; k < rank; ++k)
            for (std::size_t i = 0; i < in; ++i)
              exact += double{entry.scale} * x[row * in + i] * z[k * in + i] * entry.b[o * rank + k];
          const double got = double{y[(rows + row) * out + o]} - y[row * out + o];
          error += (got - exact) * (got - exact);
          size += exact * exact;
        }
      // As for B, of A and of u.
      CHECK(std::sqrt(error / size) < 0.12);
    }
}

TEST_CASE("linear: NaN in one product leaves nothing in the next", "[nn]") {
  draws d(97);
  for (const dtype type : kept_as)
    for (const bool shared : {true, false}) {
      INFO(name_of(type) << (shared ? ", one A" : ", an A each"));
      // What the second product only fills up is where the first had its numbers.
      const std::size_t rows = 20;
      const adapted first_part{40, 20, shared}, second_part{40, 5, shared};
      const problem first(50, type, std::span(&first_part, 1), false, 2, d);
      const problem second(50, type, std::span(&second_part, 1), false, 2, d);
      product(first, std::vector<float>(2 * rows * 50, not_a_number), 2, rows, {0, 2});
      const std::vector<float> y = product(second, second.x(2 * rows, d), 2, rows, {0, 2});
      CHECK(std::all_of(y.begin(), y.end(), [](float value) { return !std::isnan(value); }));
    }
}

TEST_CASE("linear: shapes that do not fit are refused, and a stack that adapts nothing adds nothing", "[nn]") {
  draws d(96);
  const adapted part{20, 4, true};
  const problem p(10, dtype::f32, std::span(&part, 1), false, 1, d);
  for (const auto& [in, out] : {std::pair<std::size_t, std::size_t>{11, 20}, {10, 21}}) {
    low_rank_stack wrong(1);
    low_rank entry = *p.stack.find("part 0");
    entry.in = in;
    entry.out = out;
    wrong.add("part 0", entry);
    io_test::check_refused([&] { addition(p.l, wrong); }, {"adapter: 'part 0' is adapted as " + std::to_string(out) +
                                                           " by " + std::to_string(in) + ", and is 20 by 10"});
  }
  CHECK(addition(p.l, low_rank_stack(3)).empty());
  low_rank_stack other(2);
  other.add("of another linear", *p.stack.find("part 0"));
  CHECK(addition(p.l, other).empty());
  CHECK(addition().empty());
}
