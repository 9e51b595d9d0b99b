/// The directions of the step in progress. What they have in common is made once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "at.hpp"

namespace zoft::inline ZOFT_ISA {

/// The direction to apply for each query of a step: zoft::applied(sampler, d). If the sampler's directions share a
/// basis, the basis is kept until the sampler renews it. A copy starts empty, because directions refer to their
/// sampler.
template <class Sampler>
class step_directions {
  static constexpr bool shares_basis = requires(const Sampler s, direction d, std::uint32_t step) {
    s.renewed(step);
    typename decltype(s.at(d))::basis_type;
  };
  template <class Z, bool Shares>
  struct basis_of {
    using type = int;
  };
  template <class Z>
  struct basis_of<Z, true> {
    using type = typename Z::basis_type;
  };

 public:
  using value_type = decltype(zoft::applied(std::declval<const Sampler&>(), direction{}));
  using basis_type = typename basis_of<value_type, shares_basis>::type;

  step_directions() = default;
  step_directions(const step_directions&) noexcept {}
  step_directions(step_directions&&) noexcept {}
  step_directions& operator=(const step_directions&) noexcept {
    clear();
    basis_.reset();
    return *this;
  }

  /// The directions of queries 0 … queries − 1 of the step that d names. They live until clear(), or until another step
  /// is asked for.
  const std::vector<value_type>& of(const Sampler& sampler, direction d, std::size_t queries) {
    if (!kept_ || kept_->step != d.step || kept_->seed != d.seed || z_.size() != queries) {
      z_.clear();
      if constexpr (shares_basis) renew(sampler, d);
      for (std::uint32_t i = 0; i < queries; ++i) z_.push_back(make(sampler, {d.seed, d.step, i}));
      kept_ = d;
    }
    return z_;
  }

  /// Called when the step has ended: drops its directions, but keeps a basis that they share.
  void clear() { z_.clear(); }

 private:
  value_type make(const Sampler& sampler, direction d) const {
    if constexpr (shares_basis)
      return value_type(basis_, d);
    else
      return zoft::applied(sampler, d);
  }

  void renew(const Sampler& sampler, direction d) {
    bool renewed = basis_ == nullptr || kept_->seed != d.seed || d.step < kept_->step;
    for (std::uint32_t step = renewed ? d.step : kept_->step; step < d.step && !renewed; ++step)
      renewed = sampler.renewed(step + 1);
    if (!renewed) return;
    basis_.reset();
    basis_ = std::make_shared<const basis_type>(sampler.basis(d));
  }

  std::shared_ptr<const basis_type> basis_;
  std::optional<direction> kept_;  // the step that z_ is of, or that the basis was last asked for
  std::vector<value_type> z_;
};

}  // namespace zoft::inline ZOFT_ISA
