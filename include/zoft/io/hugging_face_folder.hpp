/// The tensors of a model, whatever file it was read from, as its family's Hugging Face folder holds them. nn/save.hpp
/// writes the folder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/model_config.hpp"
#include "../core/number.hpp"
#include "adapter_rows.hpp"
#include "file/json.hpp"
#include "file/low_rank_tensor.hpp"
#include "file/output_file.hpp"
#include "file/safetensors.hpp"
#include "file/storage.hpp"
#include "file/tensor.hpp"
#include "file/weights.hpp"
#include "hugging_face.hpp"
#include "hugging_face_config.hpp"
#include "rotary_rows.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// Rows [first, first + rows) of a model's tensor, which the files hold under that name.
struct rows_in_files {
  std::string name;
  std::size_t first = 0, rows = 0;
};

/// Turns tensors of a model of the shape `own` into those of its family's files, whose shape is `files`. In the model,
/// a linear is (out, in) and a norm has its gain g. Both shapes must outlive this.
class tensors_for_files {
 public:
  tensors_for_files(const nn::config& own, const nn::config& files) : own_(own), files_(files) {
    if (own.pairing != files.pairing &&
        (own.query_key_norm != nn::head_norm::none || (own.rotary_dims != 0 && own.rotary_dims != own.head_dim)))
      fail("the rows of q and k cannot be put into another order in a model that normalises them or rotates only some");
  }

  /// What the files make of a tensor of for_each_tensor(own): itself, or q, k and v of a linear that holds all three.
  std::vector<rows_in_files> parts(const std::string& name, std::size_t rows) const {
    const nn::tensor_names& n = files_.names;
    if (own_.names.query_key_value.empty() || !n.query_key_value.empty() || !is_fused(name)) return {{name, 0, rows}};
    const std::size_t dot = name.rfind('.');
    const std::string block = name.substr(0, dot - own_.names.query_key_value.size()), ending = name.substr(dot);
    const std::size_t queries = own_.heads * own_.head_dim, keys = own_.kv_heads * own_.head_dim;
    return {{block + n.query + ending, 0, queries},
            {block + n.key + ending, queries, keys},
            {block + n.value + ending, queries + keys, keys}};
  }

  /// Whether the files hold the part's numbers in another order, or others. `name` is the files'.
  bool changes(const std::string& name, bool is_vector) const {
    return turned(name, is_vector) || reordered(name) || ordered_by_head(name) || shifted(name, is_vector);
  }

  /// The numbers (rows, columns) of a part as the files hold them. A vector has one column.
  std::vector<float> operator()(const std::string& name, std::vector<float> values, std::size_t columns) const {
    const bool is_vector = columns == 1;
    if (reordered(name)) {
      std::vector<float> halves(values.size());
      split_rows<float>(values, heads(name), columns, halves);
      values = std::move(halves);
    }
    if (ordered_by_head(name)) values = by_head(values, columns);
    if (turned(name, is_vector)) values = transposed(values, values.size() / columns, columns);
    if (shifted(name, is_vector))
      for (float& gain : values) gain -= 1;
    return values;
  }

 private:
  static std::string linear(const std::string& name) { return name.substr(0, name.rfind('.')); }
  std::size_t heads(const std::string& name) const { return detail::rotated_heads(files_, linear(name)); }
  bool is_fused(const std::string& name) const {
    return name.starts_with(own_.names.block) && linear(name).ends_with("." + own_.names.query_key_value);
  }
  bool turned(const std::string& name, bool is_vector) const {
    return files_.transposed && !is_vector && name.starts_with(files_.names.block);
  }
  bool reordered(const std::string& name) const { return own_.pairing != files_.pairing && heads(name) > 0; }
  bool ordered_by_head(const std::string& name) const {
    return own_.fused != files_.fused && !files_.names.query_key_value.empty() && is_fused(name);
  }
  bool shifted(const std::string& name, bool is_vector) const {
    return files_.norm_offset && is_vector && name.ends_with(".weight");
  }

  /// The rows of q, then of k and v, become those of each head: q, k and v.
  std::vector<float> by_head(const std::vector<float>& values, std::size_t columns) const {
    const std::size_t size = own_.head_dim * columns;
    std::vector<float> result(values.size());
    for (std::size_t part = 0; part < 3; ++part)
      for (std::size_t head = 0; head < own_.heads; ++head)
        std::copy_n(values.data() + (part * own_.heads + head) * size, size, result.data() + (3 * head + part) * size);
    return result;
  }

  const nn::config &own_, &files_;
};

/// Zeros for the largest of the biases that a family has only together with others that the model has. Throws if a
/// tensor is no bias.
inline std::vector<std::byte> zeros_for(const std::map<std::string, std::vector<std::size_t>>& missing,
                                        const std::string& source) {
  std::size_t most = 0;
  for (const auto& [name, shape] : missing) {
    if (!name.ends_with(".bias")) fail(source + ": " + name + " is missing, which a folder of its family must have");
    most = std::max(most, elements(shape));
  }
  return std::vector<std::byte>(4 * most);
}

/// Writes the numbers as that type, F32 or BF16. `where` names them. Throws if one is not finite, or too large for it.
inline void write_numbers(output_file& file, std::span<const float> values, storage type, const std::string& where) {
  const auto check = [&](float value, std::size_t i) {
    if (!is_finite(static_cast<double>(value)))
      fail(where + " is " + text(values[i]) + ", and must be finite as " + std::string(name_of(type)));
  };
  for (std::size_t i = 0; i < values.size(); ++i) check(values[i], i);
  if (type == storage::f32) return file.write({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  std::vector<bfloat16> narrow(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    narrow[i] = bfloat16(values[i]);
    check(static_cast<float>(narrow[i]), i);
  }
  file.write({reinterpret_cast<const char*>(narrow.data()), 2 * narrow.size()});
}

/// How the source calls the tensors of a model, and what else is in its files: heads that zoft does not have. Of a file
/// that is not a Hugging Face folder there is nothing else. The views live as long as this.
class source_tensors {
 public:
  source_tensors(const std::string& source, const nn::config& c) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(source, ignored)) return;
    shards_ = detail::open_shards(source);
    const detail::named_tensors files(shards_, c);
    std::set<std::string> used;
    for_each_tensor(c, [&](const std::string& name, const auto&) {
      std::string& found_as = names_[name];
      if (files.find(name, found_as) == nullptr) fail(source + ": " + name + " is missing");
      used.insert(found_as);
    });
    for (const safetensors& shard : shards_)
      for (const auto& [name, tensor] : shard.tensors())
        if (!used.contains(name) && !detail::is_buffer(name) && detail::copy_of(c, name).empty())
          others_.push_back({name, tensor.type, tensor.shape, tensor.bytes});
  }

  std::string name_of_file(const std::string& name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? name : found->second;
  }
  const std::vector<declared_tensor>& others() const { return others_; }

 private:
  std::vector<safetensors> shards_;
  std::map<std::string, std::string> names_;
  std::vector<declared_tensor> others_;
};

}  // namespace zoft::inline ZOFT_ISA::io
