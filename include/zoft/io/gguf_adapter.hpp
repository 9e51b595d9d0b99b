/// Low-rank adapters as GGUF files, which llama.cpp applies to a GGUF model with --lora.
///
///     general.type "adapter" · general.architecture · adapter.type "lora" · adapter.lora.alpha
///     NAME.weight.lora_a (rank, in) · NAME.weight.lora_b (out, rank)       W becomes W + (alpha / rank) · B · A
///
/// NAME is the linear's in the GGUF model, such as blk.0.attn_q, and W has that model's order of rows: where its
/// architecture is llama, those of q and k are interleaved, and so are those of their B. The file has one alpha; a
/// linear with another one has the quotient in its B. An embedding, token_embd, is stored as lora_a (tokens, rank) and
/// lora_b (width, rank).
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "file/gguf.hpp"
#include "file/low_rank_tensor.hpp"
#include "file/output_file.hpp"
#include "file/printable.hpp"
#include "file/tensor.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// An adapter as it was read. All of its tensors have the file's alpha.
struct gguf_adapter {
  std::string architecture;
  double alpha = 0;
  std::vector<owned_low_rank_tensor> tensors;  ///< ordered by name, which is the linear's in the GGUF model
};

namespace detail {

inline constexpr std::string_view gguf_a = ".weight.lora_a", gguf_b = ".weight.lora_b", gguf_embedding = "token_embd";

template <class T>
std::string gguf_number(T value) {
  const auto bytes = std::bit_cast<std::array<char, sizeof(T)>>(value);
  return {bytes.data(), bytes.size()};
}

inline std::string gguf_text(std::string_view characters) {
  return gguf_number(static_cast<std::uint64_t>(characters.size())) + std::string(characters);
}

inline std::string gguf_text_key(std::string_view key, std::string_view value) {
  return gguf_text(key) + gguf_number(static_cast<std::uint32_t>(gguf_type::string)) + gguf_text(value);
}

}  // namespace detail

/// The bytes of such a file, as llama.cpp also reads it from memory. `alpha` is that of tensors without one of their
/// own, and `architecture` the model's general.architecture. Throws, naming the path and the linear, as check_low_rank
/// does, or if two linears have the same name, a name is longer than llama.cpp reads, or the only embedding that
/// llama.cpp knows is another one.
inline std::string gguf_adapter_bytes(const std::string& path, std::span<const low_rank_tensor> tensors, double alpha,
                                      const std::string& architecture) {
  check_low_rank(path, tensors, alpha);
  require(!architecture.empty(), path + ": the name of the model's architecture is empty");
  constexpr std::size_t alignment = 32, longest_name = 63;
  const auto padded = [](std::size_t size) { return (size + alignment - 1) / alignment * alignment; };

  struct part {
    std::string name;
    std::size_t rows, columns;
    std::span<const float> values;
  };
  std::vector<part> parts;
  std::vector<std::vector<float>> changed;
  std::set<std::string_view> names;
  const float file_alpha = static_cast<float>(alpha);
  for (const auto& t : tensors) {
    const std::string where = path + ": " + printable(t.name);
    if (t.name.size() + detail::gguf_a.size() > longest_name)
      fail(where + " is a name of " + text(t.name.size()) + " characters, and must have at most " +
           text(longest_name - detail::gguf_a.size()));
    if (!names.insert(t.name).second) fail(where + " is the name of two linears");
    if (t.embedding != (t.name == detail::gguf_embedding))
      fail(where + " is " + (t.embedding ? "an embedding" : "no embedding") + ", and token_embd alone must be one");
    std::span<const float> a = t.a, b = t.b;
    if (const double own = t.alpha == 0 ? alpha : t.alpha; static_cast<float>(own) != file_alpha) {
      std::vector<float>& scaled = changed.emplace_back(b.begin(), b.end());
      for (float& value : scaled) value = static_cast<float>(value * (own / static_cast<double>(file_alpha)));
      if (first_not_finite(scaled)) fail(where + ": its alpha, " + text(own) + ", makes B infinite");
      b = scaled;
    }
    if (t.embedding) {
      parts.push_back({t.name + std::string(detail::gguf_a), t.out, t.rank, b});
      a = changed.emplace_back(transposed(a, t.rank, t.in));
      parts.push_back({t.name + std::string(detail::gguf_b), t.in, t.rank, a});
    } else {
      parts.push_back({t.name + std::string(detail::gguf_a), t.rank, t.in, a});
      parts.push_back({t.name + std::string(detail::gguf_b), t.out, t.rank, b});
    }
  }

  std::string bytes = "GGUF" + detail::gguf_number(std::uint32_t{3}) +
                      detail::gguf_number(static_cast<std::uint64_t>(parts.size())) +
                      detail::gguf_number(std::uint64_t{4}) + detail::gguf_text_key("general.type", "adapter") +
                      detail::gguf_text_key("general.architecture", architecture) +
                      detail::gguf_text_key("adapter.type", "lora") + detail::gguf_text("adapter.lora.alpha") +
                      detail::gguf_number(static_cast<std::uint32_t>(gguf_type::f32)) + detail::gguf_number(file_alpha);
  std::size_t offset = 0;
  for (const part& p : parts) {
    bytes += detail::gguf_text(p.name) + detail::gguf_number(std::uint32_t{2}) +
             detail::gguf_number(static_cast<std::uint64_t>(p.columns)) +
             detail::gguf_number(static_cast<std::uint64_t>(p.rows)) + detail::gguf_number(std::uint32_t{0}) +
             detail::gguf_number(static_cast<std::uint64_t>(offset));
    offset += padded(p.values.size_bytes());
  }
  bytes.resize(padded(bytes.size()));
  bytes.reserve(bytes.size() + offset);
  for (const part& p : parts) {
    bytes.append(reinterpret_cast<const char*>(p.values.data()), p.values.size_bytes());
    bytes.resize(padded(bytes.size()));
  }
  return bytes;
}

/// Writes the file whole or not at all. Throws as gguf_adapter_bytes does, or if it cannot be written.
inline void write_gguf_adapter(const std::string& path, std::span<const low_rank_tensor> tensors, double alpha,
                               const std::string& architecture) {
  const std::string bytes = gguf_adapter_bytes(path, tensors, alpha, architecture);
  output_file file(path);
  file.write(bytes);
  file.commit();
}

/// Reads such a file. Throws, naming the file and the key or tensor, if it is no adapter, a matrix lacks its other
/// half, two shapes do not match, or a number is not finite.
inline gguf_adapter read_gguf_adapter(const std::string& path) {
  const gguf file(path);
  if (file.string("general.type") != "adapter") file.refuse("general.type", "adapter");
  if (file.string("adapter.type") != "lora") file.refuse("adapter.type", "lora");
  if (file.find("adapter.alora.invocation_tokens") != nullptr)
    file.refuse("adapter.alora.invocation_tokens", "left out");
  gguf_adapter result;
  result.architecture = file.string("general.architecture");
  result.alpha = file.real("adapter.lora.alpha");
  if (!(result.alpha > 0)) file.refuse("adapter.lora.alpha", "above 0");

  const auto matrix = [&](const std::string& name, std::vector<float>& out) {
    const std::string where = path + ": " + printable(name);
    const auto found = file.tensor(name);
    if (!found) fail(where + " is missing, and its other half is there");
    if (found->shape.size() != 2) fail(where + " has shape " + text_of(found->shape) + ", and must have 2 extents");
    require_widened(found->type, where);
    out.resize(found->size());
    widen(*found, out);
    if (const auto i = first_not_finite(out))
      fail(where + " is " + text(out[*i]) + " at element " + text(*i) + ", and must be finite");
    return found->shape;
  };
  for (const auto& [name, view] : file.tensors()) {
    const bool is_a = name.ends_with(detail::gguf_a), is_b = name.ends_with(detail::gguf_b);
    if (!is_a && !is_b)
      fail(path + ": holds " + printable(name) + ", which is neither .weight.lora_a nor .weight.lora_b of a linear");
    const std::string linear = name.substr(0, name.size() - detail::gguf_a.size());
    const std::string first = linear + std::string(detail::gguf_a), second = linear + std::string(detail::gguf_b);
    if (is_b) {
      if (!file.tensor(first)) fail(path + ": " + printable(first) + " is missing, and its other half is there");
      continue;
    }
    auto& t = result.tensors.emplace_back();
    t.name = linear;
    t.embedding = linear == detail::gguf_embedding;
    const auto a = matrix(first, t.a), b = matrix(second, t.b);
    const std::size_t rank = t.embedding ? a[1] : a[0];
    if (rank == 0 || b[1] != rank)
      fail(path + ": " + printable(linear) + ": lora_a has shape " + text_of(a) + " and lora_b " + text_of(b) +
           ", and must have one rank");
    t.rank = rank;
    t.out = t.embedding ? a[0] : b[0];
    t.in = t.embedding ? b[0] : a[1];
    if (t.embedding) {
      t.a.swap(t.b);  // now a is (width, rank) and b is (tokens, rank)
      t.a = transposed(t.a, t.in, rank);
    }
    t.alpha = result.alpha;
    t.scale = t.alpha / static_cast<double>(rank);
  }
  if (result.tensors.empty()) fail(path + ": holds no tensors");
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::io
