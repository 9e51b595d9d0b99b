// A model that zoft reads as the GGUF file that llama.cpp reads, in float.
#pragma once

#include <gguf.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <vector>
#include <zoft/io/adapter_rows.hpp>
#include <zoft/io/checkpoint.hpp>

#include "../adapter_files.hpp"

namespace llama_cpp {

/// Frees what the function takes.
template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using file = std::unique_ptr<std::FILE, freed_by<std::fclose>>;

/// A file without a name, which lasts until it is closed. It has no tokenizer.
inline file gguf_of(const zoft::io::checkpoint& model) {
  const zoft::nn::config& c = model.shape();
  const std::string architecture(engines::architecture_of(c).name);
  zoft::require((architecture == "llama" || architecture == "qwen2") && c.pattern.empty() &&
                    c.scaling == zoft::nn::rope_scaling{},
                model.path + ": the model is of the family " + c.family +
                    ", and must be like Llama or Qwen2, without scaled positions, or be a GGUF file");
  const std::unique_ptr<gguf_context, freed_by<gguf_free>> out(gguf_init_empty());
  const auto whole = [&](const std::string& key, std::size_t value) {
    gguf_set_val_u32(out.get(), (architecture + "." + key).c_str(), static_cast<std::uint32_t>(value));
  };
  const auto real = [&](const std::string& key, double value) {
    gguf_set_val_f32(out.get(), (architecture + "." + key).c_str(), static_cast<float>(value));
  };
  gguf_set_val_str(out.get(), "general.architecture", architecture.c_str());
  gguf_set_val_str(out.get(), "tokenizer.ggml.model", "none");
  whole("vocab_size", c.vocabulary);
  whole("context_length", c.context);
  whole("embedding_length", c.dim);
  whole("block_count", c.layers);
  whole("feed_forward_length", c.hidden);
  whole("attention.head_count", c.heads);
  whole("attention.head_count_kv", c.kv_heads);
  whole("attention.key_length", c.head_dim);
  whole("attention.value_length", c.head_dim);
  whole("rope.dimension_count", c.head_dim);
  real("rope.freq_base", c.rope_base);
  real("attention.layer_norm_rms_epsilon", c.norm_epsilon);

  std::size_t count = 0;
  zoft::io::for_each_tensor(c, [&](const std::string&, const std::vector<std::size_t>&) { ++count; });
  const std::unique_ptr<ggml_context, freed_by<ggml_free>> tensors(
      ggml_init({count * ggml_tensor_overhead(), nullptr, /*no_alloc*/ true}));
  std::deque<std::vector<float>> values;
  zoft::io::for_each_tensor(c, [&](const std::string& name, const std::vector<std::size_t>& shape) {
    const std::size_t dot = name.rfind('.'), columns = shape.size() == 2 ? shape[1] : 1;
    std::vector<float>& own = values.emplace_back(zoft::io::elements(shape));
    model.read(name, shape, own);
    const std::size_t heads = zoft::io::detail::rotated_heads(c, name.substr(0, dot));
    if (heads > 0 && c.pairing != engines::gguf_rows(c)) {
      std::vector<float>& changed = values.emplace_back(own.size());
      if (c.pairing == zoft::nn::rope::half_split)
        zoft::io::interleave_rows<float>(own, heads, columns, changed);
      else
        zoft::io::split_rows<float>(own, heads, columns, changed);
    }
    const std::array<std::int64_t, 2> extents{static_cast<std::int64_t>(shape.back()),
                                              static_cast<std::int64_t>(shape[0])};
    ggml_tensor* t = ggml_new_tensor(tensors.get(), GGML_TYPE_F32, static_cast<int>(shape.size()), extents.data());
    t->data = values.back().data();
    ggml_set_name(t, (zoft::io::gguf_name(c, name.substr(0, dot)) + name.substr(dot)).c_str());
    gguf_add_tensor(out.get(), t);
  });
  file result(std::tmpfile());
  zoft::require(result != nullptr && gguf_write_to_file_ptr(out.get(), result.get(), /*only_meta*/ false),
                model.path + ": could not be written to a temporary file");
  std::rewind(result.get());
  return result;
}

}  // namespace llama_cpp
