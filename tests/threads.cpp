// Losses of candidates by several threads.
#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <zoft/estimator/standardised_per_example.hpp>
#include <zoft/mezo.hpp>
#include <zoft/prge.hpp>
#include <zoft/threads.hpp>

#include "core_support.hpp"

namespace threads_tests {

using namespace core_test;

static_assert(zoft::executor<zoft::threads>);

TEST_CASE("threads: each task runs once, and no two at a time with the same worker", "[threads]") {
  for (const auto workers : std::initializer_list<std::size_t>{1, 2, 7}) {
    const zoft::threads pool(workers);
    CHECK(pool.workers() == workers);
    std::vector<std::atomic<int>> runs(100), busy(workers);
    std::atomic<bool> clash = false;
    pool.run(runs.size(), [&](std::size_t task, std::size_t worker) {
      if (worker >= workers || busy[worker]++ != 0) clash = true;
      ++runs[task];
      std::this_thread::yield();
      --busy[worker];
    });
    CHECK_FALSE(clash);
    for (const auto& n : runs) REQUIRE(n == 1);
    pool.run(0, [&](std::size_t, std::size_t) { clash = true; });
    CHECK_FALSE(clash);
  }
  CHECK(zoft::threads().workers() == std::max(1u, std::thread::hardware_concurrency()));
}

TEST_CASE("threads: several run at a time", "[threads]") {
  std::mutex lock;
  std::set<std::thread::id> seen;
  std::atomic<int> here = 0;
  zoft::threads(3).run(3, [&](std::size_t, std::size_t) {
    ++here;
    while (here < 3) std::this_thread::yield();  // none ends before all have begun
    const std::lock_guard<std::mutex> held(lock);
    seen.insert(std::this_thread::get_id());
  });
  CHECK(seen.size() == 3);
}

TEST_CASE("concurrent: the bits of a step are those of one thread", "[threads]") {
  const auto loss = [](std::span<const float> x) { return sphere(x); };
  const auto trained = [&](auto functor) {
    auto tuner = zoft::prge({.queries = 4, .epsilon = 1e-2, .learning_rate = 1e-2, .seed = 5});
    std::vector<float> x(50, 1.0f);
    for (int step = 0; step < 5; ++step) tuner.step(std::span(x), functor);
    return bits(x);
  };
  const auto expected = trained(loss);
  CHECK(trained(zoft::concurrent(loss)) == expected);
  CHECK(trained(zoft::concurrent(loss, zoft::serial{})) == expected);
  for (const auto workers : std::initializer_list<std::size_t>{1, 2, 7})
    CHECK(trained(zoft::concurrent(loss, zoft::threads(workers))) == expected);
}

TEST_CASE("concurrent: losses of one example each", "[threads]") {
  const auto loss = [](std::span<const double> x, zoft::example e) {
    return sphere(x) * static_cast<double>(1 + e.index);
  };
  const auto trained = [&](auto functor) {
    zoft::engine tuner{zoft::gaussian{}, zoft::standardised_per_example{.queries = 3}, zoft::full{},
                       zoft::sgd{.learning_rate = 1e-3}, zoft::seed{4}};
    std::vector<double> x(50, 1.0);
    for (int step = 0; step < 3; ++step) tuner.step(std::span(x), functor);
    return bits(x);
  };
  CHECK(trained(zoft::concurrent(loss, zoft::threads(2))) == trained(loss));
}

TEST_CASE("concurrent: what a loss throws comes out of the step, and x is as it was", "[threads]") {
  auto tuner = zoft::mezo({.queries = 4});
  std::vector<float> x(20, 1.0f);
  const auto before = bits(x);
  const auto failing = [](std::span<const float>) -> double { throw 7; };
  CHECK_THROWS_AS(tuner.step(std::span(x), zoft::concurrent(failing, zoft::threads(3))), int);
  CHECK(bits(x) == before);
  CHECK(tuner.steps() == 0);
}

}  // namespace threads_tests
