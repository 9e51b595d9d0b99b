#include "adapter_files.hpp"

#include <algorithm>
#include <filesystem>
#include <tuple>
#include <zoft/io/adapter_rows.hpp>
#include <zoft/io/file/output_file.hpp>
#include <zoft/io/file/printable.hpp>
#include <zoft/io/gguf/model.hpp>
#include <zoft/io/gguf_adapter.hpp>
#include <zoft/io/peft.hpp>

#include "text.hpp"

namespace finetune {

namespace {

/// The architecture of GGUF files with models of that family, or null.
const zoft::io::gguf_architecture* architecture_of(const std::string& family) {
  for (const zoft::io::gguf_architecture& each : zoft::io::gguf_architectures())
    if (each.family == family) return &each;
  return nullptr;
}

}  // namespace

saved_adapter::saved_adapter(const std::string& folder, const zoft::nn::transformer& model) : folder_(folder) {
  const zoft::io::peft_adapter read = zoft::io::read_peft(folder);
  const std::vector<zoft::io::low_rank_tensor> views(read.tensors.begin(), read.tensors.end());
  tensors_ = zoft::io::in_order_of(model.shape(), views, zoft::nn::rope::half_split);
  for (const auto& t : tensors_) {
    const auto known = std::find_if(model.layout().begin(), model.layout().end(),
                                    [&](const zoft::tensor& linear) { return linear.name == t.name; });
    if (known == model.layout().end()) {
      if (t.embedding || t.name == model.shape().names.head) continue;
      refuse(folder + ": adapts '" + zoft::io::printable(t.name) + "', which the model does not have");
    }
    if (known->rows != t.out || known->columns != t.in)
      refuse(folder + ": adapts '" + zoft::io::printable(t.name) + "' as " + zoft::text(t.out) + " by " +
             zoft::text(t.in) + ", and the model's is " + zoft::text(known->rows) + " by " +
             zoft::text(known->columns));
  }
}

std::vector<zoft::low_rank_values> saved_adapter::values() const {
  std::vector<zoft::low_rank_values> result;
  for (const auto& t : tensors_) {
    if (t.rank != rank() || t.scale != tensors_[0].scale || t.embedding)
      refuse(folder_ + ": its linears must have one rank and scale to be trained on, and be no embedding, and '" +
             zoft::io::printable(t.name) + "' differs from '" + zoft::io::printable(tensors_[0].name) + "'");
    result.push_back({t.name, t.a, t.b});
  }
  return result;
}

std::vector<std::string> adapter_files(const zoft::nn::config& shape) {
  std::vector<std::string> result{"adapter_config.json", "adapter_model.safetensors"};
  if (architecture_of(shape.family) != nullptr) result.push_back("adapter.gguf");
  return result;
}

void check_output(const std::string& folder, const std::vector<std::string>& files) {
  const std::string model = "config.json", adapter = "adapter_config.json";
  for (const auto& [written, other, what] :
       {std::tuple(model, adapter, "an adapter"), {adapter, model, "a whole model"}})
    if (std::find(files.begin(), files.end(), written) != files.end() && std::filesystem::exists(folder + "/" + other))
      refuse(folder + ": holds " + what + ", and " + written + " beside its " + other +
             " would be taken for a part of it: give another --output");
  for (const std::string& name : files) zoft::io::output_file can_be_written(folder + "/" + name);
}

void save_adapter(const std::string& folder, std::span<const zoft::io::low_rank_tensor> tensors, double alpha,
                  const zoft::nn::config& shape, const std::string& base) {
  const auto halves = zoft::io::in_row_order(tensors, shape, zoft::nn::rope::half_split);
  const std::vector<zoft::io::low_rank_tensor> for_peft(halves.begin(), halves.end());
  zoft::io::write_peft(folder, for_peft, alpha, base);
  const zoft::io::gguf_architecture* architecture = architecture_of(shape.family);
  if (architecture == nullptr) return;
  auto rows = zoft::io::in_row_order(
      tensors, shape, architecture->interleaved ? zoft::nn::rope::interleaved : zoft::nn::rope::half_split);
  for (auto& t : rows) t.name = zoft::io::gguf_name(shape, t.name);
  const std::vector<zoft::io::low_rank_tensor> for_gguf(rows.begin(), rows.end());
  zoft::io::write_gguf_adapter(folder + "/adapter.gguf", for_gguf, alpha, std::string(architecture->name));
}

}  // namespace finetune
