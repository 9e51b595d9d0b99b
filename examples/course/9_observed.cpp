// 9. Observed directions.
//
// The gradient of a linear y = W x is a sum of δ xᵀ over examples, with δ = ∂L/∂y. A forward has every x at hand, and
// at the last layer also δ, which costs nothing there: for a squared error it is y − target. So directions are made of
// these. Here a network 16 → 32 → 4 of one's own shows them; δ of the first layer is not known, and is left out.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <span>
#include <vector>
#include <zoft/method/observed.hpp>
#include <zoft/method/per_example_lozo.hpp>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/schedule/linear.hpp>

constexpr std::size_t in = 16, hidden = 32, out = 4, batch = 16, steps = 200;

/// y (out) and what the second layer was given, h (hidden), for one x (in).
void forward(std::span<const float> w, const float* x, std::span<float> h, std::span<float> y) {
  for (std::size_t i = 0; i < hidden; ++i) {
    float sum = 0;
    for (std::size_t j = 0; j < in; ++j) sum += w[i * in + j] * x[j];
    h[i] = std::tanh(sum);
  }
  for (std::size_t o = 0; o < out; ++o) {
    y[o] = 0;
    for (std::size_t i = 0; i < hidden; ++i) y[o] += w[hidden * in + o * hidden + i] * h[i];
  }
}

std::vector<float> drawn(std::size_t n, std::uint32_t which, float scale) {
  std::vector<float> result(n, 0.0f);
  zoft::gaussian{}.axpy(std::span(result), scale, zoft::direction{1, which, 0});
  return result;
}

struct data {
  std::vector<float> x, wanted;

  data(std::uint32_t step, std::span<const float> teacher) : x(drawn(batch * in, step, 1)), wanted(batch * out) {
    float h[hidden];
    for (std::size_t b = 0; b < batch; ++b)
      forward(teacher, x.data() + b * in, h, std::span(wanted).subspan(b * out, out));
  }

  /// The loss of example b; shows what is asked for.
  double loss(std::span<const float> w, std::size_t b, zoft::observations* seen = nullptr) const {
    float h[hidden], y[out];
    forward(w, x.data() + b * in, h, y);
    double sum = 0;
    for (std::size_t o = 0; o < out; ++o) sum += std::pow(y[o] - wanted[b * out + o], 2) / (2 * out);
    if (seen == nullptr) return sum;
    auto &first = seen->entries()[0], &second = seen->entries()[1];
    const std::size_t slot = seen->slot(b, 0);
    std::copy_n(x.data() + b * in, in, first.input(slot).begin());
    std::copy_n(h, hidden, second.input(slot).begin());
    std::vector<float> before(hidden);
    for (std::size_t i = 0; i < hidden; ++i) before[i] = std::atanh(h[i]);
    first.note_outputs(slot, before);
    second.note_outputs(slot, y);
    for (std::size_t o = 0; o < out; ++o) second.gradient(slot)[o] = y[o] - wanted[b * out + o];
    return sum;
  }

  double loss(std::span<const float> w) const {
    double sum = 0;
    for (std::size_t b = 0; b < batch; ++b) sum += loss(w, b) / batch;
    return sum;
  }
};

int main() {
  zoft::layout shape;
  shape.add("first", hidden, in);
  shape.add("second", out, hidden);
  const std::vector<float> teacher = drawn(shape.size(), 1000001, 0.3f), start = drawn(shape.size(), 1000002, 0.2f);
  const data heldout(1000003, teacher);

  std::vector<float> w = start;
  auto tuner =
      zoft::observed({.examples = batch, .rank = 1, .schedule = zoft::linear(steps)}, zoft::full{.layout = shape});
  for (std::uint32_t step = 0; step < steps; ++step)
    tuner.step(std::span(w), [&, now = data(step, teacher)](zoft::candidates<float> c, zoft::example_losses losses,
                                                            zoft::observations& seen) {
      const bool asked = seen.asked();
      if (asked) {
        seen.add("first", in, hidden);
        seen.add("second", hidden, out, true);
      }
      for (std::size_t i = 0; i < c.size(); ++i)
        losses[i] = now.loss(c[i], losses.example_of(i), asked ? &seen : nullptr);
    });
  std::printf("held out: %.4f before; after %zu forwards: observed %.4f", heldout.loss(start), 2 * steps,
              heldout.loss(w));

  w = start;
  auto other = zoft::per_example_lozo({.examples = batch, .learning_rate = 0.2, .schedule = zoft::linear(steps / 2)},
                                      zoft::full{.layout = shape});
  for (std::uint32_t step = 0; step < steps / 2; ++step)
    other.step(std::span(w), [&, now = data(step, teacher)](zoft::candidates<float> c, zoft::example_losses losses) {
      for (std::size_t i = 0; i < c.size(); ++i) losses[i] = now.loss(c[i], losses.example_of(i));
    });
  std::printf(", per_example_lozo %.4f\n", heldout.loss(w));
}
