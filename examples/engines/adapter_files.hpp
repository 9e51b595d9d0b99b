// The adapter in files: peft's, and the one that llama.cpp reads.
#pragma once

#include <string>
#include <vector>
#include <zoft/io/adapter_rows.hpp>
#include <zoft/io/gguf/model.hpp>
#include <zoft/io/gguf_adapter.hpp>
#include <zoft/io/peft.hpp>
#include <zoft/prge.hpp>

namespace engines {

/// What GGUF files call models of that shape.
inline const zoft::io::gguf_architecture& architecture_of(const zoft::nn::config& shape) {
  for (const auto& each : zoft::io::gguf_architectures())
    if (each.family == shape.family) return each;
  zoft::fail("no architecture of GGUF files is known for models of the family " + shape.family);
}

/// The order in which they hold the rows of q and k.
inline zoft::nn::rope gguf_rows(const zoft::nn::config& shape) {
  return architecture_of(shape).interleaved ? zoft::nn::rope::interleaved : zoft::nn::rope::half_split;
}

/// The adapter's matrices with their rows in the order `wanted`.
inline std::vector<zoft::io::owned_low_rank_tensor> tensors_of(const zoft::low_rank_adapter& adapter,
                                                               const zoft::nn::config& shape, zoft::nn::rope wanted) {
  std::vector<zoft::io::low_rank_tensor> tensors;
  for (const auto& p : adapter.pairs()) tensors.push_back({p.linear, p.out, p.in, adapter.rank(), p.a, p.b});
  return zoft::io::in_row_order(tensors, shape, wanted);
}

/// The same as GGUF files have them, by their names for linears.
inline std::vector<zoft::io::owned_low_rank_tensor> gguf_tensors(const zoft::low_rank_adapter& adapter,
                                                                 const zoft::nn::config& shape) {
  auto result = tensors_of(adapter, shape, gguf_rows(shape));
  for (auto& t : result) t.name = zoft::io::gguf_name(shape, t.name);
  return result;
}

inline void save(const std::string& folder, const zoft::low_rank_adapter& adapter, const zoft::nn::config& shape) {
  const auto views = [](const std::vector<zoft::io::owned_low_rank_tensor>& tensors) {
    return std::vector<zoft::io::low_rank_tensor>(tensors.begin(), tensors.end());
  };
  const auto for_peft = tensors_of(adapter, shape, zoft::nn::rope::half_split), for_gguf = gguf_tensors(adapter, shape);
  zoft::io::write_peft(folder, views(for_peft), adapter.alpha(), "");
  zoft::io::write_gguf_adapter(folder + "/adapter.gguf", views(for_gguf), adapter.alpha(),
                               std::string(architecture_of(shape).name));
}

/// An adapter from peft's files, as lora_fa begins with it, in the model's order: files have another.
inline zoft::lora_fa read_adapter(const std::string& folder, const zoft::nn::config& shape,
                                  const zoft::layout& linears) {
  const zoft::io::peft_adapter read = zoft::io::read_peft(folder);
  const std::vector<zoft::io::low_rank_tensor> tensors(read.tensors.begin(), read.tensors.end());
  auto ordered = zoft::io::in_order_of(shape, tensors, zoft::nn::rope::half_split);
  zoft::lora_fa result{.rank = read.rank, .alpha = read.alpha};
  for (const zoft::tensor& linear : linears)
    for (auto& t : ordered)
      if (t.name == linear.name) result.start.push_back({t.name, std::move(t.a), std::move(t.b)});
  zoft::require(result.start.size() == ordered.size(), folder + ": the adapter has linears that the model has not");
  return result;
}

}  // namespace engines
