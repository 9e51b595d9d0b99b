// error: the functor must return its loss, a number, and returns something else
#include <vector>
#include <zoft/audit.hpp>

int main() {
  std::vector<float> weights(10);
  zoft::audit([](std::span<const float>) {}, std::span(weights));
}
