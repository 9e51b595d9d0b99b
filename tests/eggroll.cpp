// EGGROLL's update against one computed by hand.
#include <zoft/method/eggroll.hpp>

#include "core_support.hpp"

namespace eggroll_tests {

using namespace core_test;

TEST_CASE("eggroll: z-scores of antithetic members along ABᵀ/√r", "[eggroll]") {
  zoft::layout s;
  s.add("w", 20, 30);
  s.add("bias", 20);
  const auto loss = [](std::span<const double> w) { return 1e6 + sphere<double>(w); };
  auto tuner = zoft::eggroll({.rank = 2, .population = 10, .epsilon = 0.1, .learning_rate = 0.5, .seed = 9}, s);
  std::vector<double> x(s.size(), 1.0);
  for (std::uint32_t step = 0; step < 3; ++step) {
    std::vector<double> expected = x, losses(10);
    std::vector<std::vector<double>> z;
    for (std::uint32_t i = 0; i < 5; ++i) {
      z.push_back(noise<double>(zoft::low_rank_product{s, 2}, {9, step, i}, s.size()));
      auto up = x, down = x;
      for (std::size_t j = 0; j < x.size(); ++j) up[j] += 0.1 * z[i][j], down[j] -= 0.1 * z[i][j];
      losses[i] = loss(up);
      losses[5 + i] = loss(down);
    }
    double mean = 0, variance = 0;
    for (const double l : losses) mean += l / 10;
    for (const double l : losses) variance += (l - mean) * (l - mean) / 10;
    for (std::size_t i = 0; i < 5; ++i)
      for (std::size_t j = 0; j < x.size(); ++j)
        expected[j] -= 0.5 * (losses[i] - losses[5 + i]) / std::sqrt(variance) / (10 * 0.1) * z[i][j];
    CHECK(tuner.step(std::span(x), loss).evaluations == 10);
    for (std::size_t j = 0; j < x.size(); ++j) REQUIRE(x[j] == Approx(expected[j]).margin(1e-6));
  }
  CHECK(message([&] { zoft::eggroll({.population = 7}, s); }) ==
        "zoft: eggroll: population is 7, and must be an even number, at least 2");
}

}  // namespace eggroll_tests
