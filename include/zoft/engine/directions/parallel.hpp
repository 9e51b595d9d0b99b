#pragma once

#include <algorithm>

#include "../../core/executor.hpp"
#include "../../random/drawn.hpp"
#include "at.hpp"

namespace zoft::inline ZOFT_ISA {

/// x[i] += a · z(d)[first + i] on an executor's threads. Tasks begin at multiples of 2¹⁶ elements, and z is a function
/// of the element, so the bits are those of sampler.axpy(x, a, d, first) for any number of threads. Throws what the
/// sampler throws, before anything is written.
template <executor Executor, class Sampler, number T>
void axpy(const Executor& threads, const Sampler& sampler, std::span<T> x, std::type_identity_t<arithmetic_t<T>> a,
          direction d, std::uint64_t first = 0) {
  constexpr std::uint64_t task_elements = std::uint64_t{1} << 16;
  const auto z = at(sampler, d);
  random::check_axpy(x.size(), a, first, random::elements_of(z));
  if (x.empty()) return;
  const std::uint64_t begin = first / task_elements, end = (first + x.size() - 1) / task_elements + 1;
  threads.run(static_cast<std::size_t>(end - begin), [&](std::size_t task, std::size_t) {
    const std::uint64_t from = std::max(first, (begin + task) * task_elements);
    const std::uint64_t to = std::min(first + x.size(), (begin + task + 1) * task_elements);
    z.axpy(x.subspan(static_cast<std::size_t>(from - first), static_cast<std::size_t>(to - from)), a, from);
  });
}

}  // namespace zoft::inline ZOFT_ISA
