#include <cmath>
#include <span>
#include <vector>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/calibrated.hpp>
#include <zoft/random/normal.hpp>

#include "catch.hpp"

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

TEST_CASE("calibrated: bad input is named", "[observed]") {
  std::vector<double> directions;
  const zoft::observations seen = shown(directions);
  CHECK_THROWS_WITH(zoft::calibrated(seen, 0),
                    "zoft: calibrated: rank is 0, and must be from 1 to the 200 rows that were shown");
  CHECK_THROWS_WITH(zoft::calibrated(seen, 5), "zoft: calibrated: rank is 5, and 'k' is 4 by 9");
}
