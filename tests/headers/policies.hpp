// Whether a name is a policy: a type, or a template over another policy of its kind.
#pragma once

#include <concepts>
#include <zoft/adapter/lora.hpp>
#include <zoft/concepts.hpp>
#include <zoft/core/schedule.hpp>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/optimizer/factored.hpp>
#include <zoft/optimizer/sgd.hpp>
#include <zoft/sampler/gaussian.hpp>

namespace policies {

template <class P>
consteval bool is_sampler() {
  return zoft::sampler<P, float>;
}
template <template <class...> class P>
consteval bool is_sampler() {
  return is_sampler<P<zoft::gaussian>>();
}

template <class P>
consteval bool is_estimator() {
  return zoft::estimator<P>;
}
template <template <class...> class P>
consteval bool is_estimator() {
  return is_estimator<P<zoft::one_sided>>();
}

// One for matrices has no apply of its own: factored makes an optimizer of it.
template <class P>
consteval bool is_optimizer() {
  return zoft::optimizer<P> || zoft::composition::spectral<P>;
}
template <template <class...> class P>
consteval bool is_optimizer() {
  return is_optimizer<P<zoft::sgd>>();
}

template <class P>
consteval bool is_adapter() {
  return zoft::adapter<P>;
}
template <template <class...> class P>
consteval bool is_adapter() {
  return is_adapter<P<zoft::lora>>();
}

template <class R, class... A>
consteval bool is_schedule(R (*)(A...)) {
  return std::same_as<R, zoft::schedule>;
}

}  // namespace policies
