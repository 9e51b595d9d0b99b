/// What a file really is, by its first bytes. A download that went wrong, or the wrong file of a model, is named as
/// what it is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "../../core/config.hpp"
#include "memory_map.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// The kinds that zoft reads.
namespace file_kinds {
inline constexpr std::string_view gguf = "a GGUF file", safetensors = "a safetensors file", json = "JSON",
                                  llama2c = "a llama2.c checkpoint";
}

namespace detail {

inline bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

inline std::string_view without_spaces(std::string_view text) {
  const auto first = std::ranges::find_if_not(text, is_space);
  return text.substr(static_cast<std::size_t>(first - text.begin()));
}

/// Whether the text begins so, in letters of either case.
inline bool begins_like(std::string_view text, std::string_view lower_case) {
  return text.size() >= lower_case.size() &&
         std::equal(lower_case.begin(), lower_case.end(), text.begin(),
                    [](char wanted, char c) { return wanted == (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
}

/// A header's length in 8 bytes, below 4 GiB, and then the '{' of its JSON.
inline bool looks_like_safetensors(std::string_view head) {
  return head.size() > 8 && head.substr(4, 4) == std::string_view("\0\0\0\0", 4) && head[8] == '{';
}

/// A zip names its first file at byte 30. PyTorch's archives hold NAME/data.pkl, and often begin with it.
inline std::string_view zip_kind(std::string_view head) {
  const std::string_view names = head.substr(0, 4096);
  return names.find("data.pkl") != std::string_view::npos || names.find(".data/serialization_id") != names.npos
             ? "a pickle of PyTorch's (a zip with data.pkl)"
             : "a zip archive";
}

}  // namespace detail

/// The kind of the file with these bytes, as it stands in a message after "is", or "" if it is none of those known
/// here. Looks at the first 4096 bytes at most.
inline std::string_view file_kind(std::span<const std::byte> bytes) {
  using namespace std::string_view_literals;
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 4096));
  if (detail::looks_like_safetensors(head)) return file_kinds::safetensors;

  constexpr std::pair<std::string_view, std::string_view> beginnings[] = {
      {"GGUF"sv, file_kinds::gguf},
      {"24ka"sv, file_kinds::llama2c},
      {"version https://git-lfs.github.com/spec/"sv,
       "a git-LFS pointer, not the file that it stands for (git lfs pull)"},
      {"lmgg"sv, "a file of ggml's format before GGUF (ggml)"},
      {"fmgg"sv, "a file of ggml's format before GGUF (ggmf)"},
      {"tjgg"sv, "a file of ggml's format before GGUF (ggjt)"},
      {"algg"sv, "an adapter in ggml's format before GGUF (ggla)"},
      {"\x1f\x8b\x08"sv, "a gzip archive"},
      {"BZh"sv, "a bzip2 archive"},
      {"\xfd\x37zXZ\0"sv, "an xz archive"},
      {"\x28\xb5\x2f\xfd"sv, "a zstd archive"},
      {"7z\xbc\xaf\x27\x1c"sv, "a 7z archive"},
      {"\x93NUMPY"sv, "an array of NumPy's"},
      {"\x89HDF\r\n\x1a\n"sv, "an HDF5 file"},
      {"\xff\xfe"sv, "UTF-16 text"},
      {"\xfe\xff"sv, "UTF-16 text"},
  };
  for (const auto& [beginning, kind] : beginnings)
    if (head.starts_with(beginning)) return kind;
  if (head.starts_with("PK\3\4"sv) || head.starts_with("PK\5\6"sv)) return detail::zip_kind(head);
  // 0x80, the protocol, and an opcode, which is never 0.
  if (head.size() > 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5 && head[2] != 0) return "a Python pickle";
  if (head.size() > 262 && head.substr(257, 5) == "ustar") return "a tar archive";

  std::string_view text = detail::without_spaces(head);
  if (text.starts_with("\xef\xbb\xbf")) text = detail::without_spaces(text.substr(3));
  if (detail::begins_like(text, "<!doctype html") || detail::begins_like(text, "<html")) return "an HTML page";
  if (detail::begins_like(text, "<?xml")) return "an XML document";
  if (text.starts_with('{')) {
    const std::string_view next = detail::without_spaces(text.substr(1));
    if (next.starts_with('"') || next.starts_with('}')) return file_kinds::json;
  }
  return {};
}

/// Throws if the bytes are of a known kind other than `wanted`.
inline void expect_kind(const std::string& path, std::span<const std::byte> bytes, std::string_view wanted) {
  const std::string_view kind = file_kind(bytes);
  if (!kind.empty() && kind != wanted)
    fail(path + ": is " + std::string(kind) + ", and must be " + std::string(wanted));
}

}  // namespace zoft::inline ZOFT_ISA::io
