/// The shape of a decoder of the Llama family (Touvron et al. 2023, arXiv:2302.13971), as stated in its checkpoint.
#pragma once

#include <cstddef>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// How rotary position embeddings pair the d elements of a head (Su et al. 2021, arXiv:2104.09864).
enum class rope {
  interleaved,  ///< (0, 1), (2, 3) …: llama2.c
  half_split,   ///< (0, d/2), (1, d/2 + 1) …: Hugging Face
};

struct config {
  std::size_t dim = 0;         ///< width of the residual stream
  std::size_t hidden = 0;      ///< width of the MLP
  std::size_t layers = 0;      ///< blocks
  std::size_t heads = 0;       ///< query heads
  std::size_t kv_heads = 0;    ///< key and value heads; divides heads
  std::size_t head_dim = 0;    ///< elements per head; even
  std::size_t vocabulary = 0;  ///< tokens
  std::size_t context = 0;     ///< longest sequence, in tokens
  double rope_base = 10000.0;  ///< θ of the rotary angles: position · θ^(−2i/d)
  double norm_epsilon = 1e-5;  ///< added to the mean square in RMSNorm
  rope pairing = rope::half_split;
  bool tied_head = true;  ///< the output projection is the embedding
};

}  // namespace zoft::inline ZOFT_ISA::nn
