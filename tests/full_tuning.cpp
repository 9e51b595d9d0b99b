// Tunes a model that keeps its own weights, here a net in double. Whoever evaluates it adds the points beside the
// weights.
#include <algorithm>
#include <numeric>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/lozo.hpp>
#include <zoft/method/eggroll.hpp>
#include <zoft/method/lozo_m.hpp>
#include <zoft/method/mezo_bcd.hpp>
#include <zoft/method/subzero.hpp>
#include <zoft/method/tezo.hpp>
#include <zoft/method/zo_muon.hpp>
#include <zoft/mezo.hpp>
#include <zoft/optimizer/replayed_momentum.hpp>
#include <zoft/sampler/rademacher.hpp>

#include "core_support.hpp"

namespace full_tuning_tests {

using namespace core_test;

namespace {

using numbers = std::vector<double>;

constexpr std::size_t in = 12, hidden = 16, out = 10, examples = 20;

zoft::layout shape_of_net() {
  zoft::layout result;
  result.add("first.weight", hidden, in);
  result.add("first.bias", hidden);
  result.add("norm.weight", hidden);
  result.add("second.weight", out, hidden);
  return result;
}

/// y = V(g ⊙ tanh(Wx + b)), with W, b, g and V in one buffer; the loss is the mean square of y − tanh(3x) (out < in).
class net {
 public:
  using weight_type = double;

  explicit net(numbers start) : weights(std::move(start)) {}

  numbers weights;

  zoft::layout weights_layout() const { return shape_of_net(); }

  template <class F>
  void update_weights(const std::vector<bool>& moves, F f, bool) {
    const zoft::layout shape = shape_of_net();
    for (std::size_t i = 0; i < moves.size(); ++i) {
      const zoft::tensor& t = shape.tensors()[i];
      if (moves[i]) f(t.offset, std::span(weights).subspan(t.offset, t.size()));
    }
  }

  /// Of the stack's group g.
  double loss(const zoft::adapter_stack& stack, std::size_t g) const {
    double sum = 0;
    for (std::size_t example = 0; example < examples; ++example) {
      const numbers x = input(example);
      numbers h = product(0, hidden, x, stack.linears.find("first"), g);
      for (std::size_t i = 0; i < hidden; ++i) {
        const double bias = weights[hidden * in + i], gain = weights[hidden * (in + 1) + i];
        const double at = h[i] + bias + added(stack.biases, "first", g, i);
        h[i] = (gain + added(stack.gains, "norm", g, i)) * std::tanh(at);
      }
      const numbers y = product(hidden * (in + 2), out, h, stack.linears.find("second"), g);
      for (std::size_t i = 0; i < out; ++i) sum += std::pow(y[i] - std::tanh(3 * x[i]), 2);
    }
    return sum / (examples * out);
  }
  double loss() const { return loss(zoft::adapter_stack(1), 0); }

  /// At point g.
  double loss(const zoft::weight_points<double>& points, std::size_t g) const {
    net moved = *this;
    const zoft::layout shape = shape_of_net();
    for (std::size_t i = 0; i < points.moves.size(); ++i) {
      const zoft::tensor& t = shape.tensors()[i];
      numbers z(t.size(), 0.0);
      if (points.moves[i]) points.noise(points.points[g].query, t.offset, z);
      zoft::random::axpy<double>(std::span(moved.weights).subspan(t.offset, t.size()), points.points[g].scale,
                                 z.data());
    }
    return moved.loss();
  }

 private:
  static numbers input(std::size_t example) {
    numbers x(in, 0.0);
    zoft::gaussian{}.axpy(std::span(x), 1.0, {77, 0, static_cast<std::uint32_t>(example)});
    return x;
  }

  template <class Map>
  static double added(const Map& vectors, const char* name, std::size_t g, std::size_t i) {
    const auto found = vectors.find(name);
    return found == vectors.end() ? 0.0 : static_cast<double>(found->second.of(g)[i]);
  }

  /// x (n) · (rows, n)ᵀ, the matrix being the weights from `first` on, and what is added to it.
  numbers product(std::size_t first, std::size_t rows, const numbers& x, const zoft::low_rank* added,
                  std::size_t g) const {
    numbers y(rows), u(added == nullptr ? 0 : added->rank);
    for (std::size_t r = 0; r < u.size(); ++r)
      for (std::size_t i = 0; i < x.size(); ++i) u[r] += x[i] * double{added->a_of(g)[r * x.size() + i]};
    for (std::size_t o = 0; o < rows; ++o) {
      for (std::size_t i = 0; i < x.size(); ++i) y[o] += x[i] * weights[first + o * x.size() + i];
      for (std::size_t r = 0; r < u.size(); ++r)
        y[o] += double{added->scale_of(g)} * u[r] * double{added->b_of(g)[o * u.size() + r]};
    }
    return y;
  }
};

net start() {
  numbers w(shape_of_net().size(), 0.0);
  zoft::gaussian{}.axpy(std::span(w), 0.3, {78, 0, 0});
  return net(w);
}

constexpr double epsilon = 0x1p-7, rate = 0x1p-6;

/// The largest differences of slopes and of weights between tuning beside them and in place.
struct differences {
  double slopes = 0, weights = 0, moved = 0;
};

template <class Tuner>
differences compared(Tuner beside, Tuner in_place, int steps) {
  net model = start(), other = start();
  differences result;
  for (int step = 0; step < steps; ++step) {
    const zoft::step_report a = beside.step(model, [&](const auto& s, std::span<double> losses) {
      for (std::size_t g = 0; g < losses.size(); ++g) losses[g] = model.loss(s, g);
    });
    const zoft::step_report b =
        in_place.step(std::span(other.weights), [&](std::span<const double>) { return other.loss(); });
    REQUIRE(a.status == zoft::status::ok);
    for (std::size_t i = 0; i < b.projected_gradients.size(); ++i)
      result.slopes = std::max(result.slopes, std::abs(a.projected_gradients[i] - b.projected_gradients[i]));
  }
  for (std::size_t i = 0; i < model.weights.size(); ++i) {
    result.weights = std::max(result.weights, std::abs(model.weights[i] - other.weights[i]));
    result.moved = std::max(result.moved, std::abs(model.weights[i] - start().weights[i]));
  }
  return result;
}

template <class Make>
void check_equal(const char* name, Make make, double bound) {
  const differences d = compared(make(), make(), 20);
  INFO(name);
  CAPTURE(d.slopes, d.weights, d.moved);
  CHECK(d.moved > 1e-3);
  CHECK(d.slopes < bound / epsilon);
  CHECK(d.weights < bound);
}

}  // namespace

TEST_CASE("full tuning: beside the weights is as in place, in double", "[full_tuning]") {
  const zoft::layout shape = shape_of_net();
  // ε and the factors' scales are powers of two, and so the factors as floats are those that z is made of in double:
  // what differs is the order of sums, an error of some 2⁻⁵³ in each.
  check_equal(
      "lozo",
      [&] {
        return zoft::lozo(
            {.rank = 2, .interval = 3, .epsilon = epsilon, .learning_rate = rate, .queries = 3, .decay = 0.01}, shape);
      },
      1e-12);
  check_equal(
      "lozo_m",
      [&] { return zoft::lozo_m({.rank = 4, .interval = 3, .epsilon = epsilon, .learning_rate = rate}, shape); },
      1e-12);
  check_equal(
      "tezo_m", [&] { return zoft::tezo_m({.rank = 2, .epsilon = epsilon, .learning_rate = rate / 16}, shape); }, 1e-7);
  check_equal(
      "eggroll",
      [&] {
        return zoft::eggroll({.rank = 4, .population = 6, .epsilon = epsilon, .learning_rate = rate / 16}, shape);
      },
      1e-10);
  // Factors that are products are rounded to floats: 2⁻²⁴ of what they add.
  check_equal(
      "subzero",
      [&] {
        return zoft::subzero({.rank = 4, .interval = 3, .epsilon = epsilon, .learning_rate = rate, .queries = 2},
                             shape);
      },
      1e-7);
  check_equal(
      "zo_muon",
      [&] { return zoft::zo_muon({.rank = 4, .interval = 3, .epsilon = epsilon, .learning_rate = rate}, shape); },
      1e-7);
  check_equal(
      "replayed momentum",
      [&] {
        return zoft::engine{zoft::low_rank_gaussian{.rank = 2, .interval = 3}, zoft::two_point{.epsilon = epsilon},
                            zoft::full{.layout = shape}, zoft::replayed_momentum{.learning_rate = rate / 4}};
      },
      1e-12);
}

TEST_CASE("full tuning: dense directions are those of a buffer in place, bit for bit in double", "[full_tuning]") {
  const auto check = [](auto make) {
    const differences d = compared(make(), make(), 20);
    CAPTURE(d.slopes, d.weights, d.moved);
    CHECK(d.moved > 1e-3);
    CHECK(d.slopes == 0);
    CHECK(d.weights == 0);
  };
  check([] { return zoft::mezo({.epsilon = epsilon, .learning_rate = rate, .queries = 2}); });
  check([] { return zoft::mezo_bcd({.epsilon = epsilon, .learning_rate = rate}, shape_of_net()); });
  check([] {
    return zoft::engine{zoft::rademacher{}, zoft::one_sided{.epsilon = epsilon}, zoft::full{},
                        zoft::sgd{.learning_rate = rate}};
  });
}

}  // namespace full_tuning_tests
