/// How a journal writes its records.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "../core/report.hpp"

namespace zoft::inline ZOFT_ISA::journals {

/// CRC-32C of the bytes, beginning with that of what stands before them.
inline std::uint32_t checksum(std::string_view bytes, std::uint32_t before) {
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < t.size(); ++i) {
      t[i] = i;
      for (int bit = 0; bit < 8; ++bit) t[i] = t[i] >> 1 ^ (0x82f63b78u & -(t[i] & 1u));
    }
    return t;
  }();
  std::uint32_t crc = ~before;
  for (const char c : bytes) crc = crc >> 8 ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xffu];
  return ~crc;
}

enum class kind : std::uint32_t {
  applied = 1,   ///< a step
  rejected = 2,  ///< a step that was not applied, because a loss was not finite
  check = 3,     ///< no step: the fingerprint of the parameters before step `step`
};

/// A record of n values has 16 + 8n bytes, little-endian. Each has the checksum of the one before it in its own, so
/// none can be left out, doubled, or come from another journal.
///
///     0    uint32    CRC-32C of the CRC before, and of all that follows in the record
///     4    uint32    kind · 2²⁴ + step mod 2²⁴
///     8    double    learning rate; of a check, the fingerprint of the parameters
///     16   double    value 0 … n − 1
struct entry {
  journals::kind kind = kind::applied;
  std::uint64_t fingerprint = 0;
  step_record step = {};
  std::uint32_t checksum = 0;  ///< of the record, once it is read
};

constexpr std::size_t bytes_of(std::size_t values) { return 16 + 8 * values; }

/// The record's bytes, behind a record whose checksum is `before`.
inline std::string encoded(const entry& e, std::uint32_t before) {
  std::string result(bytes_of(e.step.values.size()), '\0');
  const std::uint32_t tag = static_cast<std::uint32_t>(e.kind) << 24 | (e.step.step & 0xffffffu);
  std::memcpy(result.data() + 4, &tag, sizeof tag);
  if (e.kind == kind::check)
    std::memcpy(result.data() + 8, &e.fingerprint, sizeof e.fingerprint);
  else
    std::memcpy(result.data() + 8, &e.step.learning_rate, sizeof(double));
  if (!e.step.values.empty()) std::memcpy(result.data() + 16, e.step.values.data(), 8 * e.step.values.size());
  const std::uint32_t crc = checksum(std::string_view(result).substr(4), before);
  std::memcpy(result.data(), &crc, sizeof crc);
  return result;
}

inline std::uint32_t checksum_in(std::string_view record) {
  std::uint32_t crc;
  std::memcpy(&crc, record.data(), sizeof crc);
  return crc;
}

/// The record of step `step` that the bytes hold; nothing if its checksum is wrong, or if it is of another step.
inline std::optional<entry> decoded(std::string_view record, std::uint32_t before, std::uint32_t step) {
  if (checksum_in(record) != checksum(record.substr(4), before)) return std::nullopt;
  std::uint32_t tag;
  std::memcpy(&tag, record.data() + 4, sizeof tag);
  entry e{.kind = static_cast<journals::kind>(tag >> 24), .checksum = checksum_in(record)};
  if (tag >> 24 < 1 || tag >> 24 > 3 || (tag & 0xffffffu) != (step & 0xffffffu)) return std::nullopt;
  e.step.step = step;
  e.step.status = e.kind == kind::rejected ? status::not_finite : status::ok;
  std::memcpy(e.kind == kind::check ? static_cast<void*>(&e.fingerprint) : &e.step.learning_rate, record.data() + 8, 8);
  e.step.values.resize((record.size() - 16) / 8);
  if (!e.step.values.empty()) std::memcpy(e.step.values.data(), record.data() + 16, record.size() - 16);
  return e;
}

}  // namespace zoft::inline ZOFT_ISA::journals
