#pragma once

#include "../engine/attached/low_rank_adapter.hpp"

namespace zoft::inline ZOFT_ISA {

/// y = xWᵀ + (α/r)·(xAᵀ)Bᵀ with W frozen, A (r, in) and B (out, r) trained. Hu et al. 2021, arXiv:2106.09685.
struct lora {
  using attached = low_rank_adapter;

  std::size_t rank = 8;                     ///< r
  double alpha = 16;                        ///< the addition is scaled by α/r
  std::vector<std::string> targets = {};    ///< linears by name or part of it ("q_proj", "layers.5"); empty: all
  std::vector<low_rank_values> start = {};  ///< what A and B begin with, of these linears only; empty: at random

  low_rank_adapter attach(const layout& linears, seed run) const {
    return {linears,
            run,
            {.name = "lora", .rank = rank, .alpha = alpha, .targets = targets, .start = start, .train_a = true}};
  }
};

}  // namespace zoft::inline ZOFT_ISA
