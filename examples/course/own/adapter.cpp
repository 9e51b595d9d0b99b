// An adapter of your own: it trains the tensors with a given word in their names, one at a time, in turns.
//
// A borrowing adapter holds the layout of your buffer and says which tensors a step moves. Perturbations and updates
// leave all other elements alone. The choice may depend on d.step, the number of the step, and must be the same each
// time it is asked.
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <vector>
#include <zoft/zoft.hpp>

struct in_turns {
  zoft::layout layout;
  std::string word;
  std::uint32_t steps = 10;  // for each turn

  void check() const {
    zoft::require(steps > 0, "in_turns", "steps", steps, "at least 1");
    zoft::require(!matching().empty(), "in_turns: no tensor has '" + word + "' in its name");
  }
  std::vector<std::size_t> matching() const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < layout.tensors().size(); ++i)
      if (layout.tensors()[i].name.find(word) != std::string::npos) found.push_back(i);
    return found;
  }
  std::vector<bool> trains(const zoft::layout& shape, zoft::direction d) const {
    const auto tensors = matching();
    std::vector<bool> moved(shape.tensors().size());
    moved[tensors[d.step / steps % tensors.size()]] = true;
    return moved;
  }
};

double loss(std::span<const float> w) {
  double sum = 0;
  for (const float value : w) sum += 0.5 * (value - 1) * (value - 1);
  return sum;
}

int main() {
  zoft::layout layout;
  layout.add("embedding", 10, 8);
  layout.add("0.attention", 8, 8);
  layout.add("1.attention", 8, 8);
  std::vector<float> w(layout.size(), 0.0f);
  zoft::engine tuner{zoft::rademacher{}, zoft::one_sided{.epsilon = 1e-3, .queries = 8},
                     in_turns{.layout = layout, .word = "attention"}, zoft::sgd{.learning_rate = 0.05}, zoft::seed{42}};
  for (int step = 0; step < 400; ++step) tuner.step(std::span(w), loss);
  const auto all = std::span<const float>(w);
  std::printf("in turns: loss of the embedding %g, of the rest %g\n", loss(all.first(80)), loss(all.subspan(80)));
  if (loss(all.first(80)) == 40 && loss(all.subspan(80)) < 0.64) return 0;
  std::puts("the rest should fall from 64 to a hundredth of that, and the embedding stay at 40");
  return 1;
}
