// error: x must be a std::span: write std::span(x)
#include <vector>
#include <zoft/audit.hpp>

int main() {
  std::vector<float> weights(10);
  zoft::audit([](std::span<const float>) { return 1.0; }, weights);
}
