// error: x must be a std::span: write std::span(x)
#include <vector>
#include <zoft/mezo.hpp>

int main() {
  std::vector<float> weights(10);
  auto tuner = zoft::mezo({});
  std::vector<double> losses(2);
  tuner.tell(weights, losses);
}
