/// Threads for an executor, by Eigen's pool.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <unsupported/Eigen/CXX11/ThreadPool>

#include "../executor.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// An executor of a number of threads, the caller's among them; a copy shares them. Tasks are taken as threads become
/// free: what they compute must not, and here does not, depend on who takes them.
class thread_pool {
 public:
  /// 0 threads: as many as the machine has.
  explicit thread_pool(std::size_t threads = 0) : workers_(threads) {
    if (workers_ == 0) workers_ = std::max(1u, std::thread::hardware_concurrency());
    if (workers_ > 1) pool_ = std::make_shared<Eigen::ThreadPool>(static_cast<int>(workers_ - 1));
  }

  std::size_t workers() const { return workers_; }

  /// The first exception that a task throws is thrown here, after all tasks that were begun have ended.
  template <class F>
  void run(std::size_t count, F&& f) const {
    if (workers_ == 1 || count < 2) return serial{}.run(count, f);
    std::atomic<std::size_t> next{0};
    std::exception_ptr thrown;
    std::mutex lock;
    std::condition_variable ended;
    const std::size_t helpers = std::min(workers_, count) - 1;
    std::size_t running = helpers;
    const auto work = [&](std::size_t worker) {
      try {
        for (std::size_t task; (task = next.fetch_add(1)) < count;) f(task, worker);
      } catch (...) {
        next = count;
        const std::lock_guard<std::mutex> held(lock);
        if (!thrown) thrown = std::current_exception();
      }
    };
    for (std::size_t worker = 1; worker <= helpers; ++worker)
      pool_->Schedule([&, worker] {
        work(worker);
        const std::lock_guard<std::mutex> held(lock);
        if (--running == 0) ended.notify_one();
      });
    work(0);
    std::unique_lock<std::mutex> held(lock);
    ended.wait(held, [&] { return running == 0; });
    if (thrown) std::rethrow_exception(thrown);
  }

 private:
  std::size_t workers_;
  std::shared_ptr<Eigen::ThreadPool> pool_;
};

static_assert(executor<thread_pool>);

}  // namespace zoft::inline ZOFT_ISA::nn
