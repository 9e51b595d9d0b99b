// error: the functor must come first, and then x: audit(f, x)
#include <vector>
#include <zoft/audit.hpp>

int main() {
  std::vector<float> weights(10);
  zoft::audit(std::span(weights), [](std::span<const float>) { return 1.0; });
}
