/// Reads checkpoints of llama2.c (Karpathy 2023), legacy or version 1 of its export.py: seven numbers, then float32.
///
///     legacy     int32 × 7 · embedding, attention norms, q, k, v, o, MLP norms, gate, down, up, final norm,
///                RoPE tables, head
///     version 1  "24ka", int32 1, int32 × 7, uint8 tied, zeros to byte 256 · the norms, embedding, q … up, head
///
/// The seven are dim, hidden, layers, heads, kv_heads, vocabulary, context. The same tensor of all layers is stored
/// together. In the legacy format, a vocabulary below 0 means that the head is a matrix of its own. Version 2 is
/// quantised and is not read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/model_config.hpp"
#include "file/file_kind.hpp"
#include "file/memory_map.hpp"
#include "file/tensor.hpp"
#include "file/weights.hpp"

namespace zoft::inline ZOFT_ISA::io {

namespace detail {

inline constexpr std::uint32_t llama2c_magic = 0x616b3432;  // "24ka"

struct llama2c_section {
  std::string name;  // empty: skipped
  bool each_layer;
  std::vector<std::size_t> shape;
};

inline std::vector<llama2c_section> llama2c_sections(const nn::config& c, bool legacy) {
  const std::size_t queries = c.heads * c.head_dim, keys = c.kv_heads * c.head_dim;
  const llama2c_section embedding{"model.embed_tokens.weight", false, {c.vocabulary, c.dim}},
      attention_norm{"input_layernorm.weight", true, {c.dim}}, q{"self_attn.q_proj.weight", true, {queries, c.dim}},
      k{"self_attn.k_proj.weight", true, {keys, c.dim}}, v{"self_attn.v_proj.weight", true, {keys, c.dim}},
      o{"self_attn.o_proj.weight", true, {c.dim, queries}}, mlp_norm{"post_attention_layernorm.weight", true, {c.dim}},
      w1{"mlp.gate_proj.weight", true, {c.hidden, c.dim}}, w2{"mlp.down_proj.weight", true, {c.dim, c.hidden}},
      w3{"mlp.up_proj.weight", true, {c.hidden, c.dim}}, final_norm{"model.norm.weight", false, {c.dim}},
      head{"lm_head.weight", false, {c.vocabulary, c.dim}}, rope_tables{"", false, {c.context, c.head_dim}};
  std::vector<llama2c_section> result;
  if (legacy)
    result = {embedding, attention_norm, q, k, v, o, mlp_norm, w1, w2, w3, final_norm, rope_tables};
  else
    result = {attention_norm, mlp_norm, final_norm, embedding, q, k, v, o, w1, w2, w3};
  if (!c.tied_head) result.push_back(head);
  return result;
}

/// Reads the shape from the seven numbers at bytes[at].
inline nn::config llama2c_shape(const std::string& path, std::span<const std::byte> bytes, std::size_t at) {
  constexpr std::array<const char*, 7> names{"dim",        "hidden_dim", "n_layers", "n_heads",
                                             "n_kv_heads", "vocab_size", "seq_len"};
  std::array<std::size_t, 7> extents{};
  bool tied = true;
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::int64_t number = load<std::int32_t>(bytes, at + 4 * i);
    if (i == 5 && number < 0) {
      tied = false;
      number = -number;
    }
    if (number < 1 || number > static_cast<std::int64_t>(largest_extent))
      fail(path + ": " + names[i] + " is " + text(number) + ", and must be from 1 to " + text(largest_extent) +
           " in a llama2.c checkpoint");
    extents[i] = static_cast<std::size_t>(number);
  }
  nn::config c;
  c.dim = extents[0], c.hidden = extents[1], c.layers = extents[2], c.heads = extents[3], c.kv_heads = extents[4];
  c.vocabulary = extents[5], c.context = extents[6];
  c.head_dim = c.dim / c.heads;
  c.pairing = nn::rope::interleaved;
  c.tied_head = tied;
  if (c.dim % c.heads != 0 || c.head_dim % 2 != 0)
    fail(path + ": dim is " + text(c.dim) + ", and must be an even multiple of n_heads, which is " + text(c.heads));
  if (c.heads % c.kv_heads != 0)
    fail(path + ": n_kv_heads is " + text(c.kv_heads) + ", and must divide n_heads, which is " + text(c.heads));
  return c;
}

}  // namespace detail

/// Opens either format. The magic number tells them apart. Throws, naming the file, if the header is wrong or the size
/// of the file is not exactly that of the tensors that the header promises.
inline checkpoint open_llama2c(const std::string& path) {
  memory_map file(path);
  const auto bytes = file.bytes();
  expect_kind(path, bytes, file_kinds::llama2c);
  const bool legacy = bytes.size() < 4 || load<std::uint32_t>(bytes, 0) != detail::llama2c_magic;
  const std::size_t header = legacy ? 28 : 256;
  if (bytes.size() < header)
    fail(path + ": is " + text(bytes.size()) + " bytes, and the header of a llama2.c checkpoint alone is " +
         text(header));
  if (!legacy && load<std::int32_t>(bytes, 4) != 1)
    fail(path + ": is version " + text(load<std::int32_t>(bytes, 4)) +
         " of llama2.c's format, and must be 1 or legacy");
  nn::config c = detail::llama2c_shape(path, bytes, legacy ? 0 : 8);
  if (!legacy) {
    if (!c.tied_head) fail(path + ": vocab_size is below 0, which says something in legacy files only");
    const auto flag = std::to_integer<unsigned>(bytes[36]);
    if (flag > 1) fail(path + ": the flag of a shared head is " + text(flag) + ", and must be 0 or 1");
    c.tied_head = flag == 1;
  }

  const auto sections = detail::llama2c_sections(c, legacy);
  std::size_t wanted = header;
  for (const auto& section : sections)
    wanted = saturating_sum(
        wanted, saturating_product(saturating_product(elements(section.shape), section.each_layer ? c.layers : 1), 4));
  if (bytes.size() != wanted)
    fail(path + ": is " + text(bytes.size()) + " bytes, and must be " + text(wanted) + " by its header (dim " +
         text(c.dim) + ", hidden_dim " + text(c.hidden) + ", n_layers " + text(c.layers) + ", n_heads " +
         text(c.heads) + ", n_kv_heads " + text(c.kv_heads) + ", vocab_size " + text(c.vocabulary) + ", seq_len " +
         text(c.context) + ")");

  checkpoint::tensor_map tensors;
  std::size_t at = header;
  for (const auto& section : sections) {
    const std::size_t size = elements(section.shape) * 4;
    for (std::size_t layer = 0; layer < (section.each_layer ? c.layers : 1); ++layer, at += size) {
      if (section.name.empty()) continue;
      const std::string block = section.each_layer ? "model.layers." + text(layer) + "." : "";
      tensors[block + section.name] = {storage::f32, section.shape, bytes.subspan(at, size)};
    }
  }
  std::vector<memory_map> files;
  files.push_back(std::move(file));
  return checkpoint(path, c, std::move(files), std::move(tensors));
}

}  // namespace zoft::inline ZOFT_ISA::io
