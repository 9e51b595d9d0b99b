// error: losses must be a std::span<const double> or a std::vector<double>
#include <vector>
#include <zoft/mezo.hpp>

int main() {
  std::vector<float> weights(10);
  auto tuner = zoft::mezo({});
  std::vector<float> losses(2);
  tuner.tell(std::span(weights), losses);
}
