// Directions made from what a forward at θ showed: rows that are chosen, z by its definition, and its mean.
#include <set>
#include <zoft/adapter/lora.hpp>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/concepts.hpp>
#include <zoft/engine/directions/at.hpp>
#include <zoft/random/chosen.hpp>
#include <zoft/random/orthonormal.hpp>
#include <zoft/sampler/low_rank_gaussian.hpp>

#include "observed_support.hpp"

namespace observed_rows_tests {

using namespace core_test;

static_assert(zoft::observing_sampler<zoft::observed_rows> && !zoft::observing_sampler<zoft::low_rank_gaussian>);
static_assert(!zoft::low_rank_sampler<zoft::observed_rows> && !zoft::factored_sampler<zoft::observed_rows>);

namespace {

/// z of a linear by its definition, from what was shown of it, with nothing else in its entry. `u` (m, r) in place of
/// its gradients, if not empty. Each entry is of one linear.
matrix defined(const observations& seen, std::string_view name, std::size_t query, const matrix& u = {}) {
  const auto [e, p] = std::pair(seen.find(name).of, seen.find(name).which);
  const std::size_t r = seen.rows_of_query(), b = query % seen.examples(), k = query / seen.examples();
  matrix z(p->out * e->in);
  for (std::size_t j = 0; j < r; ++j)
    for (std::size_t i = 0, s = seen.slot(b, k * r + j); i < z.size(); ++i)
      z[i] += (u.empty() ? double{(*e->gradients)[s * e->out + p->first + i / e->in]} : u[i / e->in * r + j]) *
              double{e->inputs[s * e->in + i % e->in]};
  double change = 0, square = 0;
  for (std::size_t j = 0; j < r; ++j)
    for (std::size_t o = 0, s = seen.slot(b, k * r + j); o < p->out; ++o) {
      double y = 0;
      for (std::size_t i = 0; i < e->in; ++i) y += z[o * e->in + i] * double{e->inputs[s * e->in + i]};
      change += y * y / static_cast<double>(r * p->out);
    }
  for (const double y : e->squares) square += y / static_cast<double>(seen.slots() * p->out);
  const auto linears = static_cast<double>(seen.entries().size());
  for (double& v : z) v *= std::sqrt(square / change) / linears;
  return z;
}

/// Whether `all` holds `part` at element `first`, but for roundings of floats.
bool holds(const matrix& all, std::size_t first, const matrix& part) {
  double greatest = 0, apart = 0;
  for (std::size_t i = 0; i < part.size(); ++i) {
    greatest = std::max(greatest, std::abs(part[i]));
    apart = std::max(apart, std::abs(all.at(first + i) - part[i]));
  }
  return greatest > 0 && apart < 1e-5 * greatest;
}

}  // namespace

TEST_CASE("chosen: without replacement, from the first list while it lasts", "[noise]") {
  const std::vector<std::size_t> first{10, 11, 12, 13, 14, 15, 16, 17}, others{30, 31, 32, 33};
  for (std::uint32_t step = 0; step < 200; ++step)
    for (const std::size_t n : {0u, 1u, 5u, 8u, 10u, 12u, 99u}) {
      const auto got = zoft::random::chosen({3, step, 0}, stream::rows, first, others, n);
      REQUIRE(got.size() == std::min<std::size_t>(n, 12));
      REQUIRE(std::set(got.begin(), got.end()).size() == got.size());
      for (std::size_t i = 0; i < got.size(); ++i) {
        const auto& from = i < first.size() ? first : others;
        REQUIRE(std::find(from.begin(), from.end(), got[i]) != from.end());
      }
    }
  CHECK(zoft::random::chosen({3, 0, 0}, stream::rows, {}, others, 2).size() == 2);
  CHECK(zoft::random::chosen({3, 0, 0}, stream::rows, first, {}, 9).size() == 8);
  const auto of = [&](direction d) { return zoft::random::chosen(d, stream::rows, first, others, 8); };
  CHECK(of({3, 1, 0}) == of({3, 1, 0}));
  CHECK(of({3, 1, 0}) != of({3, 1, 1}));
}

TEST_CASE("chosen: each place is as likely to have each element", "[noise]") {
  constexpr std::size_t draws = 8000, from = 8, n = 3;
  double counts[n][from] = {};
  std::vector<std::size_t> first(from);
  std::iota(first.begin(), first.end(), std::size_t{0});
  for (std::uint32_t step = 0; step < draws; ++step) {
    const auto got = zoft::random::chosen({5, step, 0}, stream::rows, first, {99}, n);
    for (std::size_t i = 0; i < n; ++i) ++counts[i][got[i]];
  }
  // χ² with 7 degrees of freedom has mean 7 and variance 14.
  for (const auto& of_place : counts) {
    double square = 0;
    for (const double c : of_place) square += std::pow(c - draws / from, 2) / (draws / from);
    CHECK(square < 7 + 5 * std::sqrt(14.0));
  }
}

TEST_CASE("observations: places of rows, and names", "[observed]") {
  observations seen;
  CHECK_FALSE(seen.asked());
  seen.ask({4, 5, 0}, 3, 2, 4, {"model.layers.1.mlp.up_proj.weight", "model.layers.12.mlp.down_proj.lora_B", "head"});
  CHECK(seen.asked());
  CHECK(seen.rows() == 8);
  CHECK(seen.slots() == 24);
  std::set<std::size_t> slots;
  for (std::size_t b = 0; b < 3; ++b)
    for (std::size_t row = 0; row < 8; ++row) {
      slots.insert(seen.slot(b, row));
      // Direction k of example b is query k·B + b, whose rows lie side by side.
      CHECK(seen.slot(b, row) / 4 == row / 4 * 3 + b);
      CHECK(seen.slot(b, row) % 4 == row % 4);
    }
  CHECK(slots.size() == 24);
  CHECK(seen.wants("model.layers.1.mlp.up_proj"));
  CHECK(seen.wants("model.layers.12.mlp.down_proj"));
  CHECK(seen.wants("head"));
  CHECK_FALSE(seen.wants("model.layers.1.mlp.down_proj"));
  CHECK_FALSE(seen.wants("model.layers.2.mlp.down_proj"));
  CHECK_FALSE(seen.wants("model.layers.1.mlp.up"));
  CHECK_FALSE(seen.wants("hea"));

  auto& e = seen.add(6, {{"q", 0, 5}, {"k", 5, 2}}, true);
  CHECK(e.out == 7);
  CHECK(e.inputs == std::vector<float>(24 * 6));
  CHECK(e.gradients->size() == 24 * 7);
  // What is noted last counts. Of a part, all outputs must be there.
  const std::vector<float> q{1, -2, 3, 1, 1}, half{5};
  for (std::size_t s = 0; s < 24; ++s) {
    e.note_outputs(s, std::vector<float>{9, 9, 9, 9, 9, -3, s < 12 ? 3.0f : 1.0f});
    e.note_outputs(s, q);
    e.note_outputs(s, half, 6);
  }
  CHECK(seen.find("k.weight").which->first == 5);
  CHECK(seen.find("q").which->first == 0);
  CHECK_FALSE(seen.find("v"));
  seen.measure();
  seen.measure();
  CHECK(seen.find("q").which->square == 16.0 / 5);
  CHECK(seen.find("k").which->square == 7);
}

TEST_CASE("observed_rows: z by its definition", "[observed]") {
  const net n{.examples = 3, .tokens = 9};
  const zoft::layout shape = n.shape();
  for (const auto& [queries, rank] : {std::pair<std::size_t, std::size_t>{1, 1}, {2, 3}, {1, 9}}) {
    const observations seen = n.seen(n.start(), {6, 2, 0}, queries, rank);
    observations without = seen;
    for (auto& e : without.entries()) e.gradients = {};
    const auto guided = sampler_of(shape, seen), plain = sampler_of(shape, seen, false),
               unknown = sampler_of(shape, without);
    for (std::uint32_t query = 0; query < 3 * queries; ++query) {
      const direction d{6, 2, query};
      const matrix z = noise<double>(guided, d, shape.size()), gaussian = noise<double>(plain, d, shape.size());
      CHECK(holds(z, 0, defined(seen, "first", query)));
      CHECK(holds(z, n.second(), defined(seen, "second", query)));
      CHECK(guided.at(d).rank() == rank);
      CHECK(guided.at(d).left(0).size() == n.hidden * rank);
      CHECK(guided.at(d).right(2).size() == rank * n.hidden);
      CHECK(guided.at(d).left(3).empty());
      CHECK(guided.at(d).right(1).empty());
      // Each matrix has words of its own.
      const std::size_t words = n.hidden * rank;
      CHECK(holds(gaussian, 0, defined(seen, "first", query, gaussians(d, words, stream::left_factor))));
      CHECK(holds(gaussian, n.second(),
                  defined(seen, "second", query, gaussians(d, n.out * rank, stream::left_factor, words))));
      CHECK(bits(noise<double>(unknown, d, shape.size())) == bits(gaussian));
      for (const matrix* of : {&z, &gaussian}) {
        for (std::size_t i = n.hidden * n.in; i < n.second(); ++i) CHECK((*of)[i] == 0);
        for (std::size_t i = n.second() + n.out * n.hidden; i < of->size(); ++i) CHECK((*of)[i] == 0);
      }
    }
  }
}

TEST_CASE("observed_rows: z of more rows, outputs and inputs than vectors are long, summed in the order of rows",
          "[observed]") {
  constexpr std::size_t m = 70, k = 27, r = 21;
  zoft::layout shape;
  shape.add("w", m, k);
  observations seen;
  seen.ask({9, 1, 0}, 2, 1, r, {"w"});
  auto& e = seen.add("w", k, m, true);
  e.inputs = floats(gaussians({9, 0, 1}, e.inputs.size()));
  *e.gradients = floats(gaussians({9, 0, 2}, e.gradients->size()));
  for (std::size_t slot = 0; slot < seen.slots(); ++slot) e.note_outputs(slot, std::vector<float>(m, 2.0f));
  const auto s = sampler_of(shape, seen);
  for (const std::uint32_t query : {0u, 1u}) {
    const direction d{9, 1, query};
    CHECK(holds(noise<double>(s, d, shape.size()), 0, defined(seen, "w", query)));
    const auto left = s.at(d).left(0), right = s.at(d).right(0);
    std::vector<float> expected;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      float sum = 0;
      for (std::size_t j = 0; j < r; ++j)
        sum = zoft::simd::multiply_add(left[i / k * r + j], right[j * k + i % k], sum);
      expected.push_back(sum);
    }
    CHECK(bits(noise<float>(s, d, shape.size())) == bits(expected));
  }
}

TEST_CASE("observed_rows: queries, and matrices that are shown the same, have different noise", "[observed]") {
  observations seen;
  seen.ask({7, 1, 0}, 1, 2, 1, {"a", "b"});
  zoft::layout shape;
  for (const char* name : {"a", "b"}) {
    auto& e = seen.add(name, 2, 400);
    shape.add(name, 400, 2);
    std::fill(e.inputs.begin(), e.inputs.end(), 1.0f);
    for (const std::size_t s : {0u, 1u}) e.note_outputs(s, std::vector<float>(400, 1.0f));
    shape.size();
  }
  const auto s = sampler_of(shape, seen);
  const auto of = [&](std::uint32_t query, std::size_t index) {
    const auto left = s.at({7, 1, query}).left(index);
    return matrix(left.begin(), left.end());
  };
  const matrix a = of(0, 0), b = of(0, 1), a_of_1 = of(1, 0), b_of_1 = of(1, 1);
  // The cosine of two gaussian vectors has the variance 1/400.
  for (const auto& [one, other] :
       {std::pair(&a, &b), std::pair(&a, &a_of_1), std::pair(&a, &b_of_1), std::pair(&b, &b_of_1)})
    CHECK(std::abs(cosine(*one, *other)) < 5 / std::sqrt(400.0));
}

TEMPLATE_TEST_CASE("observed_rows: a direction in pieces is the whole, bit for bit, and what is not shown rests",
                   "[observed]", float, double, zoft::bfloat16, zoft::half) {
  using T = TestType;
  zoft::layout shape;
  shape.add("vector", 5);
  shape.add("wide", 3, 2500);
  shape.add("unseen", 7, 4);
  shape.add("tall", 40, 3);
  observations seen;
  seen.ask({8, 3, 0}, 2, 1, 3, {"wide", "tall"});
  for (const auto& [name, in, out] :
       {std::tuple<std::string, std::size_t, std::size_t>{"tall", 3, 40}, {"wide", 2500, 3}}) {
    auto& e = seen.add(name, in, out, true);
    e.inputs = floats(gaussians({8, 0, 1}, e.inputs.size()));
    *e.gradients = floats(gaussians({8, 0, 2}, e.gradients->size()));
    for (std::size_t slot = 0; slot < seen.slots(); ++slot) e.note_outputs(slot, std::vector<float>(out, 2.0f));
  }
  const auto s = sampler_of(shape, seen);
  std::vector<T> start;
  for (const double v : cosines(shape.size())) start.push_back(T(static_cast<zoft::arithmetic_t<T>>(v)));
  const auto z = noise<zoft::arithmetic_t<T>>(s, {8, 3, 1}, shape.size());
  std::vector<T> whole = start;
  const zoft::arithmetic_t<T> a = 0.37f;
  s.axpy(std::span(whole), a, {8, 3, 1});
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const auto shown = [&](const zoft::tensor& t) { return i >= t.offset && i < t.offset + t.size(); };
    const bool moves = shown(shape.tensors()[1]) || shown(shape.tensors()[3]);
    REQUIRE((z[i] != 0) == moves);
    REQUIRE(value(whole[i]) == Approx(value(start[i]) + value(a) * value(z[i])).epsilon(1e-2).margin(1e-2));
    if (!moves) REQUIRE(std::bit_cast<pattern<T>>(whole[i]) == std::bit_cast<pattern<T>>(start[i]));
  }
  for (const std::size_t length : {1u, 7u, 64u, 1000u, 2501u}) {
    std::vector<T> pieces = start;
    for (std::size_t first = 0; first < pieces.size(); first += length)
      s.axpy(std::span(pieces).subspan(first, std::min(length, pieces.size() - first)), a, {8, 3, 1}, first);
    CHECK(bits(pieces) == bits(whole));
    std::vector<zoft::arithmetic_t<T>> drawn(shape.size(), 7);
    for (std::size_t first = 0; first < drawn.size(); first += length)
      zoft::draw(s.at({8, 3, 1}), std::span(drawn).subspan(first, std::min(length, drawn.size() - first)), first);
    CHECK(bits(drawn) == bits(z));
  }

  // Nothing moves by 0, nor along what was not observed, and −0 stays −0.
  std::vector<T> still = start;
  still[0] = T(-0.0f);
  const auto before = bits(still);
  s.axpy(std::span(still), 0, {8, 3, 1});
  zoft::observed_rows new_one{.layout = shape};
  new_one.axpy(std::span(still), a, {8, 3, 1});
  new_one.observe(seen);
  new_one.forget();
  new_one.axpy(std::span(still), a, {8, 3, 1});
  CHECK(bits(still) == before);
  CHECK(new_one.at({8, 3, 1}).elements() == shape.size());
  CHECK_THROWS_AS(s.axpy(std::span(still), a, {8, 3, 1}, 1), std::invalid_argument);
  CHECK_THROWS_AS(s.axpy(std::span(still), std::numeric_limits<float>::infinity(), {8, 3, 1}), std::invalid_argument);
  CHECK(bits(still) == before);
}

TEST_CASE("observed_rows: the mean of (zᵀg)z is g over the rows, without knowing gradients", "[observed]") {
  // For rows that are orthonormal, u gaussian and any r: z = s·uX with s² = square·rm/|u|², so E[(zᵀg)z] = square·gXᵀX.
  // For one row, the same with s² = square·m/|u|²|x|⁴.
  constexpr std::size_t m = 3, k = 5, steps = 20000;
  const matrix g = gaussians({9, 9, 9}, m * k);
  zoft::layout shape;
  shape.add("w", m, k);
  for (const std::size_t rank : {1u, 3u}) {
    const std::size_t queries = 3 / rank;
    matrix x = gaussians({9, 9, 1}, 3 * k), y = gaussians({9, 9, 2}, 3 * m);
    if (rank == 3) zoft::random::orthonormalise(x, 3);
    std::vector<matrix> samples(queries * m * k);
    double square = 0;
    for (const double v : y) square += v * v / static_cast<double>(y.size());
    for (std::uint32_t step = 0; step < steps; ++step) {
      observations seen;
      seen.ask({10, step, 0}, 1, queries, rank, {"w"});
      auto& e = seen.add("w", k, m);
      std::copy(x.begin(), x.end(), e.inputs.begin());
      for (std::size_t t = 0; t < 3; ++t) e.note_outputs(t, floats(std::span(y).subspan(t * m, m)));
      const auto s = sampler_of(shape, seen, false);
      for (std::uint32_t q = 0; q < queries; ++q) {
        const matrix z = noise<double>(s, {10, step, q}, m * k);
        const double slope = inner(z, g);
        for (std::size_t i = 0; i < m * k; ++i) samples[q * m * k + i].push_back(slope * z[i]);
      }
    }
    for (std::size_t q = 0; q < queries; ++q)
      for (std::size_t i = 0; i < m * k; ++i) {
        double expected = 0;
        for (std::size_t row = q * rank; row < (q + 1) * rank; ++row) {
          const std::span<const double> own = std::span(x).subspan(row * k, k);
          expected +=
              square / std::pow(inner(own, own), 2) * own[i % k] * inner(own, std::span(g).subspan(i / k * k, k));
        }
        const matrix& sample = samples[q * m * k + i];
        double mean = 0, variance = 0;
        for (const double v : sample) mean += v / steps;
        for (const double v : sample) variance += (v - mean) * (v - mean) / steps;
        CHECK(std::abs(mean - expected) < 5 * std::sqrt(variance / steps));
      }
  }
}

TEST_CASE("low_rank_adapter: what is seen of B is s·xAᵀ", "[observed]") {
  zoft::layout linears;
  linears.add("q", 6, 8);
  linears.add("k", 5, 8);
  linears.add("other", 4, 4);
  observations seen;
  seen.ask({12, 4, 0}, 2, 1, 3, {"q.lora_B", "k.lora_B", "other.lora_B"});
  auto& e = seen.add(8, {{"q", 0, 6}, {"k", 6, 5}}, true);
  e.inputs = floats(gaussians({12, 0, 1}, e.inputs.size()));
  *e.gradients = floats(gaussians({12, 0, 2}, e.gradients->size()));
  const std::vector<float> y = floats(gaussians({12, 0, 3}, 6 * 11));
  for (std::size_t s = 0; s < 6; ++s) e.note_outputs(s, std::span(y).subspan(s * 11, 11));
  const auto check = [&](const zoft::low_rank_adapter& adapter) {
    const observations of_b = adapter.observed(seen);
    CHECK(of_b.rows() == 3);
    CHECK(of_b.step() == seen.step());
    CHECK(of_b.entries().size() == 2);
    CHECK_FALSE(of_b.find("other.lora_B"));
    CHECK_FALSE(of_b.find("q.lora_A"));
    for (std::size_t l = 0; l < 2; ++l) {
      const auto pair = adapter.pairs()[l];
      const auto found = of_b.find(pair.linear + ".lora_B");
      REQUIRE(found);
      CHECK(found.of->in == 3);
      CHECK(found.which->out == pair.out);
      double square = 0;
      for (std::size_t s = 0; s < 6; ++s) {
        for (std::size_t r = 0; r < 3; ++r) {
          double u = 0;
          for (std::size_t i = 0; i < 8; ++i) u += double{pair.a[r * 8 + i]} * double{e.inputs[s * 8 + i]};
          CHECK(found.of->inputs[s * 3 + r] == Approx(2 * u).epsilon(1e-5).margin(1e-5));  // s = α/r
        }
        for (std::size_t o = 0; o < pair.out; ++o) {
          CHECK((*found.of->gradients)[s * found.of->out + found.which->first + o] ==
                (*e.gradients)[s * 11 + 6 * l + o]);
          square += std::pow(double{y[s * 11 + 6 * l + o]}, 2) / static_cast<double>(6 * pair.out);
        }
      }
      CHECK(found.which->square == Approx(square));
    }
  };
  check(zoft::lora_fa{.rank = 3, .alpha = 6}.attach(linears, zoft::seed{5}));
  check(zoft::lora{.rank = 3, .alpha = 6}.attach(linears, zoft::seed{5}));
}

}  // namespace observed_rows_tests
