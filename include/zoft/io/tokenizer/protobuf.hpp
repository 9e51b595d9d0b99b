/// Reads the wire format of Protocol Buffers: https://protobuf.dev/programming-guides/encoding/
///
///     message   fields, each: varint number × 8 + kind · value
///     value     varint (kind 0) · 8 bytes (1) · varint n and n bytes (2) · 4 bytes (5)
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "../../core/config.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// One field of a message.
struct protobuf_field {
  std::uint32_t number = 0;
  unsigned kind = 0;
  std::uint64_t whole = 0;  ///< of a varint
  std::string_view bytes;   ///< of the others

  bool truth() const { return whole != 0; }
  float real() const {
    float value = 0;
    if (bytes.size() == sizeof value) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
};

/// Goes through the fields of a message. `where` begins the message of an error.
class protobuf {
 public:
  protobuf(std::string_view message, std::string where) : whole_(message), where_(std::move(where)) {}

  /// Returns false at the end.
  bool next(protobuf_field& field) {
    if (at_ == whole_.size()) return false;
    const std::uint64_t tag = varint();
    if (tag >> 3 == 0 || tag >> 3 > UINT32_MAX) refuse("a field of number " + text(tag >> 3));
    field = {static_cast<std::uint32_t>(tag >> 3), static_cast<unsigned>(tag & 7u), 0, {}};
    switch (field.kind) {
      case 0:
        field.whole = varint();
        break;
      case 1:
        field.bytes = take(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        field.bytes = take(4);
        break;
      default:
        refuse("a field of kind " + text(field.kind));
    }
    return true;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    fail(where_ + ": is cut off, or no protocol buffer: " + what + " at byte " + text(at_));
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == whole_.size()) refuse("its end");
      const auto byte = static_cast<unsigned char>(whole_[at_++]);
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    refuse("a number of more than 64 bits");
  }
  std::string_view take(std::uint64_t size) {
    if (size > whole_.size() - at_) refuse("a value of " + text(size) + " bytes");
    at_ += static_cast<std::size_t>(size);
    return whole_.substr(at_ - static_cast<std::size_t>(size), static_cast<std::size_t>(size));
  }

  std::string_view whole_;
  std::string where_;
  std::size_t at_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
