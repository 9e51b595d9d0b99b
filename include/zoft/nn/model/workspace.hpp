/// The memory that forwards work in, and how rows and groups lie in it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../../core/config.hpp"
#include "../layer/key_values.hpp"
#include "observation.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// Keys and values of the tokens so far, for each block, rotated. A prefix counts as such tokens, so a cache must begin
/// with it.
struct cache {
  std::vector<key_values> blocks;
  std::size_t length = 0;
};

/// How queries, keys and values lie in a row of workspace::projected.
struct projected_rows {
  std::size_t groups = 1;
  std::size_t queries = 0;  ///< numbers before the keys; none if there are only keys and values
  std::size_t stride = 0;   ///< numbers of a row
};

/// The memory that one thread's forwards work in. It grows as needed.
struct workspace {
  std::vector<float> stream;    ///< the residual stream x, (groups, rows, dim)
  std::size_t groups = 1;       ///< groups of the stream: 1 until the first addition, all of them afterwards
  std::vector<float> entering;  ///< a stream assembled from cached and new parts, (rows, dim)
  std::vector<float> normed, projected, queries, attended, gated, branch, scratch, logits;
  projected_rows heads;                ///< of `projected`
  std::vector<float> beside;           ///< what attention adds, in a parallel block
  key_values keys;                     ///< one sequence's, behind a prefix
  std::vector<key_values> all_keys;    ///< a long sequence's, in each group
  std::vector<float> next;             ///< the stream after a block, where it does not take the place of the one before
  std::vector<workspace> parts;        ///< of a long sequence, each in memory of its own
  std::vector<std::size_t> positions;  ///< each token's position in its sequence
  std::vector<std::size_t> tokens;     ///< which tokens of a long sequence the rows are
  const shown_block* shown = nullptr;  ///< what is shown of the block at hand
  std::vector<std::size_t> lengths;    ///< positions in its sequence, those of a prefix included
  std::size_t first_place = 0;         ///< of the first row's key, behind those of a prefix or of a cache
  std::vector<std::size_t> places;     ///< its key's place among the keys; its position, unless some are left out
  std::vector<std::size_t> kept;       ///< tokens that a block computes in full
  std::vector<std::size_t> others;     ///< tokens of which it computes keys and values only
  std::vector<std::int64_t> block_scores;  ///< what attention() sums, where that is asked for
  std::vector<std::size_t> last_keys;      ///< the last key that each of these sees
};

/// Copies the first `width` columns of the rows `which` of each group: from (groups, rows, stride) -> to (groups,
/// which, width). `to` may equal `from`.
inline void gather(const float* from, std::size_t groups, std::size_t rows, std::size_t stride,
                   std::span<const std::size_t> which, std::size_t width, float* to) {
  for (std::size_t i = 0; i < groups; ++i)
    for (const std::size_t row : which) {
      const float* const at = from + (i * rows + row) * stride;
      if (to != at) std::copy_n(at, width, to);
      to += width;
    }
}

/// Makes `wanted` groups of x (groups, size) if there are fewer, as copies of the first. Returns how many there are.
inline std::size_t spread(std::size_t groups, std::size_t wanted, std::size_t size, std::vector<float>& x) {
  if (groups >= wanted) return groups;
  x.resize(wanted * size);
  for (std::size_t i = 1; i < wanted; ++i) std::copy_n(x.data(), size, x.data() + i * size);
  return wanted;
}

}  // namespace zoft::inline ZOFT_ISA::nn
