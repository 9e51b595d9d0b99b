#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <zoft/nn/kernel/thread_pool.hpp>
#include <zoft/nn/model/batch.hpp>

#include "io_support.hpp"

using namespace zoft::nn;
using io_test::check_refused;
using sizes = std::initializer_list<std::size_t>;

TEST_CASE("batch: sequences of any lengths, and how many labels count", "[nn]") {
  const std::vector<std::int32_t> a{5, 6, 7}, b{8}, c{1, 2, 3, 4}, of_c{1, ignored, 3, ignored};
  batch x;
  CHECK((x.size() == 0 && x.tokens() == 0 && x.predicted() == 0));
  x.add(a);
  x.add(b);
  x.add(c, of_c);
  CHECK(x.size() == 3);
  CHECK(x.tokens() == 8);
  CHECK(x.predicted() == 3);  // 6 and 7; nothing; 3
  const auto vector = [](std::span<const std::int32_t> s) { return std::vector<std::int32_t>(s.begin(), s.end()); };
  CHECK((vector(x[0].tokens) == a && vector(x[0].labels) == a));
  CHECK((vector(x[1].tokens) == b && vector(x[1].labels) == b));
  CHECK((vector(x[2].tokens) == c && vector(x[2].labels) == of_c));
}

TEST_CASE("batch: what is no sequence is refused, and nothing of it is kept", "[nn]") {
  batch x;
  const std::vector<std::int32_t> none, two{1, 2}, three{1, 2, 3};
  check_refused([&] { x.add(none); }, {"batch: a sequence has no tokens"});
  check_refused([&] { x.add(two, three); },
                {"batch: a sequence has 2 tokens and 3 labels, and must have as many of each"});
  CHECK((x.size() == 0 && x.tokens() == 0 && x.predicted() == 0));
}

static_assert(zoft::executor<zoft::serial>);
static_assert(zoft::executor<thread_pool>);

TEST_CASE("serial: all tasks, in order, by worker 0", "[nn]") {
  std::vector<std::size_t> seen;
  zoft::serial{}.run(4, [&](std::size_t task, std::size_t worker) {
    CHECK(worker == 0);
    seen.push_back(task);
  });
  CHECK(seen == std::vector<std::size_t>{0, 1, 2, 3});
}

TEST_CASE("thread_pool: every task once, and no two at a time with one worker", "[nn]") {
  for (const std::size_t threads : sizes{1, 2, 3, 7}) {
    const thread_pool pool(threads);
    CHECK(pool.workers() == threads);
    for (const std::size_t count : sizes{0, 1, 2, 3, 5, 200}) {
      std::vector<std::atomic<int>> times(count), busy(threads);
      std::atomic<int> wrong = 0;
      pool.run(count, [&](std::size_t task, std::size_t worker) {
        if (worker >= threads || busy[worker].exchange(1) != 0) ++wrong;
        std::this_thread::yield();
        ++times[task];
        busy[worker] = 0;
      });
      CHECK(wrong == 0);
      for (const auto& n : times) CHECK(n == 1);
    }
  }
  CHECK(thread_pool().workers() >= 1);
}

TEST_CASE("thread_pool: a task's exception arrives when all has ended, and the pool goes on", "[nn]") {
  for (const std::size_t threads : sizes{1, 2, 3}) {
    const thread_pool pool(threads);
    for (const std::size_t bad : sizes{0, 7, 49}) {
      std::atomic<int> running = 0;
      const auto work = [&](std::size_t task, std::size_t) {
        ++running;
        std::this_thread::yield();
        --running;
        if (task == bad) throw std::runtime_error("task " + std::to_string(task));
      };
      CHECK_THROWS_WITH(pool.run(50, work), "task " + std::to_string(bad));
      CHECK(running == 0);
    }
    // Tasks that were not begun are left.
    std::atomic<int> done = 0;
    const auto slow = [&](std::size_t task, std::size_t) {
      if (task == 30) throw 3;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ++done;
    };
    CHECK_THROWS_AS(pool.run(5000, slow), int);
    CHECK(done < 4999);
    done = 0;
    pool.run(50, [&](std::size_t, std::size_t) { ++done; });
    CHECK(done == 50);
  }
}

TEST_CASE("thread_pool: may be used from several threads, and from its own tasks", "[nn]") {
  const thread_pool pool(3), copy = pool;
  std::atomic<int> done = 0;
  const auto one = [&](std::size_t, std::size_t) { ++done; };
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      for (int j = 0; j < 50; ++j) copy.run(10, one);
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(done == 2000);

  done = 0;
  for (int i = 0; i < 50; ++i) pool.run(6, [&](std::size_t, std::size_t) { pool.run(5, one); });
  CHECK(done == 1500);
}
