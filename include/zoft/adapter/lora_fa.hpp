#pragma once

#include "../engine/attached/low_rank_adapter.hpp"

namespace zoft::inline ZOFT_ISA {

/// LoRA with A frozen at its random start: y = xWᵀ + (α/r)·(xAᵀ)Bᵀ, with only B (out, r) trained, from 0. About half as
/// many parameters are perturbed, and xAᵀ is the same for all candidates of a step. Zhang et al. 2023,
/// arXiv:2308.03303.
struct lora_fa {
  using attached = low_rank_adapter;

  std::size_t rank = 8;                     ///< r
  double alpha = 16;                        ///< the addition is scaled by α/r
  std::vector<std::string> targets = {};    ///< linears by name or part of it ("q_proj", "layers.5"); empty: all
  std::vector<low_rank_values> start = {};  ///< what A and B begin with, of these linears only; empty: at random

  low_rank_adapter attach(const layout& linears, seed run) const {
    return {linears,
            run,
            {.name = "lora_fa", .rank = rank, .alpha = alpha, .targets = targets, .start = start, .train_a = false}};
  }
};

}  // namespace zoft::inline ZOFT_ISA
