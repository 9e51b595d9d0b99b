// error: x is what is trained, and must be a std::span of numbers that are not const
#include <vector>
#include <zoft/mezo.hpp>

int main() {
  std::vector<float> weights(10);
  auto tuner = zoft::mezo({});
  std::vector<double> losses(2);
  tuner.tell(std::span<const float>(weights), losses);
}
