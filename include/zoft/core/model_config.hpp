/// What a transformer computes, as a composition: where it normalises, how it knows positions, what its attention and
/// its MLP are, and what is scaled. A model's family is a table that fills this in.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// How rotary position embeddings pair the d elements of a head (Su et al. 2021, arXiv:2104.09864).
enum class rope {
  interleaved,  ///< (0, 1), (2, 3) …: llama2.c, and llama.cpp's Llama
  half_split,   ///< (0, d/2), (1, d/2 + 1) …: Hugging Face
};

enum class norm_kind {
  rms,    ///< g·x/√(mean x² + ε)
  layer,  ///< g·(x − mean x)/√(var x + ε) + b
};

/// What q/k norms normalise, before the rotation.
enum class head_norm {
  none,
  each,   ///< each head by itself, with gains (head_dim) that all heads share
  own,    ///< each head by itself, with gains (head_dim) of its own, in a tensor of its own, and no bias
  whole,  ///< all heads of a token together, with gains (heads·head_dim)
};

enum class activation {
  silu,
  gelu,       ///< x·Φ(x)
  gelu_tanh,  ///< its approximation by tanh
  relu,
};

/// How the rows of a linear that makes q, k and v at once are ordered.
enum class fused_rows {
  contiguous,  ///< all of q, all of k, all of v
  by_head,     ///< q, k and v of head 0, then those of head 1 …; needs as many key heads as query heads
};

/// Changes to the rotary angles of contexts that are longer than a model was trained on first. Angle i of position t is
/// t·base^(−2i/dims)/divisors[i], and cos and sin are multiplied by `amplitude`.
struct rope_scaling {
  std::vector<double> divisors;       ///< empty: 1
  std::vector<double> long_divisors;  ///< for sequences longer than `long_after`; empty: the same
  std::size_t long_after = 0;
  double amplitude = 1;

  friend bool operator==(const rope_scaling&, const rope_scaling&) = default;
};

/// What one block does differently from others.
struct layer_config {
  std::size_t window = 0;  ///< a token sees itself and window − 1 tokens before it; 0: all of them
  bool rotary = true;      ///< whether q and k are rotated
  bool local = false;      ///< whether they are rotated by local_rope_base, without scaling
  double score_scale = 1;  ///< of q·k, beside the model's own

  friend bool operator==(const layer_config&, const layer_config&) = default;
};

/// Which linears have a bias.
struct biases {
  bool query_key_value = false;
  bool attention_output = false;
  bool mlp = false;
  bool head = false;

  friend bool operator==(const biases&, const biases&) = default;
};

/// The names of a model's tensors in its family's files, without .weight and .bias. An empty name means that the model
/// has no such part. Those of a block follow `block`, the block's number and a dot.
struct tensor_names {
  std::string embedding = "model.embed_tokens";
  std::string positions = {};    ///< learned positions
  std::string token_types = {};  ///< types of tokens, of which all are 0 here
  std::string embedding_norm = {};
  std::string project_in = {}, project_out = {};  ///< from the embedding's rows to the stream, and back to the head

  std::string block = "model.layers.";
  std::string attention = "self_attn";
  std::string query = "self_attn.q_proj", key = "self_attn.k_proj", value = "self_attn.v_proj";
  std::string query_key_value = {};  ///< in place of these three
  std::string query_norm = {}, key_norm = {};
  std::string output = "self_attn.o_proj";
  std::string gate = "mlp.gate_proj", up = "mlp.up_proj";  ///< without gate: down(activation(up(x)))
  std::string gate_up = {};                                ///< in place of both, the rows of the gate first
  std::string down = "mlp.down_proj";

  /// Norms of what a part reads, of what it adds to the stream, and of the stream with that added.
  std::string attention_norm = "input_layernorm", attention_added_norm = {}, attention_stream_norm = {};
  std::string mlp_norm = "post_attention_layernorm", mlp_added_norm = {}, mlp_stream_norm = {};

  std::string final_norm = "model.norm";
  std::string head_dense = {}, head_norm = {};  ///< before the head: norm(activation(dense(x)))
  std::string head = "lm_head";
  std::string head_bias = {};  ///< where it is not the head's own, as with a tied head
  std::string pooler = {};     ///< tanh(pooler(x)) of the first token

  friend bool operator==(const tensor_names&, const tensor_names&) = default;
};

struct config {
  std::size_t dim = 0;         ///< width of the residual stream
  std::size_t hidden = 0;      ///< width of the MLP
  std::size_t layers = 0;      ///< blocks
  std::size_t heads = 0;       ///< query heads
  std::size_t kv_heads = 0;    ///< key and value heads; divides heads
  std::size_t head_dim = 0;    ///< elements per head
  std::size_t vocabulary = 0;  ///< tokens
  std::size_t context = 0;     ///< longest sequence, in tokens

  // Positions.
  double rope_base = 10000.0;  ///< θ of the rotary angles: position · θ^(−2i/d)
  double norm_epsilon = 1e-5;  ///< added to the mean square, or the variance, in norms
  rope pairing = rope::half_split;
  bool tied_head = true;        ///< the output projection is the embedding
  std::size_t rotary_dims = 0;  ///< the first so many elements of a head are rotated; 0: all
  rope_scaling scaling = {};
  double local_rope_base = 10000.0;        ///< θ in local layers
  std::vector<layer_config> pattern = {};  ///< one per block; empty: all the same
  bool learned_positions = false;          ///< a row per position is added to the embedding, and nothing is rotated
  std::size_t first_position = 0;          ///< the row of the first token

  // Blocks.
  norm_kind norm = norm_kind::rms;
  bool norm_offset = false;  ///< files hold g − 1 for gains g
  bool parallel = false;     ///< x += attention(norm(x)) + mlp(norm(x)), of the same x
  bool shared_norm = false;  ///< of a parallel block: the MLP reads what attention reads, of the same norm
  bool causal = true;        ///< a token sees none after it
  head_norm query_key_norm = head_norm::none;
  double attention_scale = 0;  ///< scores are q·k times this; 0: 1/√head_dim
  double attention_cap = 0;    ///< scores s become cap·tanh(s/cap); 0: no cap
  activation act = activation::silu;
  fused_rows fused = fused_rows::contiguous;
  bool transposed = false;  ///< files hold the blocks' linears as (in, out)

  // Scales.
  std::size_t embedding_dim = 0;  ///< width of the embedding's rows, if linears lead from it to dim and back; 0: dim
  double embedding_scale = 1;
  double residual_scale = 1;  ///< of what attention and MLP add
  double logit_scale = 1;
  double logit_cap = 0;  ///< logits z become cap·tanh(z/cap); 0: no cap

  std::size_t token_types = 0;  ///< rows of token_types
  bool has_head = true;         ///< whether there are logits of tokens
  biases bias = {};
  tensor_names names = {};
  std::string family = "llama";  ///< model_type in config.json

  bool gated() const { return !names.gate.empty() || !names.gate_up.empty(); }
  std::size_t row_dim() const { return embedding_dim == 0 ? dim : embedding_dim; }  ///< of the embedding
  bool rotates() const { return !learned_positions; }
  layer_config layer(std::size_t i) const { return pattern.empty() ? layer_config{} : pattern[i]; }
  std::string block_name(std::size_t i) const { return names.block + text(i) + "."; }
};

/// The tensor that holds the gains of one head, where each has its own.
inline std::string head_norm_name(const std::string& norm, std::size_t head) {
  return norm + ".norms." + text(head) + ".weight";
}

}  // namespace zoft::inline ZOFT_ISA::nn
