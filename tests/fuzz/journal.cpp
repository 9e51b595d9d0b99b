// Journals: as the bytes are, and with the checksums that they should have. Without these, nearly everything would be
// refused at its first byte.
#include <algorithm>
#include <cstring>
#include <string>
#include <zoft/journal/contents.hpp>

#include "entry.hpp"

namespace {

namespace journals = zoft::journals;

std::string with_checksums(std::string_view bytes) {
  const std::size_t end = bytes.find("\nend "), line = end == bytes.npos ? end : bytes.find('\n', end + 1);
  if (line == bytes.npos) return std::string(bytes);
  std::uint32_t before = journals::checksum(bytes.substr(0, end + 1), 0);
  std::string result = std::string(bytes.substr(0, end + 1)) + "end " + journals::hexadecimal(before) + "\n";
  std::string_view rest = bytes.substr(line + 1);
  std::size_t values = 0;
  if (fuzz::accepts([&] { values = journals::read(result, "journal").header.number("values"); }))
    for (std::size_t size = 16 + 8 * std::min<std::size_t>(values, 1 << 20); size <= rest.size();) {
      std::string record(rest.substr(0, size));
      before = journals::checksum(std::string_view(record).substr(4), before);
      std::memcpy(record.data(), &before, sizeof before);
      result += record;
      rest.remove_prefix(size);
    }
  return result += rest;
}

/// What was read says the same bytes again.
void read_and_write(const std::string& bytes) {
  const journals::contents c = journals::read(bytes, "journal");
  fuzz::check(c.size() <= bytes.size() && c.entries.size() == c.ends.size(), "more was read than there is");
  if (c.header_size == 0) return;
  std::string again = journals::encoded(c.header);
  std::uint32_t before = c.header_checksum;
  for (const journals::entry& e : c.entries) {
    again += journals::encoded(e, before);
    before = e.checksum;
  }
  fuzz::check(again == bytes.substr(0, c.size()), "what was read is written as other bytes");
}

}  // namespace

ZOFT_FUZZ(journal) {
  fuzz::accepts([&] { read_and_write(std::string(bytes)); });
  read_and_write(with_checksums(bytes));
}
