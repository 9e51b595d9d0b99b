#pragma once

#include "../core/direction.hpp"
#include "../engine/attached/targets.hpp"
#include "../engine/attached/vector_adapter.hpp"

namespace zoft::inline ZOFT_ISA {

/// y = xWᵀ + b + δ with W and b frozen, δ (out) trained, from 0: the bias of a linear, also where the model has none.
/// BitFit; Ben Zaken et al. 2022, arXiv:2106.10199. No file format is known for it: save parameters() yourself.
struct bias_only {
  using attached = vector_adapter;

  std::vector<std::string> targets = {};  ///< linears by name or parts of it ("q_proj", "layers.5"); none: all

  vector_adapter attach(const layout& linears, seed) const {
    return {targeted(linears, targets, "bias_only", "linear"), &adapter_stack::biases, ".bias"};
  }
};

}  // namespace zoft::inline ZOFT_ISA
