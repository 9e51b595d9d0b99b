/// The metadata of GGUF files: typed values and lists of them, as they lie in the file.
///
///     value      number · uint8 of 0 or 1 · string · array
///     string     uint64 n · n bytes
///     array      uint32 type · uint64 n · n values of that type, which is not an array
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "../../core/config.hpp"
#include "memory_map.hpp"
#include "printable.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// Types of metadata, by their numbers in the file.
enum class gguf_type : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

namespace detail {

inline constexpr std::size_t gguf_types = 13;

constexpr std::string_view name_of(gguf_type type) {
  constexpr std::array<std::string_view, gguf_types> names{"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                           "bool", "string", "array", "u64", "i64", "f64"};
  return names[static_cast<std::size_t>(type)];
}

/// Bytes of a value, or the least that it takes.
constexpr std::size_t size_of(gguf_type type) {
  constexpr std::array<std::size_t, gguf_types> sizes{1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};
  return sizes[static_cast<std::size_t>(type)];
}

/// Calls visit(T{}) with the C++ type of a number. Returns false for other types.
template <class F>
constexpr bool with_number(gguf_type type, F&& visit) {
  switch (type) {
    case gguf_type::u8:
      return visit(std::uint8_t{}), true;
    case gguf_type::i8:
      return visit(std::int8_t{}), true;
    case gguf_type::u16:
      return visit(std::uint16_t{}), true;
    case gguf_type::i16:
      return visit(std::int16_t{}), true;
    case gguf_type::u32:
      return visit(std::uint32_t{}), true;
    case gguf_type::i32:
      return visit(std::int32_t{}), true;
    case gguf_type::u64:
      return visit(std::uint64_t{}), true;
    case gguf_type::i64:
      return visit(std::int64_t{}), true;
    case gguf_type::f32:
      return visit(float{}), true;
    case gguf_type::f64:
      return visit(double{}), true;
    default:
      return false;
  }
}

}  // namespace detail

/// One value, or a list of values of one type. It points into the mapped file, which has been checked.
struct gguf_value {
  gguf_type type = gguf_type::u8;  ///< of the value, or of each in the list
  bool is_list = false;
  std::size_t count = 1;             ///< 1 for a single value
  std::span<const std::byte> bytes;  ///< the values without type and count; strings with their lengths

  /// Value i as a whole number, if there is a value i, it is of a whole type and it fits. The others do the same.
  std::optional<std::int64_t> whole(std::size_t i = 0) const {
    std::optional<std::int64_t> result;
    if (i >= count) return result;
    detail::with_number(type, [&]<class T>(T) {
      if constexpr (std::is_integral_v<T>) {
        const T value = load<T>(bytes, i * sizeof(T));
        if (std::is_signed_v<T> || static_cast<std::uint64_t>(value) <= INT64_MAX)
          result = static_cast<std::int64_t>(value);
      }
    });
    return result;
  }

  std::optional<double> real(std::size_t i = 0) const {
    std::optional<double> result;
    if (i >= count) return result;
    detail::with_number(type, [&]<class T>(T) { result = static_cast<double>(load<T>(bytes, i * sizeof(T))); });
    return result;
  }

  std::optional<bool> boolean(std::size_t i = 0) const {
    return type == gguf_type::boolean && i < count ? std::optional(bytes[i] != std::byte{0}) : std::nullopt;
  }

  /// All strings, without copying their characters. Nothing if the values are not strings.
  std::vector<std::string_view> strings() const {
    std::vector<std::string_view> result;
    if (type != gguf_type::string) return result;
    result.reserve(count);
    for (std::size_t at = 0; at < bytes.size();) {
      const auto length = static_cast<std::size_t>(load<std::uint64_t>(bytes, at));
      result.emplace_back(reinterpret_cast<const char*>(bytes.data()) + at + 8, length);
      at += 8 + length;
    }
    return result;
  }
};

/// The value as messages show it.
inline std::string shown(const gguf_value& value) {
  if (value.is_list) return "a list of " + text(value.count) + " " + std::string(detail::name_of(value.type));
  if (value.type == gguf_type::string) return "\"" + printable(value.strings()[0]) + "\"";
  if (const auto truth = value.boolean()) return *truth ? "true" : "false";
  std::string result;
  detail::with_number(value.type, [&]<class T>(T) {
    const T number = load<T>(value.bytes, 0);
    if constexpr (sizeof(T) == 1)
      result = text(static_cast<int>(number));
    else
      result = text(number);
  });
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::io
