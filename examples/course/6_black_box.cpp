// 6. A black box that is no neural network.
//
// Anything that returns a number can be tuned, and it need not be differentiable. Here a shop decides for each of three
// goods at which stock to order and how much. A simulated year of random customers says what that costs: storage, lost
// sales, deliveries. The answer is in whole pieces and whole days, and as noisy as customers are.
#include <cmath>
#include <cstdio>
#include <span>
#include <vector>
#include <zoft/random/stream.hpp>
#include <zoft/zoft.hpp>

constexpr std::size_t goods = 3;
constexpr int days = 365;

/// Cost of a day, in a year with that luck: for each good, order round(size) pieces at a stock of round(level) or less.
double cost(std::span<const double> policy, std::uint32_t luck) {
  double sum = 0;
  for (std::size_t g = 0; g < goods; ++g) {
    const int level = static_cast<int>(std::lround(policy[2 * g])),
              size = static_cast<int>(std::lround(policy[2 * g + 1]));
    int stock = 20, arrives = -1, ordered = 0;
    for (int day = 0; day < days; ++day) {
      if (day == arrives) stock += ordered;
      const std::uint32_t word = zoft::random::word({99, luck, static_cast<std::uint32_t>(g)},
                                                    zoft::random::stream::data, static_cast<std::uint64_t>(day));
      const int customers = static_cast<int>(word % (3 + 4 * g));
      const int sold = std::min(customers, std::max(stock, 0));
      stock -= sold;
      sum += 0.1 * stock + 5.0 * (customers - sold);
      if (stock <= level && arrives <= day && size > 0) {
        arrives = day + 4;
        ordered = size;
        sum += 30;
      }
    }
  }
  return sum / days;
}

/// Mean over years that no step has seen.
double expected(std::span<const double> policy) {
  double sum = 0;
  for (std::uint32_t year = 0; year < 400; ++year) sum += cost(policy, 1000000 + year);
  return sum / 400;
}

int main() {
  std::vector<double> policy{5, 20, 5, 20, 5, 20};
  // A step in whole pieces needs an ε of some pieces. Ranks of the losses do not mind a year of bad luck.
  zoft::engine tuner{zoft::gaussian{}, zoft::evolution{.epsilon = 3, .queries = 8}, zoft::full{},
                     zoft::sgd{.learning_rate = 3}, zoft::seed{5}};
  std::printf(" years      cost a day     level and size of each good\n");
  for (std::uint32_t step = 0; step <= 300; ++step) {
    if (step % 50 == 0)
      std::printf("%6zu   %13.2f     (%.0f, %.0f) (%.0f, %.0f) (%.0f, %.0f)\n", step * tuner.evaluations(),
                  expected(policy), policy[0], policy[1], policy[2], policy[3], policy[4], policy[5]);
    // All 16 policies of a step meet the same customers, so that luck does not decide between them.
    tuner.step(std::span(policy), [&](std::span<const double> p) { return cost(p, step); });
  }
}
