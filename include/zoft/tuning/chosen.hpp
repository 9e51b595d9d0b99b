/// Where a policy has the number that autotune chooses: in itself, or in what it is made of.
#pragma once

#include "../core/config.hpp"

namespace zoft::inline ZOFT_ISA::tuning {

/// The part of an optimizer that has the rate: itself, or the optimizer that it wraps.
template <class Optimizer>
auto& rated(Optimizer& o) {
  if constexpr (requires { o.learning_rate; })
    return o;
  else if constexpr (requires { o.optimizer; })
    return rated(o.optimizer);
  else
    return o;
}

/// The part of an estimator that has the radius: itself, or the estimator that it is made of.
template <class Estimator>
auto& radiused(Estimator& e) {
  if constexpr (requires { e.epsilon; })
    return e;
  else if constexpr (requires { e.of; })
    return radiused(e.of);
  else if constexpr (requires { e.each; })
    return radiused(e.each);
  else
    return e;
}

}  // namespace zoft::inline ZOFT_ISA::tuning
