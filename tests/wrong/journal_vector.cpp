// error: x must be what the engine's step takes, a std::span or a model: write std::span(x)
#include <vector>
#include <zoft/journal.hpp>
#include <zoft/mezo.hpp>

int main() {
  std::vector<float> weights(10);
  auto tuner = zoft::mezo({});
  zoft::journal log("run");
  log.resume(tuner, weights);
}
