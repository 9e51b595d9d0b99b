// The forms of use that are promised, as a user writes them.
#include <zoft/lozo.hpp>
#include <zoft/zoft.hpp>

#include "core_support.hpp"
#include "journal_support.hpp"

using core_test::bits;

namespace {

/// Rosenbrock's function with its minimum moved to 2, as the form starts at 1, and flatter, as its rate asks.
double rosenbrock(std::span<const double> v) {
  std::vector<double> moved;
  for (const double x : v) moved.push_back(x - 1);
  return core_test::rosenbrock<double>(moved) / 6;
}

struct example {
  std::vector<float> x;
  float y;
};
using examples = std::vector<example>;

/// tanh units between a linear layer and its sum: 8 inputs, 6 units.
struct network {
  static constexpr std::size_t inputs = 8, units = 6;
  static constexpr std::size_t parameters = units * (inputs + 2);
  double scale = 1;

  double loss(std::span<const float> w, const examples& batch) const {
    double sum = 0;
    for (const example& e : batch) {
      double out = 0;
      for (std::size_t u = 0; u < units; ++u) {
        double in = static_cast<double>(w[units * inputs + u]);
        for (std::size_t i = 0; i < inputs; ++i)
          in += static_cast<double>(w[u * inputs + i]) * static_cast<double>(e.x[i]);
        out += static_cast<double>(w[units * (inputs + 1) + u]) * std::tanh(in);
      }
      sum += (out - static_cast<double>(e.y)) * (out - static_cast<double>(e.y));
    }
    return scale * sum / static_cast<double>(batch.size());
  }

  void losses(const zoft::candidates<float>& c, const examples& batch, std::span<double> out) const {
    for (std::size_t i = 0; i < c.size(); ++i) out[i] = loss(c[i], batch);
  }
};

/// Batches of x from −1 to 1 and y = sin(x₀ + x₁)·x₂, for an `epochs` number of times.
std::vector<examples> batches(std::size_t epochs) {
  std::vector<examples> all(16);
  std::uint32_t at = 0;
  for (examples& batch : all)
    for (int i = 0; i < 16; ++i) {
      example e;
      for (std::size_t j = 0; j < network::inputs; ++j) {
        const auto word = zoft::random::word({1, 0, 0}, zoft::random::stream::data, at++);
        e.x.push_back(static_cast<float>(static_cast<std::int32_t>(word)) * 0x1p-31f);
      }
      e.y = std::sin(2 * (e.x[0] + e.x[1])) + 0.5f * e.x[2];
      batch.push_back(e);
    }
  std::vector<examples> result;
  for (std::size_t epoch = 0; epoch < epochs; ++epoch) result.insert(result.end(), all.begin(), all.end());
  return result;
}

double mean_loss(const network& net, const std::vector<float>& w) {
  double sum = 0;
  for (const examples& batch : batches(1)) sum += net.loss(w, batch) / 16;
  return sum;
}

std::vector<float> initial(std::size_t n) {
  std::vector<float> w(n, 0.0f);
  zoft::gaussian{}.axpy(std::span(w), 0.3f, zoft::direction{1, 2, 3});
  return w;
}

}  // namespace

TEST_CASE("form 1: any function of any numbers", "[forms]") {
  std::vector<double> x(10, 1.0);
  zoft::report r = zoft::minimize(std::span(x), [](std::span<const double> v) { return rosenbrock(v); },
                                  {.steps = 5000, .learning_rate = 1e-3, .epsilon = 1e-4, .queries = 1, .seed = 42});
  CHECK(r.initial_loss == 1.5);
  CHECK(r.loss == rosenbrock(x));
  CHECK(r.loss < 0.6 * r.initial_loss);
  CHECK(r.evaluations == 2 * 5000 + 2 + 5000 / 10);
  CHECK(r.status == zoft::status::ok);
}

TEST_CASE("form 12: minimize stops when it should, and says why", "[forms]") {
  const auto f = [](std::span<const double> v) { return rosenbrock(v); };
  std::vector<double> x(10, 1.0);
  zoft::report r = zoft::minimize(std::span(x), f,
                                  {.tolerance = 1e-6, .evaluations = 100000, .on_step = [](const zoft::step_report& s) {
                                     return s.probe_loss > 0.1;
                                   }});
  CHECK(r.stopped_by == zoft::stop::on_step);
  CHECK(r.loss < 0.2);
  CHECK(r.loss == rosenbrock(x));
  CHECK(r.evaluations < 100000);
  CHECK(r.status == zoft::status::ok);
}

TEST_CASE("form 2: MeZO on weights that the user owns, in place", "[forms]") {
  const network net{.scale = 1e3};
  std::vector<float> weights = initial(network::parameters);
  const double before = mean_loss(net, weights);
  const auto data = batches(60);

  auto tuner = zoft::mezo({.epsilon = 1e-3, .learning_rate = 1e-6, .seed = 42});
  for (const auto& batch : data) {
    const auto theta = weights;
    zoft::step_report s = tuner.step(std::span(weights), [&](std::span<const float> w) { return net.loss(w, batch); });
    REQUIRE(s.status == zoft::status::ok);
    REQUIRE(s.evaluations == 2);
    REQUIRE(s.projected_gradients.size() == 1);
    // θ ± εz, within a step of 1e-3: the mean of their losses is near the loss at θ.
    REQUIRE(s.probe_loss == Approx(net.loss(theta, batch)).epsilon(0.01));
    // What was applied is −η·(projected gradient)·z.
    std::vector<float> g(weights.size(), 0.0f);
    tuner.sampler().axpy(std::span(g), static_cast<float>(s.projected_gradients[0]), tuner.direction(s.step, 0));
    for (std::size_t i = 0; i < g.size(); ++i) REQUIRE(weights[i] == core_test::multiply_add(-1e-6f, g[i], theta[i]));
  }
  CHECK(tuner.steps() == data.size());
  CHECK(mean_loss(net, weights) < 0.75 * before);
}

TEST_CASE("form 3: P-RGE, all 2q candidates in one call", "[forms]") {
  const network net{.scale = 5};
  std::vector<float> adapter = initial(network::parameters);
  const double before = mean_loss(net, adapter);

  auto tuner = zoft::prge({.queries = 8, .epsilon = 1e-2, .learning_rate = 1e-3, .seed = 42});
  for (const auto& batch : batches(60)) {
    zoft::step_report s = tuner.step(std::span(adapter), [&](zoft::candidates<float> c, std::span<double> losses) {
      REQUIRE(c.size() == 16);
      REQUIRE(losses.size() == 16);
      REQUIRE(c[3].size() == network::parameters);
      net.losses(c, batch, losses);  // c.size() == 16 copies of the adapter, stacked
    });
    REQUIRE(s.status == zoft::status::ok);
    REQUIRE(s.evaluations == 16);
    REQUIRE(s.projected_gradients.size() == 8);
  }
  CHECK(mean_loss(net, adapter) < 0.6 * before);
}

TEST_CASE("form 4: LOZO needs to know which parts of the buffer are matrices", "[forms]") {
  zoft::layout shape;
  shape.add("attention.q", 64, 64);
  shape.add("bias", 64);
  auto tuner = zoft::lozo({.rank = 2, .interval = 50, .epsilon = 1e-3, .learning_rate = 1e-6, .seed = 42}, shape);

  // y = Wx + b at sixteen x, and the squares' sum against what W = 0 and b = 1 give.
  const auto loss = [](std::span<const float> w) {
    double sum = 0;
    for (int example = 0; example < 16; ++example)
      for (std::size_t i = 0; i < 64; ++i) {
        double y = static_cast<double>(w[64 * 64 + i]) - 1;
        for (std::size_t j = 0; j < 64; ++j)
          y += static_cast<double>(w[i * 64 + j]) * std::sin(static_cast<double>(j + 1) * (example + 1));
        sum += y * y;
      }
    return sum;
  };
  std::vector<float> weights = initial(shape.size());
  const double before = loss(weights);
  for (int step = 0; step < 300; ++step) {
    const auto s = tuner.step(std::span(weights), loss);
    REQUIRE(s.status == zoft::status::ok);
    REQUIRE(s.evaluations == 2);
  }
  CHECK(loss(weights) < 0.98 * before);
}

TEST_CASE("form 5: the four policies, composed by hand", "[forms]") {
  zoft::engine tuner{zoft::rademacher{}, zoft::one_sided{.epsilon = 1e-3, .queries = 8}, zoft::full{},
                     zoft::momentum{.learning_rate = 1e-4, .beta = 0.9}, zoft::seed{42}};
  const network net{.scale = 5};
  std::vector<float> weights = initial(network::parameters);
  const double before = mean_loss(net, weights);
  for (const auto& batch : batches(60)) {
    const auto s = tuner.step(std::span(weights), [&](std::span<const float> w) { return net.loss(w, batch); });
    REQUIRE(s.evaluations == 9);
  }
  CHECK(mean_loss(net, weights) < 0.6 * before);

  // The engines by name are such compositions.
  auto composed = zoft::engine{zoft::gaussian{}, zoft::two_point{.epsilon = 1e-2, .queries = 2}, zoft::full{},
                               zoft::sgd{.learning_rate = 1e-3}, zoft::seed{7}};
  auto named = zoft::mezo({.epsilon = 1e-2, .learning_rate = 1e-3, .queries = 2, .seed = 7});
  auto a = initial(network::parameters), b = a;
  for (const auto& batch : batches(1)) {
    composed.step(std::span(a), [&](std::span<const float> w) { return net.loss(w, batch); });
    named.step(std::span(b), [&](std::span<const float> w) { return net.loss(w, batch); });
  }
  CHECK(bits(a) == bits(b));
}

namespace {

struct spikes {
  template <class T>
  void axpy(std::span<T> x, T a, zoft::direction d, std::uint64_t first = 0) const;
};
static_assert(zoft::sampler<spikes, float>);

// ±4 at one element in 16, 0 elsewhere: E zzᵀ = I.
template <class T>
void spikes::axpy(std::span<T> x, T a, zoft::direction d, std::uint64_t first) const {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto at = first + i;
    const auto word =
        zoft::philox4x32({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at >> 32), d.step, d.query},
                         {static_cast<std::uint32_t>(d.seed), 0x50696b65})[0];
    if (word % 16 == 0) x[i] += word >> 31 != 0 ? 4 * a : -4 * a;
  }
}

}  // namespace

TEST_CASE("form 6: a sampler of one's own", "[forms]") {
  const network net{.scale = 5};
  const auto train = [&](auto functor) {
    zoft::engine tuner{spikes{}, zoft::two_point{.epsilon = 1e-2, .queries = 4}, zoft::full{},
                       zoft::sgd{.learning_rate = 1e-3}, zoft::seed{42}};
    auto weights = initial(network::parameters);
    for (const auto& batch : batches(60)) functor(tuner, weights, batch);
    return weights;
  };
  const auto in_place = train([&](auto& tuner, auto& weights, const examples& batch) {
    tuner.step(std::span(weights), [&](std::span<const float> w) { return net.loss(w, batch); });
  });
  const auto stacked = train([&](auto& tuner, auto& weights, const examples& batch) {
    tuner.step(std::span(weights),
               [&](zoft::candidates<float> c, std::span<double> losses) { net.losses(c, batch, losses); });
  });
  CHECK(bits(in_place) == bits(stacked));
  CHECK(mean_loss(net, in_place) < 0.6 * mean_loss(net, initial(network::parameters)));
}

TEST_CASE("form 10: a run that can be killed at any time", "[forms]") {
  const journal_test::folder here;
  const std::string path = here / "run.zoft";
  const std::vector<float> base = initial(network::parameters);
  const network net{.scale = 1e3};
  const auto data = batches(1);
  const auto loss = [&](std::span<const float> w) { return net.loss(w, data[0]); };
  const auto run = [&](std::uint32_t steps) {
    std::vector<float> weights = base;
    auto tuner = zoft::mezo({.epsilon = 1e-3, .learning_rate = 1e-6, .seed = 42});
    zoft::journal log(path);
    log.resume(tuner, std::span(weights));
    for (std::uint32_t step = tuner.steps(); step < steps; ++step) log.append(tuner.step(std::span(weights), loss));
    return weights;
  };
  run(7);
  const std::vector<float> weights = run(20);
  CHECK(bits(weights) != bits(base));

  auto tuner = zoft::mezo({.epsilon = 1e-3, .learning_rate = 1e-6, .seed = 42}), tuner_like_it = tuner;
  std::vector<float> again = base, never = base;
  CHECK(zoft::replay(path, tuner_like_it, std::span(again)) == 20);
  for (int step = 0; step < 20; ++step) tuner.step(std::span(never), loss);
  CHECK(bits(again) == bits(weights));
  CHECK(bits(never) == bits(weights));
}
