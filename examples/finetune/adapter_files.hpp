/// Adapters in files: what a run begins with, and what it leaves behind.
#pragma once

#include <span>
#include <string>
#include <vector>
#include <zoft/core/adapter_stack.hpp>
#include <zoft/core/low_rank.hpp>
#include <zoft/io/file/low_rank_tensor.hpp>
#include <zoft/nn/transformer.hpp>

namespace finetune {

/// The adapter of a folder, with the rows of q and k as the model has them.
class saved_adapter {
 public:
  /// Throws if the adapter has a linear that the model does not have, or has in another shape.
  saved_adapter(const std::string& folder, const zoft::nn::transformer& model);

  /// To be evaluated as it is.
  zoft::adapter_stack stack() const { return zoft::io::stack_of(tensors_); }

  /// To be trained on. Throws if linears differ in rank or scale, or if the embedding or the head is adapted.
  std::vector<zoft::low_rank_values> values() const;
  std::size_t rank() const { return tensors_[0].rank; }
  double alpha() const { return tensors_[0].scale * static_cast<double>(rank()); }

 private:
  std::string folder_;
  std::vector<zoft::io::owned_low_rank_tensor> tensors_;
};

/// The files that save_adapter writes for a model.
std::vector<std::string> adapter_files(const zoft::nn::config& shape);

/// Throws if one of the files cannot be written into the folder, or if they would lie beside what changes their
/// meaning: programs take an adapter in a model's folder for a part of it.
void check_output(const std::string& folder, const std::vector<std::string>& files);

/// Writes peft's files, and adapter.gguf if llama.cpp knows models of this family. `base` is the model's path.
void save_adapter(const std::string& folder, std::span<const zoft::io::low_rank_tensor> tensors, double alpha,
                  const zoft::nn::config& shape, const std::string& base);

}  // namespace finetune
