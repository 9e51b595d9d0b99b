/// What a journal holds: a header in text, and a record for each step.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "record_bytes.hpp"

namespace zoft::inline ZOFT_ISA::journals {

inline std::string hexadecimal(std::uint64_t value) {
  char buffer[16];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, 16);
  return std::string(buffer, end.ptr);
}

/// What the run was, as lines `name: value`. A value of several lines is as many lines of the same name.
///
///     zoft journal 1
///     noise: 1
///     …
///     end CRC
struct header {
  std::vector<std::pair<std::string, std::string>> fields = {};

  void add(const std::string& name, std::string_view value) {
    for (;;) {
      const std::size_t end = value.find('\n');
      fields.emplace_back(name, value.substr(0, end));
      if (end == value.npos) return;
      value.remove_prefix(end + 1);
    }
  }
  /// All lines of the name.
  std::string value(std::string_view name) const {
    std::string result;
    bool more = false;
    for (const auto& [n, v] : fields)
      if (n == name) result += (std::exchange(more, true) ? "\n" : "") + v;
    return result;
  }
  std::size_t number(std::string_view name) const {
    const std::string digits = value(name);
    std::size_t result = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), result);
    return result;
  }
};

inline constexpr std::string_view first_line = "zoft journal 1\n";

inline std::string encoded(const header& h) {
  std::string result(first_line);
  for (const auto& [name, value] : h.fields) result += name + ": " + value + "\n";
  return result + "end " + hexadecimal(checksum(result, 0)) + "\n";
}

/// A journal's bytes, read. A torn end, as a run leaves it that was killed while it wrote, is left out.
struct contents {
  journals::header header = {};
  std::vector<entry> entries = {};
  std::vector<std::size_t> ends = {};  ///< of each entry, in bytes from the beginning
  std::size_t header_size = 0;         ///< 0: there is no header, and so nothing at all
  std::uint32_t header_checksum = 0;

  std::size_t steps() const {
    return static_cast<std::size_t>(
        std::count_if(entries.begin(), entries.end(), [](const entry& e) { return e.kind != kind::check; }));
  }
  std::size_t size() const { return ends.empty() ? header_size : ends.back(); }
  std::uint32_t checksum() const { return entries.empty() ? header_checksum : entries.back().checksum; }
};

namespace parts {

inline contents read_header(std::string_view bytes, const std::string& path) {
  contents result;
  const std::size_t n = std::min(bytes.size(), first_line.size());
  if (bytes.substr(0, n) != first_line.substr(0, n)) {
    const bool other = bytes.starts_with("zoft journal ");
    fail(path + (other ? ": is a journal of another format, and this program reads format 1"
                       : ": is no journal: it must begin with 'zoft journal'"));
  }
  const std::size_t end = bytes.find("\nend ");
  const std::size_t line = end == bytes.npos ? bytes.npos : bytes.find('\n', end + 1);
  if (line == bytes.npos) {
    // What was being written when its program was killed is text as far as it goes. Records are not.
    const bool text = std::all_of(bytes.begin(), bytes.end(), [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return byte == '\n' || (byte >= ' ' && byte != 0x7f);
    });
    require(text, path + ": its header is damaged");
    return result;
  }
  const std::string_view all = bytes.substr(0, end + 1);
  result.header_checksum = checksum(all, 0);
  require(bytes.substr(end + 5, line - end - 5) == hexadecimal(result.header_checksum),
          path + ": its header is damaged");
  for (std::size_t at = first_line.size(); at < all.size();) {
    const std::size_t stop = all.find('\n', at);
    const std::string_view field = all.substr(at, stop - at);
    const std::size_t colon = field.find(": ");
    require(colon != field.npos, path + ": its header is damaged");
    result.header.fields.emplace_back(field.substr(0, colon), field.substr(colon + 2));
    at = stop + 1;
  }
  require(text(result.header.number("values")) == result.header.value("values"), path + ": its header is damaged");
  result.header_size = line + 1;
  return result;
}

/// Whether a whole record behind `at` follows from the one before it: then what is at `at` was once written whole, too.
inline bool goes_on(std::string_view bytes, std::size_t at, std::size_t size) {
  for (std::size_t next = at + size; next + size <= bytes.size(); next += size) {
    const std::string_view record = bytes.substr(next, size);
    if (checksum_in(record) == checksum(record.substr(4), checksum_in(bytes.substr(next - size, size)))) return true;
  }
  return false;
}

}  // namespace parts

/// Reads a journal. Throws std::invalid_argument, naming the path, if it is none, and the step if a record is damaged
/// that others follow.
inline contents read(std::string_view bytes, const std::string& path) {
  contents result = parts::read_header(bytes, path);
  if (result.header_size == 0) return result;
  const std::size_t values = result.header.number("values");
  if (values > bytes.size() / 8) return result;  // of records that no file of this length can hold
  const std::size_t size = bytes_of(values);
  std::uint32_t before = result.header_checksum, step = 0;
  for (std::size_t at = result.header_size; at + size <= bytes.size(); at += size) {
    std::optional<entry> e = decoded(bytes.substr(at, size), before, step);
    if (!e) {
      if (parts::goes_on(bytes, at, size)) fail(path + ": its record of step " + text(step) + " is damaged");
      break;
    }
    before = e->checksum;
    if (e->kind != kind::check) ++step;
    result.entries.push_back(std::move(*e));
    result.ends.push_back(at + size);
  }
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::journals
