/// Keys and values of a sequence, packed for the unit that multiplies them.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../kernel/matmul.hpp"

namespace zoft::inline ZOFT_ISA::nn {

namespace kernel {

/// Keys are packed, and their scores computed, in blocks of this many.
inline constexpr std::size_t key_block = 64;

/// How a unit reads one block of one head: K (key_block, d) as panels of `width` keys, and V (key_block, d) as panels
/// of `width` columns. A panel is (steps, width) elements.
template <class Unit>
struct key_block_layout {
  static constexpr std::size_t width = 2 * packed_matrix::lanes, panels = key_block / width,
                               value_steps = key_block / Unit::inputs;
  static_assert(key_block % width == 0);

  std::size_t key_steps, value_panels;

  explicit key_block_layout(std::size_t head_dim)
      : key_steps(Unit::inputs == 1 ? head_dim : (head_dim + 31) / 32 * 32 / Unit::inputs),
        value_panels((head_dim + width - 1) / width) {}

  std::size_t keys() const { return panels * key_steps * width; }
  std::size_t values() const { return value_panels * value_steps * width; }
};

}  // namespace kernel

/// Keys and values of the tokens of one sequence, (tokens, kv_heads·head_dim) each, for `attention`. They are kept in
/// blocks of 64 tokens, which do not move when there are more. As f32, they are kept as they are; as another type, they
/// are rounded to bfloat16 where the unit of products multiplies that.
class key_values {
 public:
  key_values() = default;
  key_values(std::size_t kv_heads, std::size_t head_dim, dtype type) { reshape(kv_heads, head_dim, type); }

  /// Forgets all tokens, and reuses the memory.
  void reshape(std::size_t kv_heads, std::size_t head_dim, dtype type) {
    size_ = 0;
    if (kv_heads == kv_heads_ && head_dim == head_dim_ && type == type_) return;
    kv_heads_ = kv_heads;
    head_dim_ = head_dim;
    type_ = type;
    blocks_.clear();
  }

  std::size_t size() const { return size_; }  ///< tokens
  std::size_t kv_heads() const { return kv_heads_; }
  std::size_t head_dim() const { return head_dim_; }
  dtype type() const { return type_; }

  /// Makes room for tokens [size(), size). write() sets them.
  void resize(std::size_t size) {
    const std::size_t first = (size_ + kernel::key_block - 1) / kernel::key_block;
    const std::size_t blocks = (size + kernel::key_block - 1) / kernel::key_block;
    if (blocks_.size() < blocks) blocks_.resize(blocks);
    kernel::with_unit<simd::arch>(type_, [&]<class Unit>(Unit) {
      for (std::size_t b = first; b < blocks; ++b) {
        // Keys after the last one are hidden, and zero times what they once were may be NaN.
        blocks_[b].bytes.assign(kv_heads_ * head_bytes<Unit>(), std::byte{});
        blocks_[b].has_infinite = 0;
      }
    });
    size_ = size;
  }

  /// Sets tokens [first, first + rows). Several threads may set different ones at a time.
  void write(std::size_t first, rows_of<const float> k, rows_of<const float> v, std::size_t rows) {
    kernel::with_unit<simd::arch>(type_, [&]<class Unit>(Unit) {
      for (std::size_t row = 0; row < rows; ++row)
        for (std::size_t h = 0; h < kv_heads_; ++h)
          write_one<Unit>(first + row, h, k.at(row, h * head_dim_), v.at(row, h * head_dim_));
    });
  }

  /// Token `first` and those after it, as they are kept: k, v (rows, kv_heads·d).
  void read(std::size_t first, std::size_t rows, rows_of<float> k, rows_of<float> v) const {
    kernel::with_unit<simd::arch>(type_, [&]<class Unit>(Unit) {
      const kernel::key_block_layout<Unit> is(head_dim_);
      for (std::size_t row = 0; row < rows; ++row)
        for (std::size_t at = 0; at < kv_heads_ * head_dim_; ++at) {
          const std::size_t token = first + row, b = token / kernel::key_block, place = token % kernel::key_block;
          const std::size_t head = at / head_dim_, i = at % head_dim_;
          k.at(row).data[at] = number(
              keys<Unit>(b, head)[(place / is.width * is.key_steps + i / Unit::inputs) * is.width + place % is.width],
              i % 2);
          v.at(row).data[at] = number(
              values<Unit>(b, head)[(i / is.width * is.value_steps + place / Unit::inputs) * is.width + i % is.width],
              place % 2);
        }
    });
  }

  /// What a unit reads of block b: the panels of a head's keys and values.
  template <class Unit>
  const typename Unit::element* keys(std::size_t b, std::size_t head) const {
    return reinterpret_cast<const typename Unit::element*>(blocks_[b].bytes.data() + head * head_bytes<Unit>());
  }
  template <class Unit>
  const typename Unit::element* values(std::size_t b, std::size_t head) const {
    return keys<Unit>(b, head) + kernel::key_block_layout<Unit>(head_dim_).keys();
  }
  /// Whether a value of the block is infinite or NaN. A row that does not see it must not multiply it by zero.
  bool has_infinite(std::size_t b) const { return blocks_[b].has_infinite != 0; }

 private:
  struct block {
    std::vector<std::byte, line_allocator<std::byte>> bytes;
    std::uint32_t has_infinite = 0;
  };

  template <class Unit>
  std::size_t head_bytes() const {
    const kernel::key_block_layout<Unit> is(head_dim_);
    return (is.keys() + is.values()) * sizeof(typename Unit::element);
  }

  template <class Unit>
  void write_one(std::size_t token, std::size_t head, rows_of<const float> k, rows_of<const float> v) {
    using element = typename Unit::element;
    const kernel::key_block_layout<Unit> is(head_dim_);
    const std::size_t place = token % kernel::key_block;
    block& to = blocks_[token / kernel::key_block];
    auto* const keys = const_cast<element*>(this->keys<Unit>(token / kernel::key_block, head));
    auto* const values = keys + is.keys();

    static thread_local std::vector<element> row;
    row.resize(is.key_steps);
    Unit::gather(k, 1, head_dim_, {row.data(), is.key_steps});
    element* const column = keys + place / is.width * is.key_steps * is.width + place % is.width;
    for (std::size_t i = 0; i < is.key_steps; ++i) column[i * is.width] = row[i];

    Unit::gather(v, 1, head_dim_, {row.data(), is.key_steps});
    for (std::size_t p = 0; p < is.value_panels; ++p) {
      element* const at = values + (p * is.value_steps + place / Unit::inputs) * is.width;
      const std::size_t first = p * is.width, n = std::min(is.width, head_dim_ - first);
      if constexpr (Unit::inputs == 1)
        std::copy_n(row.data() + first, n, at);
      else
        for (std::size_t i = 0; i < n; ++i) set_half(at[i], place % 2, row[(first + i) / 2] >> (first + i) % 2 * 16);
    }
    // Beyond this, a number may become infinite as it is rounded.
    constexpr float greatest = 3e38f;
    const auto is_small = [](float x) { return std::abs(x) <= greatest; };
    if (!std::all_of(v.data, v.data + head_dim_, is_small))
      std::atomic_ref(to.has_infinite).store(1, std::memory_order_relaxed);
  }

  static float number(float element, std::size_t) { return element; }
  static float number(std::uint32_t pair, std::size_t upper) {
    return std::bit_cast<float>(upper == 0 ? pair << 16 : pair & 0xffff0000u);
  }

  /// Sets the lower or the upper 16 bits alone: another thread may set the others.
  static void set_half(std::uint32_t& word, std::size_t upper, std::uint32_t bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    std::memcpy(reinterpret_cast<std::byte*>(&word) + 2 * upper, &half, sizeof half);
  }

  std::size_t kv_heads_ = 0, head_dim_ = 0, size_ = 0;
  dtype type_ = dtype::f32;
  std::vector<block> blocks_;
};

}  // namespace zoft::inline ZOFT_ISA::nn
