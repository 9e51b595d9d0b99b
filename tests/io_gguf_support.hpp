// GGUF files made for tests, true or not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "io_support.hpp"

namespace io_test {

inline std::string gguf_string(std::string_view text) {
  return bytes_of(static_cast<std::uint64_t>(text.size())) + std::string(text);
}

/// The number of a type of metadata.
template <class T>
constexpr std::uint32_t gguf_number = std::is_same_v<T, std::uint8_t>    ? 0
                                      : std::is_same_v<T, std::int8_t>   ? 1
                                      : std::is_same_v<T, std::uint16_t> ? 2
                                      : std::is_same_v<T, std::int16_t>  ? 3
                                      : std::is_same_v<T, std::uint32_t> ? 4
                                      : std::is_same_v<T, std::int32_t>  ? 5
                                      : std::is_same_v<T, float>         ? 6
                                      : std::is_same_v<T, bool>          ? 7
                                      : std::is_same_v<T, std::string>   ? 8
                                      : std::is_same_v<T, std::uint64_t> ? 10
                                      : std::is_same_v<T, std::int64_t>  ? 11
                                                                         : 12;

template <class T>
std::string gguf_bytes(const T& value) {
  if constexpr (std::is_same_v<T, std::string>)
    return gguf_string(value);
  else
    return bytes_of(value);
}

template <class T>
std::string gguf_key(std::string_view name, const T& value) {
  return gguf_string(name) + bytes_of(gguf_number<T>) + gguf_bytes(value);
}

template <class T>
std::string gguf_list(std::string_view name, const std::vector<T>& values) {
  std::string result = gguf_string(name) + bytes_of(std::uint32_t{9}) + bytes_of(gguf_number<T>) +
                       bytes_of(static_cast<std::uint64_t>(values.size()));
  for (const auto& value : values) result += gguf_bytes<T>(value);
  return result;
}

struct gguf_made {
  std::string name;
  std::vector<std::uint64_t> extents;  // the row's first
  std::uint32_t type;
  std::string bytes;
};

inline std::string gguf_entry(const gguf_made& tensor, std::uint64_t offset) {
  std::string result = gguf_string(tensor.name) + bytes_of(static_cast<std::uint32_t>(tensor.extents.size()));
  for (const std::uint64_t extent : tensor.extents) result += bytes_of(extent);
  return result + bytes_of(tensor.type) + bytes_of(offset);
}

inline void gguf_pad(std::string& bytes, std::size_t alignment) {
  bytes.append((alignment - bytes.size() % alignment) % alignment, '\0');
}

/// The keys are what gguf_key and gguf_list return.
inline std::string gguf_file(const std::vector<std::string>& keys, const std::vector<gguf_made>& tensors,
                             std::size_t alignment = 32, std::uint32_t version = 3) {
  std::string result = "GGUF" + bytes_of(version) + bytes_of(static_cast<std::uint64_t>(tensors.size())) +
                       bytes_of(static_cast<std::uint64_t>(keys.size()));
  for (const std::string& key : keys) result += key;
  std::string data;
  for (const gguf_made& tensor : tensors) {
    gguf_pad(data, alignment);
    result += gguf_entry(tensor, data.size());
    data += tensor.bytes;
  }
  gguf_pad(result, alignment);
  return result + data;
}

/// A small file with a key of each kind, and tensors of several types, one of which no reader knows.
inline std::string gguf_of_many_types() {
  return gguf_file(
      {gguf_key("general.architecture", std::string("llama")), gguf_key("general.alignment", std::uint32_t{8}),
       gguf_key("x.count", std::int64_t{-3}), gguf_key("x.real", 1.5), gguf_key("x.yes", true),
       gguf_list<std::string>("words", {"a", "", "bc"}), gguf_list<std::int32_t>("types", {1, 6}),
       gguf_list<float>("scores", {0.5f}), gguf_list<bool>("flags", {true, false})},
      {{"f", {3, 2}, 0, std::string(24, '\1')},
       {"q", {32, 2}, 8, std::string(68, '\2')},
       {"k", {256}, 14, std::string(210, '\3')},
       {"none", {0}, 1, ""},
       {"other", {32}, 20, std::string(18, '\4')}},
      8);
}

}  // namespace io_test
