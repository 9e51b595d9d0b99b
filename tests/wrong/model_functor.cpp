// error: the functor must be void(const auto& shown, std::span<double> losses)
#include <vector>
#include <zoft/mezo.hpp>

struct network {
  using weight_type = float;
  zoft::layout weights_layout() const { return {}; }
  template <class F>
  void update_weights(const std::vector<bool>&, F, bool) {}
};

int main() {
  network model;
  auto tuner = zoft::mezo({});
  tuner.step(model, [](std::span<const float>) { return 1.0; });
}
