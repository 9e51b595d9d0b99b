// error: what is trained must come first, a std::span or a model
#include <vector>
#include <zoft/mezo.hpp>

int main() {
  auto tuner = zoft::mezo({});
  tuner.step([](std::span<const float>) { return 1.0; });
}
