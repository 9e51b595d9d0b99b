// error: the adapter, which comes third, must be copyable and have layout, a zoft::layout as data
#include <span>
#include <vector>
#include <zoft/zoft.hpp>

struct whole {};

int main() {
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{}, whole{}, zoft::sgd{}};
  std::vector<float> weights(10);
  tuner.step(std::span(weights), [](std::span<const float>) { return 1.0; });
}
