/// The concept of an executor, which runs independent tasks, and the serial one.
#pragma once

#include <concepts>
#include <cstddef>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA {

/// run(count, f) calls f(task, worker) once for each task in [0, count), with worker in [0, workers()), and returns
/// when all are done. No two calls with the same worker run at the same time. What f computes for a task must not
/// depend on the worker.
template <class E>
concept executor = requires(const E& e, std::size_t count, void (*f)(std::size_t, std::size_t)) {
  { e.workers() } -> std::convertible_to<std::size_t>;
  e.run(count, f);
};

/// One task after another, in the caller's thread.
struct serial {
  std::size_t workers() const { return 1; }  ///< one
  /// Calls f(task, 0) for each task in [0, count), in order.
  template <class F>
  void run(std::size_t count, F&& f) const {
    for (std::size_t task = 0; task < count; ++task) f(task, std::size_t{0});
  }
};

}  // namespace zoft::inline ZOFT_ISA
