/// How the work of a step is dealt out between ranks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../core/config.hpp"

namespace zoft::inline ZOFT_ISA::mpi {

/// Elements first … first + count − 1.
struct range {
  std::size_t first = 0, count = 0;
};

/// What rank r of `size` has of n elements. They are dealt out in units of so many, of which the last may be shorter.
/// Ranges are contiguous, in the order of the ranks, and their sizes differ by at most one unit.
inline range part(std::size_t n, std::size_t unit, std::size_t r, std::size_t size) {
  const std::size_t units = (n + unit - 1) / unit;
  const std::size_t begin = std::min(units * r / size * unit, n), end = std::min(units * (r + 1) / size * unit, n);
  return {begin, end - begin};
}

/// What is dealt out: a rank has whole candidates, or whole examples, or any pairs of the two.
enum class dealing : std::uint64_t { candidates, examples, pairs };

struct deal {
  dealing of = dealing::candidates;
  std::size_t examples = 1;  ///< B; 1 for candidates, whose losses are of the whole batch
};

/// Each of some candidates, on each of some examples.
struct block {
  range candidates, examples;
  std::size_t size() const { return candidates.count * examples.count; }
};

/// What rank r of `size` has of n candidates, of which `together` stay together. Pairs are dealt out in the order of
/// the candidates, so a rank has whole candidates and, before and behind these, some examples of one more.
inline std::vector<block> share(const deal& d, std::size_t n, std::size_t together, std::size_t r, std::size_t size) {
  std::vector<block> result;
  const auto add = [&](const range& candidates, const range& examples) {
    const block one{candidates, examples};
    if (one.size() > 0) result.push_back(one);
  };
  const std::size_t b = d.examples;
  if (d.of == dealing::candidates) {
    add(part(n, together, r, size), {0, b});
  } else if (d.of == dealing::examples) {
    add({0, n}, part(b, 1, r, size));
  } else {
    const range pairs = part(n * b, 1, r, size);
    const std::size_t end = pairs.first + pairs.count;
    const std::size_t head = std::min(end, (pairs.first + b - 1) / b * b);  // the first whole candidate begins there
    const std::size_t tail = std::max(head, end / b * b);                   // and there is behind the last one
    add({pairs.first / b, 1}, {pairs.first % b, head - pairs.first});
    add({head / b, (tail - head) / b}, {0, b});
    add({tail / b, 1}, {0, end - tail});
  }
  return result;
}

/// How many losses that is.
inline std::size_t size_of(const std::vector<block>& blocks) {
  std::size_t result = 0;
  for (const block& one : blocks) result += one.size();
  return result;
}

/// The losses of n candidates from those on each example: losses (n, B) -> means (n), each the sum in the order of the
/// examples, divided by their number. So it does not depend on which rank had which.
inline std::vector<double> means(const std::vector<double>& losses, std::size_t n) {
  std::vector<double> result;
  const std::size_t b = losses.size() / n;
  for (std::size_t i = 0; i < n; ++i) {
    double sum = losses[i * b];
    for (std::size_t e = 1; e < b; ++e) sum += losses[i * b + e];
    result.push_back(sum / static_cast<double>(b));
  }
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::mpi
