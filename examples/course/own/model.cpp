// A model of your own, and each thing that a method may want of it. The model is y = W₂ tanh(W₁x).
//
//   a buffer            mezo and most others: they move its numbers
//   a layout            lozo and what is of low rank: which parts of the buffer are matrices
//   losses of examples  per_example_lozo, grzo: one example at a time, and not their mean
//   layout()            lora and lora_fa: the linears that they add to
//   weights_layout()    any of these, where the model keeps its weights, and no copy of them is made
//
// Observed directions want more, see ../9_observed.cpp.
#include <array>
#include <cmath>
#include <cstdio>
#include <span>
#include <vector>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/lozo.hpp>
#include <zoft/method/per_example_lozo.hpp>
#include <zoft/mezo.hpp>
#include <zoft/prge.hpp>
#include <zoft/schedule/linear.hpp>

constexpr std::size_t in = 8, hidden = 16, out = 4, batch = 16;

struct network {
  using weight_type = float;

  std::vector<float> weights = std::vector<float>(hidden * in + out * hidden);

  /// The names of its matrices, and where each begins.
  static zoft::layout weights_layout() {
    zoft::layout shape;
    shape.add("first", hidden, in);
    shape.add("second", out, hidden);
    return shape;
  }
  /// Its linears. Here they are all that it has.
  static zoft::layout layout() { return weights_layout(); }

  /// Lets f change the tensors that move.
  template <class F>
  void update_weights(const std::vector<bool>& moves, F f, bool) {
    const zoft::layout shape = weights_layout();
    for (std::size_t i = 0; i < moves.size(); ++i) {
      const zoft::tensor& t = shape.tensors()[i];
      if (moves[i]) f(t.offset, std::span(weights).subspan(t.offset, t.size()));
    }
  }

  /// y = Wx + s·B(Ax) for candidate g, where something of low rank is added to W.
  static void product(const float* w, std::span<const float> x, std::span<float> y, const zoft::low_rank* added,
                      std::size_t g) {
    for (std::size_t o = 0; o < y.size(); ++o) {
      y[o] = 0;
      for (std::size_t i = 0; i < x.size(); ++i) y[o] += w[o * x.size() + i] * x[i];
    }
    for (std::size_t r = 0; added != nullptr && r < added->rank; ++r) {
      float ax = 0;
      for (std::size_t i = 0; i < x.size(); ++i) ax += added->a_of(g)[r * x.size() + i] * x[i];
      for (std::size_t o = 0; o < y.size(); ++o) y[o] += added->scale_of(g) * added->b_of(g)[o * added->rank + r] * ax;
    }
  }

  static std::array<float, out> forward(std::span<const float> w, std::span<const float> x,
                                        const zoft::low_rank_stack& added, std::size_t g) {
    std::array<float, hidden> h{};
    std::array<float, out> y{};
    product(w.data(), x, h, added.find("first"), g);
    for (float& v : h) v = std::tanh(v);
    product(w.data() + hidden * in, h, y, added.find("second"), g);
    return y;
  }
};

std::vector<float> drawn(std::size_t n, std::uint32_t which, float scale) {
  std::vector<float> result(n, 0.0f);
  zoft::gaussian{}.axpy(std::span(result), scale, zoft::direction{1, which, 0});
  return result;
}

/// What the network is to learn: the answers of another one.
struct data {
  std::vector<float> x = drawn(batch * in, 1, 1), teacher = drawn(network{}.weights.size(), 2, 0.5f);

  double loss(std::span<const float> w, std::size_t b, const zoft::low_rank_stack& added = zoft::low_rank_stack(1),
              std::size_t g = 0) const {
    const auto input = std::span(x).subspan(b * in, in);
    const auto y = network::forward(w, input, added, g),
               wanted = network::forward(teacher, input, zoft::low_rank_stack(1), 0);
    double sum = 0;
    for (std::size_t o = 0; o < out; ++o) sum += std::pow(y[o] - wanted[o], 2) / out;
    return sum;
  }
  double loss(std::span<const float> w, const zoft::low_rank_stack& added = zoft::low_rank_stack(1),
              std::size_t g = 0) const {
    double sum = 0;
    for (std::size_t b = 0; b < batch; ++b) sum += loss(w, b, added, g) / batch;
    return sum;
  }
};

int failed = 0;

void report(const char* what, double before, double after) {
  std::printf("%-20s loss %.4f -> %.4f\n", what, before, after);
  if (!(after < before / 2)) ++failed;
}

int main() {
  const data all;
  const std::vector<float> start = drawn(network{}.weights.size(), 3, 0.3f);
  const double before = all.loss(start);

  {
    std::vector<float> w = start;
    auto tuner = zoft::mezo({.epsilon = 1e-3, .learning_rate = 3e-2});
    for (int step = 0; step < 500; ++step)
      tuner.step(std::span(w), [&](std::span<const float> at) { return all.loss(at); });
    report("a buffer", before, all.loss(w));
  }
  {
    std::vector<float> w = start;
    auto tuner = zoft::lozo({.rank = 2, .epsilon = 1e-3, .learning_rate = 3e-2}, network::weights_layout());
    for (int step = 0; step < 500; ++step)
      tuner.step(std::span(w), [&](std::span<const float> at) { return all.loss(at); });
    report("a layout", before, all.loss(w));
  }
  {
    std::vector<float> w = start;
    auto tuner = zoft::per_example_lozo({.examples = batch, .learning_rate = 3e-2, .schedule = zoft::linear(250)},
                                        zoft::full{.layout = network::weights_layout()});
    for (int step = 0; step < 250; ++step)
      tuner.step(std::span(w), [&](std::span<const float> at, zoft::example e) { return all.loss(at, e.index); });
    report("losses of examples", before, all.loss(w));
  }
  {
    const network net{start};
    auto tuner = zoft::prge({.queries = 4, .epsilon = 1e-2, .learning_rate = 3e-2}, zoft::lora_fa{.rank = 4});
    tuner.attach(net);
    for (int step = 0; step < 500; ++step)
      tuner.step([&](const zoft::low_rank_stack& added, std::span<double> losses) {
        for (std::size_t g = 0; g < added.size(); ++g) losses[g] = all.loss(net.weights, added, g);
      });
    report("layout()", before, all.loss(net.weights, tuner.adapter().stack(), 0));
  }
  {
    network net{start};
    auto tuner = zoft::lozo({.rank = 2, .epsilon = 1e-3, .learning_rate = 3e-2}, network::weights_layout());
    for (int step = 0; step < 500; ++step)
      tuner.step(net, [&](const zoft::adapter_stack& added, std::span<double> losses) {
        for (std::size_t g = 0; g < added.size(); ++g) losses[g] = all.loss(net.weights, added.linears, g);
      });
    report("weights_layout()", before, all.loss(net.weights));
  }
  return failed;
}
