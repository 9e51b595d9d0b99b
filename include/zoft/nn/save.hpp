/// Saves a model as a Hugging Face folder, which transformers and zoft load: config.json, model.safetensors and, if the
/// source has one, generation_config.json. io/tokenizer/save.hpp adds the tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "../core/adapter_stack.hpp"
#include "../core/dtype.hpp"
#include "../core/layout.hpp"
#include "../io/file/output_file.hpp"
#include "../io/hugging_face_folder.hpp"
#include "kernel/start.hpp"
#include "model/merged_weights.hpp"
#include "model/transformer.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// Writes the model, which was loaded from `source`, into the folder, and makes that if it does not exist. The files
/// are whole before the first of them gets its name, so a folder that is there already stays as it was if anything
/// fails.
///
/// Matrices are written as `type`, F32 or BF16, or else as the model keeps them, where codes are widened to F32. Norms
/// and biases are F32. Names and shapes are those of the family, and the rows of q and k are in Hugging Face's order,
/// whatever the source's. A source that is a folder keeps its config.json up to the type of the weights, and its
/// tensors that zoft does not have, such as those of another head, are copied. What `merged` adds in its group 0 is
/// added to the weights that are written: see merged_weights.
///
/// Throws std::invalid_argument with one line if the source is not that of the model, if config.json cannot say what
/// the model computes, if what is merged is no weight of the model, or if a weight is not finite.
inline void save(const transformer& model, const std::string& source, const std::string& folder,
                 std::optional<dtype> type = std::nullopt, const adapter_stack& merged = adapter_stack(1)) {
  require(!type || *type == dtype::f32 || *type == dtype::bf16, "save: type must be F32 or BF16");
  const zoft::layout layout = model.weights_layout();
  const std::vector<dtype> types = model.weight_types();
  const merged_weights additions(layout, merged, model.shape().names.embedding);
  const auto stored = [&](std::size_t i) {
    if (!layout.tensors()[i].is_matrix()) return io::storage::f32;
    return type.value_or(types[i]) == dtype::bf16 ? io::storage::bf16 : io::storage::f32;
  };
  // The embedding comes first.
  const io::hugging_face_form form =
      io::hugging_face_form_of(source, model.shape(), stored(0) == io::storage::bf16 ? "bfloat16" : "float32");
  const io::tensors_for_files for_files(model.shape(), form.shape);
  const io::source_tensors from_source(source, model.shape());

  // The tensors in the order in which they are written: parts of the model's, biases that only the files have, which
  // are zeros, and tensors of the source that the model does not have.
  std::map<std::string, std::vector<std::size_t>> shapes;
  io::for_each_tensor(form.shape, [&](const std::string& name, const auto& shape) { shapes[name] = shape; });
  std::vector<io::declared_tensor> tensors;
  std::vector<std::vector<io::rows_in_files>> parts;
  for (std::size_t i = 0; i < layout.tensors().size(); ++i) {
    parts.push_back(for_files.parts(layout.tensors()[i].name, layout.tensors()[i].rows));
    for (const io::rows_in_files& part : parts.back()) {
      const auto shape = shapes.extract(part.name);
      if (shape.empty()) fail(source + ": the model has " + part.name + ", which its family has no place for");
      tensors.push_back({from_source.name_of_file(part.name), stored(i), shape.mapped()});
    }
  }
  const std::vector<std::byte> zeros = io::zeros_for(shapes, source);
  for (const auto& [name, shape] : shapes)
    tensors.push_back({name, io::storage::f32, shape, std::span(zeros).first(4 * io::elements(shape))});
  tensors.insert(tensors.end(), from_source.others().begin(), from_source.others().end());

  io::make_folder(folder);
  std::vector<std::unique_ptr<io::output_file>> files;
  const auto open = [&](const char* name) -> io::output_file& {
    return *files.emplace_back(std::make_unique<io::output_file>(folder + "/" + name));
  };
  const auto copied = [](std::span<const std::byte> bytes) {
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  io::output_file& weights = open("model.safetensors");
  weights.write(io::safetensors_header(folder + "/model.safetensors", tensors, {{"format", "pt"}}));
  std::size_t i = 0, written = 0;
  std::vector<float> values;
  model.for_each_weight([&](const std::string& name, std::size_t, std::size_t columns, auto read) {
    for (const io::rows_in_files& part : parts[i++]) {
      const bool whole = for_files.changes(part.name, columns == 1);
      // A few rows at a time, because a widened embedding may be larger than the model.
      const std::size_t some = whole ? part.rows : std::max<std::size_t>(1, (std::size_t{1} << 20) / columns);
      for (std::size_t row = 0, n; row < part.rows; row += n) {
        n = std::min(some, part.rows - row);
        values.resize(n * columns);
        read(part.first + row, std::span(values));
        additions.add(name, part.first + row, columns, values);
        if (whole) values = for_files(part.name, std::move(values), columns);
        io::write_numbers(weights, values, tensors[written].type, folder + ": " + part.name);
      }
      ++written;
    }
  });
  for (; written < tensors.size(); ++written) weights.write(copied(tensors[written].bytes));
  open("config.json").write(form.config.dump(2) + "\n");
  std::error_code error;
  if (const std::string generation = source + "/generation_config.json"; std::filesystem::exists(generation, error))
    open("generation_config.json").write(copied(io::memory_map(generation).bytes()));
  for (const auto& file : files) file->finish();
  for (const auto& file : files) file->commit();
}

}  // namespace zoft::inline ZOFT_ISA::nn
