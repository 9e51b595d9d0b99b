/// Reads GGUF, the files of llama.cpp: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3.
///
///     "GGUF" · uint32 version · uint64 tensors · uint64 keys · the keys · the tensors · zeros up to `alignment` · data
///     key        string name · uint32 type · value
///     tensor     string name · uint32 n · uint64 extents[n], the row's first · uint32 type · uint64 offset in the data
///
/// Everything is little-endian. Offsets are multiples of the alignment, which is 32 or general.alignment.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "file_kind.hpp"
#include "gguf_value.hpp"
#include "memory_map.hpp"
#include "printable.hpp"
#include "tensor.hpp"

namespace zoft::inline ZOFT_ISA::io {

namespace detail {

/// Takes values from the front of a file. `where` is a function that names what is read, and is called for errors only.
class gguf_cursor {
 public:
  gguf_cursor(const std::string& path, std::span<const std::byte> bytes) : path_(path), bytes_(bytes) {}

  std::size_t at() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }

  template <class F>
  std::span<const std::byte> take_bytes(std::uint64_t count, const F& where) {
    if (count > left())
      fail(path_ + ": " + where() + " takes " + text(count) + " bytes at byte " + text(at_) + ", and the file has " +
           text(left()) + " left");
    at_ += static_cast<std::size_t>(count);
    return bytes_.subspan(at_ - static_cast<std::size_t>(count), static_cast<std::size_t>(count));
  }

  template <class T, class F>
  T take(const F& where) {
    return load<T>(take_bytes(sizeof(T), where), 0);
  }

  template <class F>
  std::string_view take_string(const F& where) {
    const auto bytes = take_bytes(take<std::uint64_t>(where), where);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  const std::string& path_;
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

/// ggml's names of numbers that once were types of tensors.
constexpr std::string_view removed_ggml_type(std::uint32_t number) {
  constexpr std::pair<std::uint32_t, std::string_view> removed[] = {
      {4, "Q4_2"},      {5, "Q4_3"},        {31, "Q4_0_4_4"},   {32, "Q4_0_4_8"},
      {33, "Q4_0_8_8"}, {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"}};
  for (const auto& [known, name] : removed)
    if (known == number) return name;
  return {};
}

}  // namespace detail

/// An open file. All of its metadata and all places of tensors have been checked. Throws std::invalid_argument, naming
/// the file, the key or tensor, and what is wrong with it. Views of tensors and strings live as long as the mapping.
class gguf {
 public:
  explicit gguf(std::string path) : path_(std::move(path)), file_(path_) { read_header(); }

  const std::string& path() const { return path_; }
  std::uint32_t version() const { return version_; }
  std::size_t alignment() const { return alignment_; }
  const std::map<std::string, tensor_view, std::less<>>& tensors() const { return tensors_; }
  const std::map<std::string, gguf_value, std::less<>>& metadata() const { return metadata_; }

  /// The tensor of that name, or nothing. Its shape is row-major: that of a linear is (out, in). It may be of a type
  /// that is not widened, such as IQ4_XS.
  std::optional<tensor_view> tensor(std::string_view name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? std::nullopt : std::optional(found->second);
  }

  /// The value of that key, or null. The functions below read it as a given type, and throw if it is of another type,
  /// out of range, or absent where there is no `absent` to stand for it.
  const gguf_value* find(std::string_view key) const {
    const auto found = metadata_.find(key);
    return found == metadata_.end() ? nullptr : &found->second;
  }

  /// Throws: the key is its value, and must be `wanted`.
  [[noreturn]] void refuse(std::string_view key, const std::string& wanted) const {
    const gguf_value* value = find(key);
    fail(path_ + ": " + printable(key) + " is " + (value == nullptr ? "missing" : shown(*value)) + ", and must be " +
         wanted);
  }

  std::string string(std::string_view key, std::optional<std::string> absent = std::nullopt) const {
    const gguf_value* value = find(key);
    if (value == nullptr && absent) return *absent;
    if (value == nullptr || value->is_list || value->type != gguf_type::string) refuse(key, "a string");
    return std::string(value->strings()[0]);
  }

  /// A value of any whole type.
  std::size_t whole(std::string_view key, std::size_t least, std::size_t most,
                    std::optional<std::size_t> absent = std::nullopt) const {
    const gguf_value* value = find(key);
    if (value == nullptr && absent) return *absent;
    const auto number = value == nullptr || value->is_list ? std::nullopt : value->whole();
    if (!number || *number < 0 || static_cast<std::uint64_t>(*number) < least ||
        static_cast<std::uint64_t>(*number) > most)
      refuse(key, "a whole number from " + text(least) + " to " + text(most));
    return static_cast<std::size_t>(*number);
  }

  /// A finite value of any type of numbers.
  double real(std::string_view key, std::optional<double> absent = std::nullopt) const {
    const gguf_value* value = find(key);
    if (value == nullptr && absent) return *absent;
    const auto number = value == nullptr || value->is_list ? std::nullopt : value->real();
    if (!number || !std::isfinite(*number)) refuse(key, "a finite number");
    return *number;
  }

  bool boolean(std::string_view key, std::optional<bool> absent = std::nullopt) const {
    const gguf_value* value = find(key);
    if (value == nullptr && absent) return *absent;
    const auto truth = value == nullptr || value->is_list ? std::nullopt : value->boolean();
    if (!truth) refuse(key, "true or false");
    return *truth;
  }

  /// A list of strings. The characters stay in the file.
  std::vector<std::string_view> strings(std::string_view key) const {
    const gguf_value* value = find(key);
    if (value == nullptr || !value->is_list || (value->type != gguf_type::string && value->count != 0))
      refuse(key, "a list of strings");
    return value->strings();
  }

  /// A list of any whole type whose numbers fit into 32 bits.
  std::vector<std::int32_t> integers(std::string_view key) const {
    const std::string wanted = "a list of whole numbers that fit into 32 bits";
    return list<std::int32_t>(key, wanted, [&](const gguf_value& value, std::size_t i) {
      const auto number = value.whole(i);
      if (!number || *number < INT32_MIN || *number > INT32_MAX) refuse(key, wanted);
      return static_cast<std::int32_t>(*number);
    });
  }

  /// A list of any type of numbers.
  std::vector<float> reals(std::string_view key) const {
    const std::string wanted = "a list of numbers";
    return list<float>(key, wanted, [&](const gguf_value& value, std::size_t i) {
      const auto number = value.real(i);
      if (!number) refuse(key, wanted);
      return static_cast<float>(*number);
    });
  }

  std::vector<bool> booleans(std::string_view key) const {
    const std::string wanted = "a list of true and false";
    return list<bool>(key, wanted, [&](const gguf_value& value, std::size_t i) {
      const auto truth = value.boolean(i);
      if (!truth) refuse(key, wanted);
      return *truth;
    });
  }

  /// Gives away the mapping that the views point into. This object then has no more views to give.
  memory_map release() && { return std::move(file_); }

 private:
  void read_header();
  gguf_value read_value(detail::gguf_cursor& cursor, const std::string& key) const;
  void place_tensors(std::span<const std::byte> data, std::map<std::string, std::uint64_t>& offsets);

  template <class T, class F>
  std::vector<T> list(std::string_view key, const std::string& wanted, F at) const {
    const gguf_value* value = find(key);
    if (value == nullptr || !value->is_list) refuse(key, wanted);
    std::vector<T> result(value->count);
    for (std::size_t i = 0; i < result.size(); ++i) result[i] = at(*value, i);
    return result;
  }

  std::string path_;
  memory_map file_;
  std::uint32_t version_ = 0;
  std::size_t alignment_ = 32;
  std::map<std::string, gguf_value, std::less<>> metadata_;
  std::map<std::string, tensor_view, std::less<>> tensors_;
};

inline gguf_value gguf::read_value(detail::gguf_cursor& cursor, const std::string& key) const {
  const auto where = [&] { return printable(key); };
  const auto take_type = [&] {
    const auto number = cursor.take<std::uint32_t>(where);
    if (number >= detail::gguf_types)
      fail(path_ + ": " + where() + " is of type " + text(number) + ", and GGUF has types 0 to 12");
    return static_cast<gguf_type>(number);
  };
  gguf_value value;
  value.type = take_type();
  std::uint64_t count = 1;
  if (value.type == gguf_type::array) {
    value.is_list = true;
    value.type = take_type();
    if (value.type == gguf_type::array) fail(path_ + ": " + where() + " is a list of lists, and must be one of values");
    count = cursor.take<std::uint64_t>(where);
  }
  const std::size_t least = detail::size_of(value.type);
  if (count > cursor.left() / least)
    fail(path_ + ": " + where() + " has " + text(count) + " values of at least " + text(least) +
         " bytes by its count, and the file has " + text(cursor.left()) + " bytes left");
  value.count = static_cast<std::size_t>(count);
  if (value.type == gguf_type::string) {
    detail::gguf_cursor strings = cursor;
    for (std::size_t i = 0; i < value.count; ++i)
      strings.take_string([&] { return printable(key) + (value.is_list ? ": string " + text(i) : ""); });
    value.bytes = cursor.take_bytes(strings.at() - cursor.at(), where);
  } else {
    value.bytes = cursor.take_bytes(count * least, where);
  }
  if (value.type == gguf_type::boolean)
    for (const std::byte truth : value.bytes)
      if (std::to_integer<unsigned>(truth) > 1)
        fail(path_ + ": " + where() + " holds the byte " + text(std::to_integer<unsigned>(truth)) +
             " for true or false, and must hold 0 or 1");
  return value;
}

inline void gguf::read_header() {
  const auto bytes = file_.bytes();
  expect_kind(path_, bytes, file_kinds::gguf);
  detail::gguf_cursor cursor(path_, bytes);
  const auto header = [] { return std::string("the header"); };
  if (cursor.take<std::uint32_t>(header) != 0x46554747u) fail(path_ + ": does not begin with GGUF");
  version_ = cursor.take<std::uint32_t>(header);
  if (version_ == 0x02000000u || version_ == 0x03000000u)
    fail(path_ + ": is big-endian GGUF, and must be little-endian");
  if (version_ != 2 && version_ != 3) fail(path_ + ": is version " + text(version_) + " of GGUF, and must be 2 or 3");
  const auto tensors = cursor.take<std::uint64_t>(header), keys = cursor.take<std::uint64_t>(header);

  for (std::uint64_t i = 0; i < keys; ++i) {
    const auto where = [&] { return "key " + text(i) + " of " + text(keys); };
    std::string key(cursor.take_string(where));
    if (key.empty()) fail(path_ + ": " + where() + " has an empty name");
    const gguf_value value = read_value(cursor, key);
    if (!metadata_.emplace(key, value).second) fail(path_ + ": has the key " + printable(key) + " twice");
  }
  alignment_ = whole("general.alignment", 1, std::size_t{1} << 31, 32);
  if (!std::has_single_bit(alignment_)) refuse("general.alignment", "a power of 2");

  std::map<std::string, std::uint64_t> offsets;
  for (std::uint64_t i = 0; i < tensors; ++i) {
    const auto number = [&] { return "tensor " + text(i) + " of " + text(tensors); };
    const std::string name(cursor.take_string(number));
    const auto where = [&] { return printable(name); };
    tensor_view view;
    const auto extents = cursor.take<std::uint32_t>(where);
    if (extents > 4) fail(path_ + ": " + where() + " has " + text(extents) + " extents, and must have at most 4");
    for (std::uint32_t j = 0; j < extents; ++j) {
      const auto extent = cursor.take<std::uint64_t>(where);
      if (extent > PTRDIFF_MAX)
        fail(path_ + ": " + where() + " has an extent of " + text(extent) + ", and must have at most " +
             text(PTRDIFF_MAX));
      view.shape.insert(view.shape.begin(), static_cast<std::size_t>(extent));
    }
    const auto type = cursor.take<std::uint32_t>(where);
    const auto known = ggml_type(type);
    if (!known) {
      const std::string_view removed = detail::removed_ggml_type(type);
      fail(path_ + ": " + where() + " is of ggml's type " + text(type) +
           (removed.empty() ? std::string(", which is not known here")
                            : ", " + std::string(removed) + ", which ggml has removed"));
    }
    view.type = *known;
    if (!offsets.emplace(name, cursor.take<std::uint64_t>(where)).second)
      fail(path_ + ": has the tensor " + where() + " twice");
    tensors_.emplace(name, std::move(view));
  }

  const std::size_t begin = saturating_sum(cursor.at(), alignment_ - 1) / alignment_ * alignment_;
  place_tensors(begin < bytes.size() ? bytes.subspan(begin) : std::span<const std::byte>(), offsets);
}

inline void gguf::place_tensors(std::span<const std::byte> data, std::map<std::string, std::uint64_t>& offsets) {
  std::vector<std::tuple<std::size_t, std::size_t, std::string_view>> order;  // begin, end, name
  for (auto& [name, view] : tensors_) {
    const std::string where = path_ + ": " + printable(name);
    const storage_facts& facts = facts_of(view.type);
    if (view.columns() % facts.elements != 0)
      fail(where + " has rows of " + text(view.columns()) + " elements, and " + std::string(facts.name) +
           " needs a multiple of " + text(facts.elements));
    const std::size_t size = saturating_product(elements(view.shape) / facts.elements, facts.bytes);
    const std::uint64_t offset = offsets.find(name)->second;
    if (offset % alignment_ != 0)
      fail(where + " begins at byte " + text(offset) + " of the data, and must begin at a multiple of " +
           text(alignment_));
    if (offset > data.size() || size > data.size() - offset)
      fail(where + " of shape " + text_of(view.shape) + " and type " + std::string(facts.name) + " takes " +
           (size == std::numeric_limits<std::size_t>::max() ? "too many" : text(size)) + " bytes from byte " +
           text(offset) + " of the data on, which is " + text(data.size()) + " bytes (cut off?)");
    view.bytes = data.subspan(static_cast<std::size_t>(offset), size);
    if (size != 0) order.emplace_back(static_cast<std::size_t>(offset), static_cast<std::size_t>(offset) + size, name);
  }
  std::sort(order.begin(), order.end());
  for (std::size_t i = 1; i < order.size(); ++i)
    if (std::get<0>(order[i]) < std::get<1>(order[i - 1]))
      fail(path_ + ": " + printable(std::get<2>(order[i])) + " begins at byte " + text(std::get<0>(order[i])) +
           " of the data, where " + printable(std::get<2>(order[i - 1])) + " has not ended");
}

}  // namespace zoft::inline ZOFT_ISA::io
