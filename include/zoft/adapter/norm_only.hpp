#pragma once

#include <concepts>

#include "../core/direction.hpp"
#include "../engine/attached/targets.hpp"
#include "../engine/attached/vector_adapter.hpp"

namespace zoft::inline ZOFT_ISA {

/// A model that lists its norms. Each is a vector of gains.
template <class M>
concept has_norms = requires(const M& model) {
  { model.norms() } -> std::convertible_to<const layout&>;
};

/// y = (g + δ)·x/√(mean x² + ε) with g frozen and δ trained from 0: the gains of the norms. Zhao et al. 2023,
/// arXiv:2312.11420. nn::save writes a model with them.
struct norm_only {
  using attached = vector_adapter;

  std::vector<std::string> targets = {};  ///< norms by name or part of it ("input_layernorm", "layers.5"); empty: all

  template <has_norms Model>
  vector_adapter attach(const Model& model, seed) const {
    return {targeted(model.norms(), targets, "norm_only", "norm"), &adapter_stack::gains, ".weight"};
  }
};

}  // namespace zoft::inline ZOFT_ISA
