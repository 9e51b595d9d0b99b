/// Losses of candidates by several threads, from a function that returns the loss of one.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "concepts.hpp"
#include "core/examples.hpp"
#include "core/executor.hpp"

namespace zoft::inline ZOFT_ISA {

/// An executor of the standard library's threads. They are started by each run, which costs some 20 µs a thread: for
/// losses that take longer. If a task throws, no more are begun, and run throws the first exception when all have
/// ended.
class threads {
 public:
  /// How many threads, the caller's included; 0: as many as the machine has.
  explicit threads(std::size_t workers = 0)
      : workers_(workers > 0 ? workers : std::max(1u, std::thread::hardware_concurrency())) {}

  std::size_t workers() const { return workers_; }  ///< the caller's thread included

  /// Calls f(task, worker) for each task in [0, count): see zoft::executor.
  template <class F>
  void run(std::size_t count, F&& f) const {
    shared all{count};
    const auto work = [&](std::size_t worker) {
      for (std::size_t task; (task = all.next.fetch_add(1)) < count;) all.call(f, task, worker);
    };
    {
      joined helpers;
      for (std::size_t worker = 1; worker < std::min(workers_, count); ++worker)
        if (!helpers.start(work, worker)) break;
      work(0);
    }
#if defined(__cpp_exceptions)
    if (all.thrown) std::rethrow_exception(all.thrown);
#endif
  }

 private:
  struct shared {
    std::size_t count;
    std::atomic<std::size_t> next = 0;
    std::mutex lock = {};
    std::exception_ptr thrown = {};

    template <class F>
    void call(F& f, std::size_t task, std::size_t worker) {
#if defined(__cpp_exceptions)
      try {
        f(task, worker);
      } catch (...) {
        const std::lock_guard<std::mutex> held(lock);
        if (!thrown) thrown = std::current_exception();
        next = count;
      }
#else
      f(task, worker);
#endif
    }
  };

  /// Threads that have ended when this has.
  struct joined {
    std::vector<std::thread> all = {};
    ~joined() {
      for (std::thread& t : all) t.join();
    }
    /// Whether the system had a thread left.
    template <class F>
    bool start(const F& work, std::size_t worker) {
#if defined(__cpp_exceptions)
      try {
        all.emplace_back(work, worker);
      } catch (const std::system_error&) {
        return false;
      }
#else
      all.emplace_back(work, worker);
#endif
      return true;
    }
  };

  std::size_t workers_;
};

/// What `concurrent` returns.
template <class F, executor E>
class concurrent_losses {
 public:
  /// `f` is a functor of one candidate, and is called from several threads at a time.
  concurrent_losses(F f, E on) : f_(std::move(f)), on_(std::move(on)) {}

  /// The losses of all candidates.
  template <class T>
  requires objective<const F, std::span<const T>>
  void operator()(const candidates<T>& c, std::span<double> losses) const {
    on_.run(c.size(), [&](std::size_t i, std::size_t) { losses[i] = static_cast<double>(f_(c[i])); });
  }
  /// The losses of all candidates, each on its example.
  template <class T>
  requires requires(const F& f, std::span<const T> x) { double(f(x, example{})); }
  void operator()(const candidates<T>& c, example_losses losses) const {
    on_.run(c.size(), [&](std::size_t i, std::size_t) {
      losses[i] = static_cast<double>(f_(c[i], example{losses.example_of(i)}));
    });
  }

 private:
  F f_;
  E on_;
};

/// A functor of candidates for `step`, of a loss that several threads may evaluate at a time:
///
///     tuner.step(std::span(x), zoft::concurrent([&](std::span<const float> w) { return net.loss(w, batch); }));
///
/// f is const, and takes std::span<const T>, and a zoft::example too where losses are of one example each. Any executor
/// will do in place of `threads`: see core/executor.hpp. Losses are the same on any number of threads, if f's are.
template <class F, executor E = threads>
concurrent_losses<F, E> concurrent(F f, E on = E()) {
  return {std::move(f), std::move(on)};
}

}  // namespace zoft::inline ZOFT_ISA
