/// Drawing without replacement.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "stream.hpp"

namespace zoft::inline ZOFT_ISA::random {

/// At most n of `first`, each as likely as the others, and in random order. If these are fewer than n, then of
/// `others`.
inline std::vector<std::size_t> chosen(direction d, stream s, std::vector<std::size_t> first,
                                       std::vector<std::size_t> others, std::size_t n) {
  std::vector<std::size_t> result;
  std::uint64_t index = 0;
  for (std::vector<std::size_t>* from : {&first, &others})
    for (; result.size() < n && !from->empty(); from->pop_back()) {
      const std::uint64_t at = std::uint64_t{word(d, s, index++)} * from->size() >> 32;
      std::swap((*from)[static_cast<std::size_t>(at)], from->back());
      result.push_back(from->back());
    }
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::random
