// The README's P-RGE form, as it stands there, with a little net: it must lower the loss. Prints all bits of the
// result.
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <span>
#include <vector>
#include <zoft/prge.hpp>

namespace {

struct {
  double loss(std::span<const float> x, double batch) const {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double v = static_cast<double>(x[i]) - std::sin(static_cast<double>(i) + batch);
      sum += v * v;
    }
    return sum;
  }
  void losses(zoft::candidates<float> c, double batch, std::span<double> out) const {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = loss(c[i], batch);
  }
} net;

}  // namespace

int main() {
  std::vector<float> adapter(64, 0.0f);
  const double batch = 0.5;
  const double before = net.loss(adapter, batch);
  for (int run = 0; run < 20; ++run) {
#include "form.inc"
  }
  const double after = net.loss(adapter, batch);
  std::printf("loss %a -> %a\n", before, after);
  for (const float x : adapter) std::printf("%a\n", static_cast<double>(x));
  return after < before ? 0 : 1;
}
