#include <cmath>
#include <numbers>
#include <span>
#include <vector>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/calibrated.hpp>
#include <zoft/method/zo_act.hpp>
#include <zoft/random/normal.hpp>

#include "catch.hpp"

namespace calibrated_tests {

namespace {

constexpr std::size_t in = 9, rows = 200, rank = 3;

/// Rows Σⱼ 2⁻ʲ gⱼ dⱼ along orthonormal d, with gaussian g.
zoft::observations shown(std::vector<double>& directions) {
  directions.assign(in * in, 0.0);
  zoft::random::gaussian_direction({3, 0, 0}).axpy(std::span(directions), 1.0);
  zoft::random::orthonormalise(directions, in);
  zoft::observations seen;
  seen.ask({4, 0, 0}, 1, 1, rows, {"q", "k"});
  auto& e = seen.add(in, {{"q", 0, 5}, {"k", 5, 4}});
  std::vector<float> g(rows * in);
  zoft::random::gaussian_direction({5, 0, 0}).axpy(std::span(g), 1.0f);
  for (std::size_t s = 0; s < rows; ++s)
    for (std::size_t j = 0; j < in; ++j)
      for (std::size_t i = 0; i < in; ++i)
        e.input(s)[i] +=
            static_cast<float>(std::pow(4.0, -static_cast<double>(j)) * double{g[s * in + j]} * directions[j * in + i]);
  return seen;
}

/// Σ (s·BA − T)² of the linear "q", with gaussian T, which the adapter's coefficients alone change.
struct fitted {
  zoft::layout linears;
  std::vector<double> target = std::vector<double>(5 * in);
  fitted() {
    linears.add("q", 5, in);
    zoft::random::gaussian_direction({6, 0, 0}).axpy(std::span(target), 1.0);
  }
  const zoft::layout& layout() const { return linears; }
  double loss(const float* b, const float* a, double scale) const {
    double sum = 0;
    for (std::size_t o = 0; o < 5; ++o)
      for (std::size_t i = 0; i < in; ++i) {
        const double error = scale * double{b[o]} * double{a[i]} - target[o * in + i];
        sum += error * error;
      }
    return sum;
  }
};

}  // namespace

TEST_CASE("calibrated: A spans the principal directions of inputs", "[observed]") {
  std::vector<double> directions;
  const zoft::observations seen = shown(directions);
  const auto start = zoft::calibrated(seen, rank);
  REQUIRE(start.size() == 2);
  CHECK(start[0].linear == "q");
  CHECK(start[1].linear == "k");
  CHECK(start[0].a == start[1].a);
  CHECK(start[0].b == std::vector<float>(5 * rank));
  CHECK(start[1].b == std::vector<float>(4 * rank));
  for (std::size_t j = 0; j < rank; ++j)
    for (std::size_t k = 0; k < in; ++k) {
      // The sample's own directions differ from d by about 4^-|j-k|/√rows.
      const double along =
          std::sqrt(3.0) * zoft::random::dot(start[0].a.data() + j * in, directions.data() + k * in, in);
      CHECK(std::abs(along) == Approx(j == k ? 1.0 : 0.0).margin(0.1));
    }
}

TEST_CASE("calibrated: lora_fa begins with it", "[observed]") {
  std::vector<double> directions;
  const auto start = zoft::calibrated(shown(directions), rank);
  zoft::layout linears;
  linears.add("q", 5, in);
  linears.add("k", 4, in);
  const auto adapter = zoft::lora_fa{.rank = rank, .start = start}.attach(linears, zoft::seed{});
  for (std::size_t l = 0; l < 2; ++l) {
    const auto pair = adapter.pairs()[l];
    CHECK(std::vector<float>(pair.a.begin(), pair.a.end()) == start[l].a);
    CHECK(std::vector<float>(pair.b.begin(), pair.b.end()) == start[l].b);
  }
}

TEST_CASE("zo_act: Adam on what multiplies the basis, by forward differences", "[method]") {
  std::vector<double> directions;
  std::vector<zoft::low_rank_values> start = zoft::calibrated(shown(directions), 1);
  start.resize(1);  // that of "q"
  const fitted model;
  const zoft::zo_act_options o{.queries = 2, .epsilon = 0.1, .learning_rate = 0.05, .decay = 0.3, .seed = 11};
  auto tuner = zoft::zo_act(o, zoft::lora_fa{.rank = 1, .alpha = std::numbers::sqrt3, .start = start});
  tuner.attach(model);
  const float* const a = start[0].a.data();
  const double scale = std::numbers::sqrt3;
  double length = 0;
  for (std::size_t i = 0; i < in; ++i) length += scale * double{a[i]} * scale * double{a[i]};
  CHECK(length == Approx(1).epsilon(1e-6));  // the basis is orthonormal

  std::vector<float> s(5);
  std::vector<double> m(5), v(5);
  for (std::uint32_t step = 0; step < 3; ++step) {
    std::vector<double> g(5);
    for (std::uint32_t query = 0; query < o.queries; ++query) {
      std::vector<float> there = s, z(5);
      zoft::gaussian{}.axpy(std::span(there), 0.1f, {o.seed, step, query});
      zoft::gaussian{}.axpy(std::span(z), 1.0f, {o.seed, step, query});
      const double slope = (model.loss(there.data(), a, scale) - model.loss(s.data(), a, scale)) / o.epsilon;
      for (std::size_t i = 0; i < 5; ++i) g[i] += slope * double{z[i]} / static_cast<double>(o.queries);
    }
    for (std::size_t i = 0; i < 5; ++i) {
      m[i] = 0.9 * m[i] + 0.1 * g[i];
      v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
      const double mean = m[i] / (1 - std::pow(0.9, step + 1)), square = v[i] / (1 - std::pow(0.999, step + 1));
      s[i] -= static_cast<float>(o.learning_rate * (mean / std::sqrt(square) + o.decay * double{s[i]}));
    }
    const auto report = tuner.step([&](const zoft::low_rank_stack& added, std::span<double> losses) {
      for (std::size_t i = 0; i < losses.size(); ++i) {
        const zoft::low_rank& q = *added.find("q");
        losses[i] = model.loss(q.b_of(i), q.a_of(i), double{q.scale});
      }
    });
    CHECK(report.evaluations == o.queries + 1);
    const auto pair = tuner.adapter().pairs()[0];
    CHECK(std::vector<float>(pair.a.begin(), pair.a.end()) == start[0].a);
    for (std::size_t i = 0; i < 5; ++i) CHECK(double{pair.b[i]} == Approx(double{s[i]}).epsilon(1e-3));
  }
}

TEST_CASE("calibrated: bad input is named", "[observed]") {
  std::vector<double> directions;
  const zoft::observations seen = shown(directions);
  CHECK_THROWS_WITH(zoft::calibrated(seen, 0),
                    "zoft: calibrated: rank is 0, and must be from 1 to the 200 rows that were shown");
  CHECK_THROWS_WITH(zoft::calibrated(seen, 5), "zoft: calibrated: rank is 5, and 'k' is 4 by 9");
}

}  // namespace calibrated_tests
