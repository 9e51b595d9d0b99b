/// minimize for Eigen's vectors and matrices.
#pragma once

#include "minimize.hpp"
// Must come after simd/lanes.hpp, which keeps GCC 12 from warning about the intrinsics that Eigen uses.
#include <Eigen/Core>

namespace zoft::inline ZOFT_ISA {

/// The same as for spans; f is called with the vector or matrix itself. Its elements are numbered as they are stored.
template <class Derived, class F>
requires number<typename Derived::Scalar> && std::invocable<F&, const Derived&> report
minimize(Eigen::PlainObjectBase<Derived>& x, F&& f, const minimize_options& o = {}) {
  using T = typename Derived::Scalar;
  const std::span<T> flat(x.data(), static_cast<std::size_t>(x.size()));
  return minimize(
      flat, [&](std::span<const T>) { return static_cast<double>(f(std::as_const(x.derived()))); }, o);
}

}  // namespace zoft::inline ZOFT_ISA
