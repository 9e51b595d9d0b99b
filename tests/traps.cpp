// The known faults of this field's programs. Each is written out here, and fails a test that zoft passes.
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/mezo.hpp>
#include <zoft/prge.hpp>
#include <zoft/sampler/rademacher.hpp>
#include <zoft/sampler/sparse.hpp>

#include "core_support.hpp"

namespace traps_tests {

using namespace core_test;
using zoft::bfloat16;
using zoft::half;

namespace {

template <class T>
double wide(T value) {
  return static_cast<double>(static_cast<zoft::arithmetic_t<T>>(value));
}

/// Weights as those of models: N(0, 0.02²).
template <class T>
std::vector<T> weights(std::size_t n) {
  std::vector<T> x;
  for (const float z : noise<float>(zoft::gaussian{}, {99, 0, 0}, n)) x.push_back(T(0.02f * z));
  return x;
}

template <class T>
double rms_difference(const std::vector<T>& x, const std::vector<T>& y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(wide(x[i]) - wide(y[i]), 2);
  return std::sqrt(sum / static_cast<double>(x.size()));
}

template <class X, class Y>
double correlation(const std::vector<X>& x, const std::vector<Y>& y) {
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += wide(x[i]) * wide(y[i]);
    xx += wide(x[i]) * wide(x[i]);
    yy += wide(y[i]) * wide(y[i]);
  }
  return xy / std::sqrt(xx * yy);
}

}  // namespace

// MeZO's programs add εz, subtract 2εz, and add εz again. That is not where it began, and it adds up.
TEMPLATE_TEST_CASE("trap: a perturbation that is taken back leaves a drift", "[trap]", float, half, bfloat16) {
  using T = TestType;
  const auto origin = weights<T>(3000);
  auto added = origin, kept = origin;
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{.epsilon = 1e-3}, zoft::full{}, zoft::sgd{.learning_rate = 0},
                     zoft::seed{1}};
  for (std::uint32_t step = 0; step < 100; ++step) {
    for (const float a : {1e-3f, -2e-3f, 1e-3f}) zoft::gaussian{}.axpy(std::span(added), a, {1, step, 0});
    tuner.step(std::span(kept), [](std::span<const T>) { return 1.0; });
  }
  const double drift = std::is_same_v<T, float> ? 3e-9 : std::is_same_v<T, half> ? 3e-5 : 3e-4;
  CHECK(rms_difference(added, origin) > drift);
  CHECK(bits(kept) == bits(origin));
}

namespace {

/// Noise that is drawn in the weights' own type, with as many random bits as that has.
struct of_own_type {
  template <class T>
  void axpy(std::span<T> x, zoft::arithmetic_t<T> a, zoft::direction d, std::uint64_t first = 0) const {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::uint64_t bit = 8 * sizeof(T) * (first + i);
      const std::uint32_t word = zoft::random::word(d, zoft::random::stream::perturbation, bit / 32);
      const std::uint32_t drawn = sizeof(T) == 2 ? word >> bit % 32 << 16 : word;
      const auto uniform = static_cast<float>(static_cast<std::int32_t>(drawn)) * 0x1p-31f;
      x[i] = moved<T>(x[i], a, static_cast<zoft::arithmetic_t<T>>(uniform));
    }
  }
};

/// z as weights of type T show it.
template <class T, class Sampler>
std::vector<T> shown(const Sampler& sampler) {
  std::vector<T> x(5000, T(0.0f));
  sampler.axpy(std::span(x), 1, {3, 1, 4});
  return x;
}

/// Whether all types are shown one z, each rounded to what it can hold.
template <class Sampler>
bool is_one_stream(const Sampler& sampler) {
  const auto z = shown<float>(sampler);
  return correlation(z, shown<double>(sampler)) > 0.99999 && correlation(z, shown<half>(sampler)) > 0.99999 &&
         correlation(z, shown<bfloat16>(sampler)) > 0.9999;
}

}  // namespace

TEST_CASE("trap: noise that is drawn in the weights' type is other noise in another precision", "[trap]") {
  CHECK_FALSE(is_one_stream(of_own_type{}));
  CHECK(is_one_stream(zoft::gaussian{}));
  CHECK(is_one_stream(zoft::rademacher{}));
  const auto z = shown<float>(zoft::gaussian{});
  for (std::size_t i = 0; i < z.size(); ++i) {
    REQUIRE(shown<double>(zoft::gaussian{}).at(i) == static_cast<double>(z[i]));
    REQUIRE(shown<half>(zoft::gaussian{}).at(i) == half(z[i]));
    REQUIRE(shown<bfloat16>(zoft::gaussian{}).at(i) == bfloat16(z[i]));
    if (i == 20) break;
  }
}

namespace {

/// P-RGE in an engine whose graph is fixed: B₊ and B₋ are all the state there is. Each step applies the update of the
/// last, u = η·g·(B₊ − B₋)/2ε, of which the released program leaves out g where q = 1.
class dual_forward {
 public:
  dual_forward(std::vector<double> b, double epsilon, double rate, bool leaves_out_the_slope)
      : plus_(b), minus_(std::move(b)), epsilon_(epsilon), rate_(rate), faulty_(leaves_out_the_slope) {}

  template <class F>
  void step(F loss) {
    const auto z = noise<double>(zoft::gaussian{}, {5, step_++, 0}, plus_.size());
    move(epsilon_, z);
    slope_ = (loss(std::span<const double>(plus_)) - loss(std::span<const double>(minus_))) / (2 * epsilon_);
  }

  /// B with the pending update.
  std::vector<double> flushed() {
    move(0, std::vector<double>(plus_.size()));
    slope_ = 0;
    return plus_;
  }

 private:
  void move(double epsilon, const std::vector<double>& z) {
    for (std::size_t i = 0; i < plus_.size(); ++i) {
      const double n = (plus_[i] - minus_[i]) / 2, u = rate_ * (faulty_ ? 1 : slope_) * n / epsilon_;
      plus_[i] += epsilon * z[i] - n - u;
      minus_[i] += n - u - epsilon * z[i];
    }
  }

  std::vector<double> plus_, minus_;
  double epsilon_, rate_, slope_ = 0;
  bool faulty_;
  std::uint32_t step_ = 0;
};

constexpr double dual_epsilon = 0.25, dual_rate = 0.01;

std::vector<double> dual(std::uint32_t steps, bool faulty, double (*loss)(std::span<const double>)) {
  dual_forward tuner(std::vector<double>(20, 1.0), dual_epsilon, dual_rate, faulty);
  for (std::uint32_t step = 0; step < steps; ++step) tuner.step(loss);
  return tuner.flushed();
}

std::vector<double> ours(std::uint32_t steps, zoft::parallel loops, double (*loss)(std::span<const double>)) {
  auto tuner =
      zoft::prge({.queries = 1, .epsilon = dual_epsilon, .learning_rate = dual_rate, .loops = loops, .seed = 5});
  std::vector<double> x(20, 1.0);
  for (std::uint32_t step = 0; step < steps; ++step)
    tuner.step(std::span(x), [&](zoft::candidates<double> c, std::span<double> losses) {
      for (std::size_t i = 0; i < c.size(); ++i) losses[i] = loss(c[i]);
    });
  return x;
}

double flat(std::span<const double>) { return 7; }
double bowl(std::span<const double> x) { return sphere(x); }

/// Whether equal losses teach nothing, and a bowl's lead down.
template <class F>
bool follows_the_losses(F trained) {
  const std::vector<double> start(20, 1.0);
  return rms_difference(trained(1, flat), start) < 1e-12 && bowl(trained(300, bowl)) < 0.1 * bowl(start);
}

}  // namespace

TEST_CASE("trap: an update of one query without its slope is a random walk", "[trap]") {
  CHECK_FALSE(follows_the_losses([](std::uint32_t steps, auto loss) { return dual(steps, true, loss); }));
  CHECK(follows_the_losses([](std::uint32_t steps, auto loss) { return dual(steps, false, loss); }));
  for (const auto loops : {zoft::parallel::outer, zoft::parallel::outer_and_inner})
    CHECK(follows_the_losses([&](std::uint32_t steps, auto loss) { return ours(steps, loops, loss); }));
  // With the slope, the fixed graph's form is the same method.
  CHECK(rms_difference(dual(300, false, bowl), ours(300, zoft::parallel::outer, bowl)) < 1e-12);
}

namespace {

/// Whether a step either sees another point, or says why not.
template <class T, class Tuner>
bool moves_or_says_so(Tuner tuner, std::vector<T> x) {
  bool moves = false;
  const auto origin = x;
  try {
    tuner.step(std::span(x), [&](std::span<const T> w) {
      moves = moves || bits(std::vector<T>(w.begin(), w.end())) != bits(origin);
      return 1.0;
    });
  } catch (const std::invalid_argument& e) {
    CHECK(
        std::string(e.what()) ==
        "zoft: engine: the radius is 1e-08, and must be larger: rounding to their type leaves 3000 of 3000 parameters "
        "where they are");
    CHECK(bits(x) == bits(origin));
    return true;
  }
  return moves;
}

/// MeZO as it is where nobody looks whether anything has moved.
struct plain_mezo {
  double epsilon;
  template <class T, class F>
  void step(std::span<T> x, F loss) {
    for (const double a : {epsilon, -2 * epsilon, epsilon}) {
      zoft::gaussian{}.axpy(x, static_cast<zoft::arithmetic_t<T>>(a), {1, 0, 0});
      loss(std::span<const T>(x));
    }
  }
};

}  // namespace

TEMPLATE_TEST_CASE("trap: a radius that is nothing in the weights' type teaches nothing, and says nothing", "[trap]",
                   float, double, half, bfloat16) {
  using T = TestType;
  constexpr bool narrow = sizeof(T) == 2;
  std::vector<T> x = weights<T>(3000);
  for (T& v : x) v = T(static_cast<float>(std::copysign(0.01 + std::abs(wide(v)), wide(v))));
  CHECK(moves_or_says_so(plain_mezo{1e-8}, x) == !narrow);
  CHECK(moves_or_says_so(zoft::mezo({.epsilon = 1e-8}), x));

  // It is said by whatever comes first: a step, in place or stacked; ask; tell. And not where it is moved.
  const auto said = [&](auto&& f) { return message(f).find("engine: the radius is 1e-08") == 6; };
  auto tuner = zoft::mezo({.epsilon = 1e-8});
  CHECK(said([&] { tuner.step(std::span(x), [](zoft::candidates<T>, std::span<double> l) { l[0] = l[1] = 1; }); }) ==
        narrow);
  CHECK(said([&] { zoft::mezo({.epsilon = 1e-8}).ask(std::span(x)); }) == narrow);
  CHECK(said([&] { zoft::mezo({.epsilon = 1e-8}).tell(std::span(x), std::vector<double>{1, 1}); }) == narrow);
  const auto one_sided = [] {
    return zoft::engine{zoft::rademacher{}, zoft::one_sided{.epsilon = 1e-8, .queries = 2}, zoft::full{}, zoft::sgd{}};
  };
  CHECK(said([&] { one_sided().step(std::span(x), [](std::span<const T>) { return 1.0; }); }) == narrow);
  CHECK_NOTHROW(zoft::mezo({.epsilon = 1e-3}).ask(std::span(x)));

  // Some weights of a model are so near to 0 that they move all the same; one in a hundred is asked for.
  const std::vector<T> normal = weights<T>(100'000);
  CHECK(said([&] { zoft::mezo({.epsilon = 1e-8}).ask(std::span(normal)); }) == narrow);
  const auto with_zeros = [&](std::size_t zeros) {
    std::fill_n(x.begin() + 1000, zeros, T(0.0f));
    return message([&] { zoft::mezo({.epsilon = 1e-6}).ask(std::span(x)); });
  };
  CHECK((with_zeros(15).find("of 3000 parameters where they are") != std::string::npos) == narrow);
  CHECK(with_zeros(40) == "no std::invalid_argument was thrown");
  // Where z itself is 0, nothing is lost.
  zoft::engine masked{zoft::sparse<zoft::gaussian>{.density = 1e-9}, zoft::two_point{.epsilon = 1e-8}, zoft::full{},
                      zoft::sgd{}};
  CHECK_NOTHROW(masked.ask(std::span(x)));
}

TEST_CASE("trap: copy 0 of the candidates is not what is trained", "[trap]") {
  struct {
    zoft::layout linears;
    const zoft::layout& layout() const { return linears; }
  } model;
  model.linears.add("layers.0.q_proj", 12, 12);
  model.linears.add("layers.0.k_proj", 4, 12);
  const std::size_t q = 2;
  const double epsilon = 1e-2;
  auto tuner =
      zoft::prge({.queries = q, .epsilon = epsilon, .learning_rate = 0.1, .seed = 6}, zoft::lora_fa{.rank = 2});
  tuner.attach(model);
  const auto loss = [](const zoft::low_rank_stack& s, std::size_t g) {
    double sum = 0;
    for (std::size_t i = 0; i < 24; ++i)
      sum += std::pow(static_cast<double>(s.find("layers.0.q_proj")->b_of(g)[i]) - 1, 2);
    return sum;
  };
  for (int step = 0; step < 20; ++step)
    tuner.step([&](const zoft::low_rank_stack& s, std::span<double> losses) {
      for (std::size_t g = 0; g < losses.size(); ++g) losses[g] = loss(s, g);
    });
  // The centre is the mean of both sides of any query.
  const auto stack = tuner.ask();
  const auto from_centre = [&](const float* b) {
    double sum = 0;
    for (std::size_t i = 0; i < 24; ++i) {
      const zoft::low_rank* l = stack.find("layers.0.q_proj");
      const double centre = (static_cast<double>(l->b_of(1)[i]) + static_cast<double>(l->b_of(1 + q)[i])) / 2;
      sum += std::pow(static_cast<double>(b[i]) - centre, 2);
    }
    return std::sqrt(sum / 24);
  };
  CHECK(from_centre(stack.find("layers.0.q_proj")->b_of(0)) > 0.5 * epsilon);
  CHECK(from_centre(tuner.adapter().stack().find("layers.0.q_proj")->b_of(0)) < 1e-6);
  CHECK(from_centre(tuner.adapter().pairs()[0].b.data()) < 1e-6);
}

namespace {

/// As trainers have it: what is not to decay is whatever has one of these in its name.
bool by_substring(const zoft::tensor& t) {
  for (const char* part : {"bias", "layer_norm", "layernorm"})
    if (t.name.find(part) != std::string::npos) return false;
  return true;
}

/// Whether just the matrices decay.
bool decays_matrices(bool (*decays)(const zoft::tensor&)) {
  zoft::layout tensors;
  tensors.add("model.layers.0.input_layernorm.weight", 8);
  tensors.add("model.layers.0.self_attn.q_proj.weight", 8, 8);
  tensors.add("model.layers.0.self_attn.q_proj.bias", 8);
  tensors.add("model.layers.0.unbiased_gate.weight", 8, 8);
  tensors.add("model.norm.weight", 8);
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{}, zoft::full{.layout = tensors},
                     zoft::sgd{.learning_rate = 0.5, .decay = 0.5, .decays = decays}};
  std::vector<float> x(tensors.size(), 1.0f);
  tuner.tell(std::span(x), std::vector<double>{1, 1});
  bool as_wanted = true;
  for (const auto& t : tensors)
    for (std::size_t i = t.offset; i < t.offset + t.size(); ++i)
      as_wanted = as_wanted && x[i] == (t.is_matrix() ? 0.75f : 1.0f);
  return as_wanted;
}

}  // namespace

TEST_CASE("trap: decay by a list of substrings leaves out and takes in what it should not", "[trap]") {
  CHECK_FALSE(decays_matrices(by_substring));
  CHECK(decays_matrices(zoft::matrices));
}

namespace {

/// Each tensor's noise from the seed anew.
struct seeded_by_tensor {
  zoft::layout tensors;
  template <class T>
  void axpy(std::span<T> x, T a, zoft::direction d, std::uint64_t first = 0) const {
    for (std::size_t i = 0; i < x.size(); ++i)
      for (const auto& t : tensors)
        if (first + i >= t.offset && first + i < t.offset + t.size())
          zoft::gaussian{}.axpy(x.subspan(i, 1), a, d, first + i - t.offset);
  }
};

/// Whether tensors of one shape have noise of their own.
template <class Sampler>
bool is_independent(const Sampler& sampler) {
  const auto first = noise<float>(sampler, {2, 0, 0}, 400, 0), second = noise<float>(sampler, {2, 0, 0}, 400, 400);
  return std::abs(correlation(first, second)) < 5 / std::sqrt(400.0);
}

}  // namespace

TEST_CASE("trap: one seed for every tensor gives equal shapes the same noise", "[trap]") {
  zoft::layout tensors;
  tensors.add("q_proj", 20, 20);
  tensors.add("k_proj", 20, 20);
  CHECK_FALSE(is_independent(seeded_by_tensor{tensors}));
  CHECK(is_independent(zoft::gaussian{}));
  CHECK(is_independent(zoft::rademacher{}));
}

}  // namespace traps_tests
