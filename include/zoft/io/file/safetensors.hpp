/// Reads and writes Hugging Face's safetensors: https://github.com/huggingface/safetensors, "Format".
///
///     uint64 n · n bytes of JSON {"name": {"dtype", "shape", "data_offsets": [begin, end)}, …, "__metadata__"} · data
///
/// The offsets count from the end of the header, which may be padded with spaces. The tensors cover the data without
/// overlaps or gaps. Files are judged as the format's own library judges them, except that a name may not occur twice
/// in an object, lists may not be nested more than 32 deep, and a tensor must be an object.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "file_kind.hpp"
#include "json.hpp"
#include "memory_map.hpp"
#include "output_file.hpp"
#include "printable.hpp"
#include "tensor.hpp"
#include "utf8.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// An open file. Its whole header has been checked, so every tensor that it lists is there. Throws
/// std::invalid_argument, naming the file and what is wrong in it. Views of tensors live as long as the mapping.
class safetensors {
 public:
  explicit safetensors(std::string path) : path_(std::move(path)), file_(path_) { read_header(); }

  const std::string& path() const { return path_; }
  const std::map<std::string, tensor_view, std::less<>>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// The tensor of that name, or nothing. It may be of a type that is not widened, such as the I64 of a buffer.
  std::optional<tensor_view> find(std::string_view name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? std::nullopt : std::optional(found->second);
  }

  /// Gives away the mapping that the views point into. This object then has no more views to give.
  memory_map release() && { return std::move(file_); }

 private:
  void read_header();
  tensor_view read_entry(const std::string& name, const json& value, std::span<const std::byte> data) const;

  std::string path_;
  memory_map file_;
  std::map<std::string, tensor_view, std::less<>> tensors_;
  std::map<std::string, std::string> metadata_;
};

inline void safetensors::read_header() {
  const auto bytes = file_.bytes();
  expect_kind(path_, bytes, file_kinds::safetensors);
  if (bytes.size() < 8) fail(path_ + ": is " + text(bytes.size()) + " bytes, and a safetensors file has at least 8");
  const auto length = load<std::uint64_t>(bytes, 0);
  if (length > bytes.size() - 8)
    fail(path_ + ": its header is " + text(length) + " bytes by its first 8, and " + text(bytes.size() - 8) +
         " follow (cut off, or no safetensors file)");
  const auto header = bytes.subspan(8, static_cast<std::size_t>(length));
  const auto data = bytes.subspan(8 + header.size());
  const std::string_view header_text(reinterpret_cast<const char*>(header.data()), header.size());
  if (!detail::without_spaces(header_text).starts_with('{')) fail(path_ + ": its header does not begin with '{'");
  const json root = parse_json(header_text, path_ + ": header");

  std::vector<std::tuple<std::size_t, std::size_t, std::string_view>> order;  // begin, end, name
  for (const auto& [name, value] : root.get_ref<const json::object_t&>()) {
    if (name == "__metadata__") {
      if (value.is_null()) continue;
      if (!value.is_object()) fail(path_ + ": __metadata__ is " + shown(value) + ", and must be an object of strings");
      for (const auto& [key, meaning] : value.get_ref<const json::object_t&>())
        metadata_[key] = fields(value, path_ + ": __metadata__").string(key);
      continue;
    }
    const auto place = tensors_.emplace(name, read_entry(name, value, data)).first;
    const auto begin = static_cast<std::size_t>(place->second.bytes.data() - data.data());
    order.emplace_back(begin, begin + place->second.bytes.size(), place->first);
  }

  std::sort(order.begin(), order.end());
  std::size_t covered = 0;
  for (const auto& [begin, end, name] : order) {
    if (begin != covered)
      fail(path_ + ": " + printable(name) + " begins at byte " + text(begin) + " of the data, and must begin at " +
           text(covered) + ", where the tensor before it ends");
    covered = end;
  }
  if (covered != data.size())
    fail(path_ + ": has " + text(data.size()) + " bytes of data, and its tensors take " + text(covered));
}

inline tensor_view safetensors::read_entry(const std::string& name, const json& value,
                                           std::span<const std::byte> data) const {
  const std::string where = path_ + ": " + printable(name);
  const fields object(value, where);
  const std::string dtype = object.string("dtype");
  const auto type = safetensors_type(dtype);
  if (!type) object.refuse("dtype", "a type that safetensors knows, such as F32");
  const auto list = [&](const char* field) {
    const json* found = object.find(field);
    std::vector<std::size_t> numbers;
    if (found == nullptr || !found->is_array()) object.refuse(field, "a list of whole numbers");
    for (const json& item : *found) {
      const auto* number = item.get_ptr<const json::number_unsigned_t*>();
      if (number == nullptr || *number > PTRDIFF_MAX)
        fail(where + ": " + field + " holds " + shown(item) + ", and must hold whole numbers from 0");
      numbers.push_back(static_cast<std::size_t>(*number));
    }
    return numbers;
  };
  tensor_view result{*type, list("shape"), {}};
  const auto offsets = list("data_offsets");
  if (offsets.size() != 2) object.refuse("data_offsets", "a list of 2, begin and end");
  const std::size_t begin = offsets[0], end = offsets[1];
  if (begin > end || end > data.size())
    fail(where + ": data_offsets are " + text(begin) + " and " + text(end) + ", and must rise and stay within the " +
         text(data.size()) + " bytes of data");
  const storage_facts& facts = facts_of(*type);
  const std::size_t count = elements(result.shape);
  if (count % facts.elements != 0 || saturating_product(count / facts.elements, facts.bytes) != end - begin)
    fail(where + ": shape " + text_of(result.shape) + " of " + dtype + " does not take the " + text(end - begin) +
         " bytes that its data_offsets " + text(begin) + " and " + text(end) + " give it");
  result.bytes = data.subspan(begin, end - begin);
  return result;
}

/// A tensor of a file that is written piece by piece.
struct declared_tensor {
  std::string name;
  storage type = storage::f32;
  std::vector<std::size_t> shape;
  std::span<const std::byte> bytes{};  ///< what is copied as it is, if anything is
};

/// A tensor for write_safetensors, which writes it as F32, row-major.
struct named_tensor {
  std::string name;
  std::vector<std::size_t> shape;
  std::span<const float> values;
};

/// The bytes of a file with these tensors, in this order, up to the data. The header is padded with spaces so that the
/// data begins at a multiple of 8. Throws, naming path, if a name occurs twice or is not UTF-8.
inline std::string safetensors_header(const std::string& path, std::span<const declared_tensor> tensors,
                                      const std::map<std::string, std::string>& metadata = {}) {
  const auto checked = [&](const std::string& string) {
    if (!is_utf8(string))
      fail(path + ": '" + printable(string) + "' is not UTF-8, which a name in safetensors must be");
    return string;
  };
  json header = json::object();
  for (const auto& [key, value] : metadata) header["__metadata__"][checked(key)] = checked(value);
  std::size_t begin = 0;
  for (const declared_tensor& tensor : tensors) {
    if (tensor.name == "__metadata__" || header.contains(checked(tensor.name)))
      fail(path + ": " + printable(tensor.name) + " is the name of two tensors, or of none that may be written");
    const storage_facts& facts = facts_of(tensor.type);
    const std::size_t end = begin + elements(tensor.shape) / facts.elements * facts.bytes;
    header[tensor.name] = {{"dtype", facts.name}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string json_text = header.dump();
  json_text.append((8 - json_text.size() % 8) % 8, ' ');
  const auto length = std::bit_cast<std::array<char, 8>>(static_cast<std::uint64_t>(json_text.size()));
  return std::string(length.data(), length.size()) + json_text;
}

/// Writes to an open file and leaves the commit to the caller. `path` is for messages. Throws, naming it, if a shape
/// does not match its values, or as safetensors_header does.
inline void write_safetensors(output_file& file, const std::string& path, std::span<const named_tensor> tensors,
                              const std::map<std::string, std::string>& metadata = {}) {
  std::vector<declared_tensor> declared;
  for (const named_tensor& tensor : tensors) {
    if (elements(tensor.shape) != tensor.values.size())
      fail(path + ": " + printable(tensor.name) + " has shape " + text_of(tensor.shape) + " and " +
           text(tensor.values.size()) + " values");
    declared.push_back({tensor.name, storage::f32, tensor.shape});
  }
  file.write(safetensors_header(path, declared, metadata));
  for (const named_tensor& tensor : tensors)
    file.write({reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size_bytes()});
}

/// Writes the file whole or not at all.
inline void write_safetensors(const std::string& path, std::span<const named_tensor> tensors,
                              const std::map<std::string, std::string>& metadata = {}) {
  output_file file(path);
  write_safetensors(file, path, tensors, metadata);
  file.commit();
}

}  // namespace zoft::inline ZOFT_ISA::io
