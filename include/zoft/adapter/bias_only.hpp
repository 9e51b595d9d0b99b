#pragma once

#include "../core/direction.hpp"
#include "../engine/attached/targets.hpp"
#include "../engine/attached/vector_adapter.hpp"

namespace zoft::inline ZOFT_ISA {

/// y = xWᵀ + b + δ with W and b frozen and δ (out) trained from 0: the bias of a linear, even if the model has none
/// there. BitFit: Ben Zaken et al. 2022, arXiv:2106.10199. nn::save writes a
/// model with them, if it has a bias everywhere.
struct bias_only {
  using attached = vector_adapter;

  std::vector<std::string> targets = {};  ///< linears by name or part of it ("q_proj", "layers.5"); empty: all

  vector_adapter attach(const layout& linears, seed) const {
    return {targeted(linears, targets, "bias_only", "linear"), &adapter_stack::biases, ".bias"};
  }
};

}  // namespace zoft::inline ZOFT_ISA
