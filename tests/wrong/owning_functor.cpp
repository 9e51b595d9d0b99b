// error: the functor must be void(const auto& shown, std::span<double> losses), which writes a loss for each
#include <vector>
#include <zoft/prge.hpp>

int main() {
  auto tuner = zoft::prge({}, zoft::lora_fa{});
  tuner.step([](zoft::candidates<float>, std::span<double>) {});
}
