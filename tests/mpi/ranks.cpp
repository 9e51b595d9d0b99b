// Runs whose candidates are dealt out to ranks, which must be those of one engine by itself.
#include <zoft/estimator/per_example.hpp>
#include <zoft/lozo.hpp>
#include <zoft/method/mezo_adam.hpp>
#include <zoft/method/sparse_mezo.hpp>
#include <zoft/method/zo_conservative.hpp>
#include <zoft/mezo.hpp>

#include "small_model.hpp"

using namespace mpi_test;
using core_test::message;

namespace {

template <class T, class Engine, class F>
void check_buffer(Engine tuner, std::vector<std::size_t> rounds, F functor, std::size_t unit = 1) {
  zoft::mpi::ranks all(world());
  std::vector<T> x = start<T>(), y = x;
  check_steps(
      all, tuner, tuner, rounds, [&](auto& t) { return t.step(std::span(x), functor, all); },
      [&](auto& t) { return t.step(std::span(y), functor); },
      [&](const auto&, bool shared) { return bits(shared ? x : y); }, unit);
  CHECK_NOTHROW(all.check(std::span(x)));
}

template <class Engine, class F>
void check_adapter(Engine tuner, std::vector<std::size_t> rounds, F functor) {
  zoft::mpi::ranks all(world());
  tuner.attach(small_model());
  check_steps(
      all, tuner, tuner, rounds, [&](auto& t) { return t.step(functor, all); },
      [&](auto& t) { return t.step(functor); },
      [&](const auto& t, bool) {
        const auto trained = t.adapter().parameters();
        return bits(std::vector<float>(trained.begin(), trained.end()));
      });
}

/// A model that keeps its weights.
struct keeping {
  using weight_type = double;
  std::vector<double> weights = start<double>(60);

  zoft::layout weights_layout() const {
    zoft::layout result;
    result.add("up", 5, 8);
    result.add("gain", 20);
    return result;
  }
  template <class F>
  void update_weights(const std::vector<bool>& moves, F f, bool) {
    if (moves[0]) f(std::uint64_t{0}, std::span(weights).first(40));
    if (moves[1]) f(std::uint64_t{40}, std::span(weights).subspan(40));
  }
  void losses(const zoft::weight_points<double>& points, std::span<double> to) const {
    for (std::size_t i = 0; i < points.size(); ++i) {
      std::vector<double> z(weights.size());
      points.noise(points.points[i].query, 0, z);
      for (std::size_t j = 0; j < z.size(); ++j)
        z[j] = core_test::multiply_add(points.points[i].scale, z[j], weights[j]);
      to[i] = loss<double>(z);
    }
  }
};

template <class Engine>
void check_model(Engine tuner, std::vector<std::size_t> rounds) {
  zoft::mpi::ranks all(world());
  keeping shared, single;
  check_steps(
      all, tuner, tuner, rounds,
      [&](auto& t) {
        return t.step(
            shared, [&](const auto& c, std::span<double> to) { shared.losses(c, to); }, all);
      },
      [&](auto& t) { return t.step(single, [&](const auto& c, std::span<double> to) { single.losses(c, to); }); },
      [&](const auto&, bool together) { return bits(together ? shared.weights : single.weights); });
  all.check(shared);
  if (all.rank() == 1) shared.weights[50] = 3;
  CHECK(message([&] { all.check(shared); }).ends_with("the parameters of rank 1") == (all.size() > 1));
}

}  // namespace

TEMPLATE_TEST_CASE("mpi: mezo has the bits of one engine", "", float, double, zoft::bfloat16) {
  const auto mezo = [](std::size_t q) {
    return zoft::mezo({.epsilon = 1e-2, .learning_rate = 1e-3, .queries = q, .seed = 42});
  };
  check_buffer<TestType>(mezo(1), {2}, loss<TestType>);
  check_buffer<TestType>(mezo(3), {6}, loss<TestType>);
}

TEST_CASE("mpi: methods that keep something of their steps have the bits of one engine") {
  zoft::layout shape;
  shape.add("up", 10, 13);
  shape.add("gain", 20);
  check_buffer<float>(zoft::lozo({.learning_rate = 1e-4, .seed = 11}, shape), {2}, loss<float>);
  check_buffer<float>(zoft::mezo_adam({.learning_rate = 1e-3, .seed = 11}, shape), {2}, losses);
  check_buffer<float>(zoft::sparse_mezo({.learning_rate = 1e-4, .seed = 11}), {2}, losses);
}

TEST_CASE("mpi: prge has the bits of one engine, with each form of a functor") {
  check_buffer<float>(prge(), {8}, losses);
  check_buffer<float>(prge(), {8}, loss<float>);
  std::size_t most = 0;
  const auto seen = [&](const zoft::candidates<float>& c, std::span<double> to) {
    most = std::max(most, c.size());
    losses(c, to);
  };
  zoft::mpi::ranks all(world(), zoft::per_call{2});
  std::vector<float> x = start<float>();
  auto tuner = prge();
  tuner.step(std::span(x), seen, all);
  CHECK(most == std::min<std::size_t>(2, share(8, all)));
}

TEST_CASE("mpi: losses of one example each stay with their examples") {
  constexpr std::size_t examples = 3;
  const zoft::engine tuner{zoft::gaussian{},
                           zoft::per_example<>{.each = {.epsilon = 1e-2, .queries = 2}, .examples = examples},
                           zoft::full{}, zoft::sgd{.learning_rate = 1e-3}, zoft::seed{3}};
  const auto of_examples = [](const zoft::candidates<float>& c, zoft::example_losses to) {
    for (std::size_t i = 0; i < c.size(); ++i) to[i] = loss(c[i]) * static_cast<double>(1 + to.example_of(i));
  };
  check_buffer<float>(tuner, {12}, of_examples, examples);
  check_buffer<float>(
      tuner, {12}, [](std::span<const float> x, zoft::example e) { return loss(x) * static_cast<double>(1 + e.index); },
      examples);
}

TEST_CASE("mpi: an owning adapter has the bits of one engine") {
  const small_model model;
  const auto tuner =
      zoft::prge({.queries = 4, .epsilon = 1e-2, .learning_rate = 1e-3, .seed = 7}, zoft::lora_fa{.rank = 3});
  check_adapter(tuner, {8}, [&](const zoft::low_rank_stack& c, std::span<double> to) {
    for (std::size_t i = 0; i < c.size(); ++i) to[i] = model.loss(c, i);
  });
  check_adapter(tuner, {8}, [&](const auto& c) { return model.loss(c, 0); });
}

TEST_CASE("mpi: an estimator whose points come in rounds has the bits of one engine") {
  const auto tuner = zoft::zo_conservative({.epsilon = 1e-2, .learning_rate = 1e-5, .seed = 5});
  check_buffer<float>(tuner, {2, 3}, losses);
  check_buffer<double>(tuner, {2, 3}, loss<double>);
  const small_model model;
  const auto adapting =
      zoft::zo_conservative({.epsilon = 1e-2, .learning_rate = 1e-3, .seed = 5}, zoft::lora_fa{.rank = 3});
  check_adapter(adapting, {2, 3}, [&](const zoft::low_rank_stack& c, std::span<double> to) {
    REQUIRE(to.size() == c.size());
    for (std::size_t i = 0; i < c.size(); ++i) to[i] = model.loss(c, i);
  });
}

TEST_CASE("mpi: a model that keeps its weights has the bits of one engine") {
  check_model(zoft::mezo({.epsilon = 1e-2, .learning_rate = 1e-4, .queries = 3, .seed = 42}), {6});
  check_model(zoft::zo_conservative({.epsilon = 1e-2, .learning_rate = 1e-5, .seed = 5}), {2, 3});
}
