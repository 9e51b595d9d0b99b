/// The number types that safetensors and GGUF files hold. zoft reads weights of some of them, and names the others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "../../core/config.hpp"
#include "../../core/number.hpp"
#include "../ggml/blocks.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// The order is that of the table below.
// clang-format off
enum class storage : std::uint8_t {
  f32, f16, bf16, f64, boolean, u8, i8, u16, i16, u32, i32, u64, i64, c64,
  f4, f6_e2m3, f6_e3m2, f8_e5m2, f8_e4m3, f8_e8m0, f8_e4m3fnuz, f8_e5m2fnuz,
  q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k,
  q1_0, q2_0, q8_1, q2_k, q3_k, q8_k, iq1_s, iq1_m, iq2_xxs, iq2_xs, iq2_s, iq3_xxs, iq3_s, iq4_nl, iq4_xs,
  tq1_0, tq2_0, mxfp4, nvfp4,
};
// clang-format on

/// How a type stores its elements: in blocks of so many elements and bytes.
struct storage_facts {
  std::string_view name;
  std::size_t elements, bytes;
  int ggml;  ///< ggml's number of the type, or −1 if GGUF files cannot hold it
};

namespace detail {

/// The first 22 are those of safetensors.
inline constexpr std::array<storage_facts, 49> storage_table{{
    {"F32", 1, 4, 0},          {"F16", 1, 2, 1},          {"BF16", 1, 2, 30},       {"F64", 1, 8, 28},
    {"BOOL", 1, 1, -1},        {"U8", 1, 1, -1},          {"I8", 1, 1, 24},         {"U16", 1, 2, -1},
    {"I16", 1, 2, 25},         {"U32", 1, 4, -1},         {"I32", 1, 4, 26},        {"U64", 1, 8, -1},
    {"I64", 1, 8, 27},         {"C64", 1, 8, -1},         {"F4", 2, 1, -1},         {"F6_E2M3", 4, 3, -1},
    {"F6_E3M2", 4, 3, -1},     {"F8_E5M2", 1, 1, -1},     {"F8_E4M3", 1, 1, -1},    {"F8_E8M0", 1, 1, -1},
    {"F8_E4M3FNUZ", 1, 1, -1}, {"F8_E5M2FNUZ", 1, 1, -1}, {"Q8_0", 32, 34, 8},      {"Q4_0", 32, 18, 2},
    {"Q4_1", 32, 20, 3},       {"Q5_0", 32, 22, 6},       {"Q5_1", 32, 24, 7},      {"Q4_K", 256, 144, 12},
    {"Q5_K", 256, 176, 13},    {"Q6_K", 256, 210, 14},    {"Q1_0", 128, 18, 41},    {"Q2_0", 64, 18, 42},
    {"Q8_1", 32, 40, 9},       {"Q2_K", 256, 84, 10},     {"Q3_K", 256, 110, 11},   {"Q8_K", 256, 292, 15},
    {"IQ1_S", 256, 50, 19},    {"IQ1_M", 256, 56, 29},    {"IQ2_XXS", 256, 66, 16}, {"IQ2_XS", 256, 74, 17},
    {"IQ2_S", 256, 82, 22},    {"IQ3_XXS", 256, 98, 18},  {"IQ3_S", 256, 110, 21},  {"IQ4_NL", 32, 18, 20},
    {"IQ4_XS", 256, 136, 23},  {"TQ1_0", 256, 54, 34},    {"TQ2_0", 256, 66, 35},   {"MXFP4", 32, 17, 39},
    {"NVFP4", 64, 36, 40},
}};
inline constexpr std::size_t safetensors_types = 22;

}  // namespace detail

constexpr const storage_facts& facts_of(storage type) { return detail::storage_table[static_cast<std::size_t>(type)]; }

/// The type's name in safetensors files, or ggml's name in capitals.
constexpr std::string_view name_of(storage type) { return facts_of(type).name; }

/// The type that safetensors files call by that name, if there is one.
constexpr std::optional<storage> safetensors_type(std::string_view name) {
  for (std::size_t i = 0; i < detail::safetensors_types; ++i)
    if (detail::storage_table[i].name == name) return static_cast<storage>(i);
  return std::nullopt;
}

/// The type that has that number in GGUF files, if there is one.
constexpr std::optional<storage> ggml_type(std::uint32_t number) {
  for (std::size_t i = 0; i < detail::storage_table.size(); ++i)
    if (detail::storage_table[i].ggml >= 0 && static_cast<std::uint32_t>(detail::storage_table[i].ggml) == number)
      return static_cast<storage>(i);
  return std::nullopt;
}

/// Calls visit with the block type that widens elements of that type. Returns whether there is one.
template <class F>
constexpr bool with_block(storage type, F&& visit) {
  switch (type) {
    case storage::f32:
      return visit(block::plain<float>{}), true;
    case storage::f16:
      return visit(block::plain<half>{}), true;
    case storage::bf16:
      return visit(block::plain<bfloat16>{}), true;
    case storage::f64:
      return visit(block::plain<double>{}), true;
    case storage::q8_0:
      return visit(block::q8_0{}), true;
    case storage::q4_0:
      return visit(block::q4_0{}), true;
    case storage::q4_1:
      return visit(block::q4_1{}), true;
    case storage::q5_0:
      return visit(block::q5_0{}), true;
    case storage::q5_1:
      return visit(block::q5_1{}), true;
    case storage::q4_k:
      return visit(block::q4_k{}), true;
    case storage::q5_k:
      return visit(block::q5_k{}), true;
    case storage::q6_k:
      return visit(block::q6_k{}), true;
    default:
      return false;
  }
}

/// Whether widen() converts elements of that type to float.
constexpr bool is_widened(storage type) {
  return with_block(type, [](auto) {});
}

/// Throws if elements of that type cannot be converted to float. `where` begins the message and names the tensor.
inline void require_widened(storage type, const std::string& where) {
  if (is_widened(type)) return;
  std::string wanted;
  for (std::size_t i = 0; i < detail::storage_table.size(); ++i)
    if (is_widened(static_cast<storage>(i)))
      wanted += std::string(wanted.empty() ? "" : ", ") + std::string(detail::storage_table[i].name);
  wanted.replace(wanted.rfind(", "), 2, " or ");
  fail(where + " is " + std::string(name_of(type)) + ", and must be one of " + wanted);
}

}  // namespace zoft::inline ZOFT_ISA::io
