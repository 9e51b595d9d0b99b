/// An executor that runs tasks on Eigen's thread pool.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "../../core/executor.hpp"
#include "../../simd/lanes.hpp"
// Eigen comes after lanes.hpp, which includes <immintrin.h> in a way that avoids a false warning from GCC 12.
#include <unsupported/Eigen/CXX11/ThreadPool>

namespace zoft::inline ZOFT_ISA::nn {

/// An executor with a fixed number of threads, the caller's included. Copies share the threads. Threads take tasks as
/// they become free, so what a task computes must not depend on the thread, and in this library it does not.
class thread_pool {
 public:
  /// 0 means as many threads as the machine has.
  explicit thread_pool(std::size_t threads = 0) : workers_(threads) {
    if (workers_ == 0) workers_ = std::max(1u, std::thread::hardware_concurrency());
    if (workers_ > 1) pool_ = std::make_shared<Eigen::ThreadPool>(static_cast<int>(workers_ - 1));
  }

  std::size_t workers() const { return workers_; }

  /// Rethrows the first exception that a task throws, after all tasks that were begun have ended. May be called from
  /// several threads at a time, and from a task of the same pool.
  template <class F>
  void run(std::size_t count, F&& f) const {
    if (workers_ == 1 || count < 2) return serial{}.run(count, f);
    std::atomic<std::size_t> next{0};
    const auto call = std::make_shared<shared_by_helpers>();
    const auto work = [&](std::size_t worker) {
      try {
        for (std::size_t task; (task = next.fetch_add(1)) < count;) f(task, worker);
      } catch (...) {
        next = count;
        const std::lock_guard<std::mutex> held(call->lock);
        if (!call->thrown) call->thrown = std::current_exception();
      }
    };
    // A helper that starts after the work is done finds the call closed and touches nothing else of it. Waiting for
    // helpers that have not started would be waiting for whatever keeps the pool's threads busy, maybe this call
    // itself.
    for (std::size_t worker = 1; worker < std::min(workers_, count); ++worker)
      pool_->Schedule([&work, call, worker] {
        {
          const std::lock_guard<std::mutex> held(call->lock);
          if (call->closed) return;
          ++call->running;
        }
        work(worker);
        const std::lock_guard<std::mutex> held(call->lock);
        if (--call->running == 0) call->ended.notify_one();
      });
    work(0);
    std::unique_lock<std::mutex> held(call->lock);
    call->closed = true;
    call->ended.wait(held, [&] { return call->running == 0; });
    // Taken out of the call, which a helper that starts late still holds: the thread that catches it destroys it.
    if (std::exception_ptr thrown = std::exchange(call->thrown, nullptr)) std::rethrow_exception(std::move(thrown));
  }

 private:
  struct shared_by_helpers {
    std::mutex lock;
    std::condition_variable ended;
    std::size_t running = 0;  // helpers that have started and not ended
    bool closed = false;
    std::exception_ptr thrown;
  };

  std::size_t workers_;
  std::shared_ptr<Eigen::ThreadPool> pool_;
};

static_assert(executor<thread_pool>);

}  // namespace zoft::inline ZOFT_ISA::nn
