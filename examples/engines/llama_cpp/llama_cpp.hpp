// llama.cpp by its C interface: nothing but what its headers declare.
#pragma once

#include <llama.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>
#include <zoft/engines/graph_loss.hpp>
#include <zoft/io/adapter_rows.hpp>
#include <zoft/io/checkpoint.hpp>
#include <zoft/io/gguf_adapter.hpp>
#include <zoft/prge.hpp>

#include "../adapter_files.hpp"
#include "gguf_model.hpp"

namespace llama_cpp {

struct options {
  int threads = 1;
  /// As zoft::nn computes: keys and values in float, and no fused attention. Left alone, llama.cpp keeps them in half
  /// precision.
  bool exact = true;
};

/// The loss of a model with an adapter: what zoft::engines::graph_loss runs.
///
/// llama.cpp's adapters are for all sequences of a context, so candidates are evaluated one after another. Each is
/// written into the tensors of one adapter where they are, so that the engine keeps its graph and its memory.
class loss {
 public:
  loss(const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter, const options& o = {})
      : o_(o), name_(model.path), shape_(model.shape()), candidate_(adapter) {
    llama_log_set(
        [](ggml_log_level level, const char* text, void*) {
          if (level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
        },
        nullptr);
    // Its kernels for AMX, which these buffers are for, die of an illegal instruction where GCC 12 compiled them.
    llama_model_params of_model = llama_model_default_params();
    of_model.use_extra_bufts = false;
    // A GGUF file is read as it is. Other models become one, in float.
    if (name_.ends_with(".gguf")) {
      model_.reset(llama_model_load_from_file(name_.c_str(), of_model));
    } else {
      const file converted = gguf_of(model);
      model_.reset(llama_model_load_from_file_ptr(converted.get(), of_model));
    }
    zoft::require(model_ != nullptr, name_ + ": llama.cpp cannot load it");

    const auto tensors = engines::gguf_tensors(adapter, shape_);
    std::string bytes =
        zoft::io::gguf_adapter_bytes(name_, std::vector<zoft::io::low_rank_tensor>(tensors.begin(), tensors.end()),
                                     adapter.alpha(), std::string(engines::architecture_of(shape_).name));
    const file in(fmemopen(bytes.data(), bytes.size(), "rb"));
    adapter_.reset(llama_adapter_lora_init_from_file_ptr(model_.get(), in.get()));
    zoft::require(adapter_ != nullptr, name_ + ": llama.cpp cannot load an adapter for it");
  }

  void operator()(const zoft::engines::padded_batch& b, const zoft::candidates<float>& theta, std::span<float> losses,
                  std::span<std::int64_t> best = {}) {
    for (std::size_t i = 0; i < theta.size(); ++i) {
      move_to(theta[i], b);
      losses[i] = forward(b, best.empty() ? best : best.subspan(i * b.predicted(), b.predicted()));
    }
  }

  /// The loss with the adapter in that GGUF file, as llama.cpp loads it.
  float with(const std::string& path, const zoft::engines::padded_batch& b) {
    const adapter_of_model other(llama_adapter_lora_init(model_.get(), path.c_str()));
    zoft::require(other != nullptr, path + ": llama.cpp cannot load this adapter");
    make_room(b);
    use(other.get());
    const float result = forward(b, {});
    use(adapter_.get());
    return result;
  }

 private:
  using adapter_of_model = std::unique_ptr<llama_adapter_lora, freed_by<llama_adapter_lora_free>>;
  using tensor_map = std::map<std::string, ggml_tensor*, std::less<>>;
  /// Writes the candidate into the adapter. llama.h hands out no tensors of adapters, but the context's callback is
  /// shown them, as sources of the graph's nodes.
  void move_to(std::span<const float> theta, const zoft::engines::padded_batch& b) {
    make_room(b);
    std::ranges::copy(theta, candidate_.parameters().begin());
    for (const auto& t : engines::gguf_tensors(candidate_, shape_)) {
      set(t.name + ".weight.lora_a", t.a);
      set(t.name + ".weight.lora_b", t.b);
    }
  }
  void set(const std::string& name, std::span<const float> values) {
    const auto found = tensors_->find(name);
    zoft::require(found != tensors_->end() && ggml_nbytes(found->second) == values.size_bytes(),
                  name_ + ": llama.cpp's forward has no " + name + " of " + zoft::text(values.size()) + " numbers");
    ggml_backend_tensor_set(found->second, values.data(), 0, values.size_bytes());
  }
  static bool see(ggml_tensor* node, bool, void* self) {
    for (ggml_tensor* source : node->src)
      if (source != nullptr && std::string_view(source->name).find(".lora_") != std::string_view::npos)
        static_cast<tensor_map*>(self)->emplace(source->name, source);
    return false;  // goes on without stopping at the node
  }

  /// A context for batches of that size, and one forward, in which `see` is called.
  void make_room(const zoft::engines::padded_batch& b) {
    if (context_ != nullptr && b.size() <= sequences_ && b.length() <= length_) return;
    sequences_ = std::max(sequences_, b.size());
    length_ = std::max(length_, b.length());
    llama_context_params p = llama_context_default_params();
    p.n_ctx = p.n_batch = p.n_ubatch = static_cast<std::uint32_t>(sequences_ * length_);
    p.n_seq_max = static_cast<std::uint32_t>(sequences_);
    p.n_threads = p.n_threads_batch = o_.threads;
    if (o_.exact) {
      p.type_k = p.type_v = GGML_TYPE_F32;
      p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    }
    p.cb_eval = see;
    p.cb_eval_user_data = tensors_.get();
    context_.reset();
    context_.reset(llama_init_from_model(model_.get(), p));
    zoft::require(context_ != nullptr, name_ + ": llama.cpp has no room for " + zoft::text(sequences_) +
                                           " sequences of " + zoft::text(length_) + " tokens");
    use(adapter_.get());
    if (tensors_->empty()) forward(b, {});
  }

  void use(llama_adapter_lora* adapter) {
    float scale = 1;
    llama_set_adapters_lora(context_.get(), &adapter, 1, &scale);
  }

  /// The mean loss of the batch's labels.
  float forward(const zoft::engines::padded_batch& b, std::span<std::int64_t> best) {
    const std::size_t rows = b.size() * b.length();
    const auto vocabulary = static_cast<Eigen::Index>(shape_.vocabulary);
    std::vector<llama_token> tokens(b.tokens().begin(), b.tokens().end());
    std::vector<llama_pos> positions(rows);
    std::vector<llama_seq_id> sequences(rows);
    std::vector<std::int32_t> counts(rows, 1);
    std::vector<llama_seq_id*> lists(rows);
    std::vector<std::int8_t> wanted(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      positions[i] = static_cast<llama_pos>(i % b.length());
      sequences[i] = static_cast<llama_seq_id>(i / b.length());
      lists[i] = &sequences[i];
      wanted[i] = b.labels()[i] != zoft::engines::padded_batch::nothing;
    }
    llama_memory_clear(llama_get_memory(context_.get()), false);
    const int status = llama_decode(context_.get(), {static_cast<std::int32_t>(rows), tokens.data(), nullptr,
                                                     positions.data(), counts.data(), lists.data(), wanted.data()});
    zoft::require(status == 0, name_ + ": llama.cpp ended a forward with status " + zoft::text(status));

    double sum = 0;
    std::size_t count = 0;
    for (std::size_t i = 0; i < rows; ++i) {
      if (!wanted[i]) continue;
      const Eigen::Map<const Eigen::ArrayXf> logits(llama_get_logits_ith(context_.get(), static_cast<std::int32_t>(i)),
                                                    vocabulary);
      Eigen::Index first = 0;
      const float most = logits.maxCoeff(&first);
      sum += static_cast<double>(std::log((logits - most).exp().sum()) + most - logits[b.labels()[i]]);
      if (!best.empty()) best[count] = first;
      ++count;
    }
    return static_cast<float>(sum / static_cast<double>(count));
  }

  options o_;
  std::string name_;
  zoft::nn::config shape_;
  zoft::low_rank_adapter candidate_;
  std::unique_ptr<tensor_map> tensors_ = std::make_unique<tensor_map>();
  std::size_t sequences_ = 0, length_ = 0;
  std::unique_ptr<llama_model, freed_by<llama_model_free>> model_;
  adapter_of_model adapter_;
  std::unique_ptr<llama_context, freed_by<llama_free>> context_;
};

}  // namespace llama_cpp
