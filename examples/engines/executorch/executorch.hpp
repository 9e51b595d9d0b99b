// ExecuTorch by its C++ interface, which the wheel brings.
#pragma once

#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/extension/threadpool/threadpool_guard.h>
#include <executorch/runtime/platform/platform.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/engines/graph_loss.hpp>
#include <zoft/io/onnx.hpp>

namespace pte {

using executorch::aten::ScalarType;
using executorch::extension::TensorPtr;
using executorch::runtime::EValue;
using extents = std::vector<executorch::aten::SizesType>;

/// Says errors only. Left alone, ExecuTorch also tells which files about the processor it did not find.
inline const bool quiet = executorch::runtime::register_pal(executorch::runtime::PalImpl::create(
    [](et_timestamp_t, et_pal_log_level_t level, const char*, const char*, std::size_t, const char* message,
       std::size_t) {
      if (level != kInfo && level != kDebug) std::fprintf(stderr, "ExecuTorch: %s\n", message);
    },
    __FILE__));

/// One method of a program that export.py wrote. Computes on the thread that calls it.
class method {
 public:
  method(const std::string& path, std::string name)
      : module_(std::make_unique<executorch::extension::Module>(path)), name_(std::move(name)), where_(path + ": ") {
    const auto meta = module_->method_meta(name_);
    check(meta.error());
    for (std::size_t i = 0; i < meta->num_inputs(); ++i) {
      const auto input = meta->input_tensor_meta(i);
      check(input.error());
      inputs_.emplace_back(input->sizes().begin(), input->sizes().end());
    }
  }

  /// What the program wants of its input.
  const extents& input(std::size_t i) const { return inputs_.at(i); }

  /// Inputs are read where they are. Outputs last until the next run.
  template <class... T>
  std::vector<EValue> run(std::span<T>... inputs) {
    const executorch::extension::threadpool::NoThreadPoolGuard alone;
    std::size_t i = 0;
    const std::vector<TensorPtr> tensors{view(inputs, i++)...};
    auto result = module_->execute(name_, std::vector<EValue>(tensors.begin(), tensors.end()));
    check(result.error());
    return std::move(*result);
  }

  void require(bool holds, const std::string& wanted) const {
    if (!holds) throw std::invalid_argument(where_ + name_ + " " + wanted);
  }

 private:
  TensorPtr view(std::span<const float> v, std::size_t i) { return view(v, i, ScalarType::Float); }
  TensorPtr view(std::span<const std::int64_t> v, std::size_t i) { return view(v, i, ScalarType::Long); }
  template <class T>
  TensorPtr view(std::span<const T> values, std::size_t i, ScalarType type) {
    std::size_t wanted = 1;
    for (const auto extent : inputs_.at(i)) wanted *= static_cast<std::size_t>(extent);
    require(values.size() == wanted, "wants " + std::to_string(wanted) + " numbers as input " + std::to_string(i) +
                                         ", and is given " + std::to_string(values.size()));
    return executorch::extension::from_blob(const_cast<T*>(values.data()), inputs_[i], type);
  }
  void check(executorch::runtime::Error e) const {
    if (e != executorch::runtime::Error::Ok)
      throw std::runtime_error(where_ + name_ + ": ExecuTorch's error " + std::to_string(static_cast<int>(e)));
  }

  std::unique_ptr<executorch::extension::Module> module_;
  std::string name_, where_;
  std::vector<extents> inputs_;
};

/// The adapter's frozen half, as programs take it: s·A of all linears of the model, whose order is that of theta too.
inline std::vector<float> frozen_half(const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter) {
  const zoft::layout linears = zoft::io::linears_of(model);
  const auto pairs = adapter.pairs();
  zoft::require(std::ranges::equal(linears, pairs, {}, &zoft::tensor::name, &zoft::low_rank_adapter::pair::linear),
                model.path + ": the adapter must have all linears of the model, in the order of its blocks");
  const auto scale = static_cast<float>(adapter.alpha() / static_cast<double>(adapter.rank()));
  std::vector<float> result;
  for (const auto& pair : pairs)
    for (const float a : pair.a) result.push_back(scale * a);
  return result;
}

/// The sequences of a batch that one run takes: as many as the program has room for, of its length. What is left over
/// has no labels.
class slice {
 public:
  slice(std::size_t sequences, std::size_t length)
      : sequences_(sequences), length_(length), tokens_(sequences * length), labels_(sequences * length) {}

  /// Takes sequences from `first` on; returns how many labels they have.
  std::size_t take(const zoft::engines::padded_batch& b, std::size_t first) {
    zoft::require(b.length() <= length_, "the batch has sequences of " + zoft::text(b.length()) +
                                             " tokens, and the program takes " + zoft::text(length_) + " at most");
    std::ranges::fill(tokens_, 0);
    std::ranges::fill(labels_, zoft::engines::padded_batch::nothing);
    for (std::size_t i = 0; i < std::min(sequences_, b.size() - first); ++i) {
      const std::size_t from = (first + i) * b.length();
      std::ranges::copy(b.tokens().subspan(from, b.length()), tokens_.begin() + std::ptrdiff_t(i * length_));
      std::ranges::copy(b.labels().subspan(from, b.length()), labels_.begin() + std::ptrdiff_t(i * length_));
    }
    return static_cast<std::size_t>(std::ranges::count_if(labels_, [](std::int64_t l) { return l >= 0; }));
  }

  std::size_t sequences() const { return sequences_; }
  std::span<const std::int64_t> tokens() const { return tokens_; }
  std::span<const std::int64_t> labels() const { return labels_; }

 private:
  std::size_t sequences_, length_;
  std::vector<std::int64_t> tokens_, labels_;
};

inline slice slice_of(const method& m) {
  return {static_cast<std::size_t>(m.input(0)[0]), static_cast<std::size_t>(m.input(0)[1])};
}

/// The loss of candidates, for zoft::engines::graph_loss. The program's extents are fixed, so a batch is given to it in
/// slices, and candidates are filled up with copies of the last one.
class loss {
 public:
  loss(const std::string& path, const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter, bool best)
      : method_(path, best ? "answers" : "losses"), a_(frozen_half(model, adapter)) {}

  void operator()(const zoft::engines::padded_batch& b, zoft::candidates<float> theta, std::span<float> losses,
                  std::span<std::int64_t> best = {}) {
    std::ranges::fill(losses, 0.0f);
    std::size_t known = 0;
    for (std::size_t c = 0; c < theta.size(); c += room_) {
      const std::span<const float> some = candidates_from(theta, c);
      for (std::size_t s = 0; s < b.size(); s += slice_.sequences()) {
        const std::size_t labels = slice_.take(b, s);
        if (labels == 0) continue;
        const auto outputs = method_.run(slice_.tokens(), slice_.labels(), std::span<const float>(a_), some);
        const float* of_slice = outputs[0].toTensor().const_data_ptr<float>();
        const float share = static_cast<float>(labels) / static_cast<float>(b.predicted());
        for (std::size_t i = c; i < std::min(c + room_, theta.size()); ++i) losses[i] += share * *of_slice++;
        if (best.empty()) continue;
        const std::int64_t* tokens = outputs[1].toTensor().const_data_ptr<std::int64_t>();
        for (std::size_t i = 0; i < slice_.labels().size(); ++i)
          if (slice_.labels()[i] >= 0) best[known++] = tokens[i];
      }
    }
  }

 private:
  std::span<const float> candidates_from(zoft::candidates<float> theta, std::size_t first) {
    const std::span<const float> all = theta.stack().subspan(first * theta.dimension());
    const std::size_t wanted = room_ * theta.dimension();
    if (all.size() >= wanted) return all.first(wanted);
    filled_.assign(all.begin(), all.end());
    while (filled_.size() < wanted)
      filled_.insert(filled_.end(), all.end() - std::ptrdiff_t(theta.dimension()), all.end());
    return filled_;
  }

  method method_;
  std::vector<float> a_, filled_;
  slice slice_ = slice_of(method_);
  std::size_t room_ = static_cast<std::size_t>(method_.input(3)[0]);
};

}  // namespace pte
