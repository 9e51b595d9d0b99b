/// How ranks come to the same outcome, where one of them fails or where they are not the same.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "../core/config.hpp"
#include "communicator.hpp"
#include "deal.hpp"

namespace zoft::inline ZOFT_ISA::mpi {

/// What a rank's own part of a step has thrown, if anything.
struct failure {
  std::exception_ptr thrown = nullptr;
  std::string what = {};

  /// 0 if there is none; otherwise the size of its message and 1.
  std::size_t code() const { return thrown ? what.size() + 1 : 0; }
};

/// What f throws. Without exceptions, an error ends the program.
template <class F>
failure caught(F f) {
#if defined(__cpp_exceptions)
  constexpr std::size_t longest = 1000;  // bytes of a message, which should be a line
  try {
    f();
  } catch (const std::exception& e) {
    return {std::current_exception(), std::string(e.what()).substr(0, longest)};
  } catch (...) {
    return {std::current_exception(), "an exception that is no std::exception"};
  }
#else
  f();
#endif
  return {};
}

/// Throws on all ranks if any has failed; all know the codes of all. A rank that has failed throws its own exception,
/// the others the message of the first. Adds what this rank sends to `bytes`.
inline void end_together(const communicator& world, const failure& mine, std::span<const std::size_t> codes,
                         std::size_t step, std::size_t& bytes) {
  const auto first = std::find_if(codes.begin(), codes.end(), [](std::size_t code) { return code != 0; });
  if (first == codes.end()) return;
  const auto of = static_cast<std::size_t>(first - codes.begin());
  std::string what = of == world.rank() ? mine.what : std::string(*first - 1, ' ');
  if (of == world.rank()) bytes += what.size();
  world.broadcast(what, of);
  if (mine.thrown) std::rethrow_exception(mine.thrown);
  ZOFT_THROW(std::runtime_error("zoft: mpi: rank " + text(of) + " threw in step " + text(step) + ": " + what));
}

/// What must be the same on all ranks.
struct common {
  std::uint64_t seed = 0, evaluations = 0, steps = 0;  // of the engine
  deal dealt = {};                                     // of its step
};

/// Throws std::invalid_argument on all ranks unless print(), a fingerprint, and `here` are the same on all.
template <class F>
void require_same(const communicator& world, F print, const common& here, std::size_t& bytes) {
  constexpr std::array<const char*, 6> names{
      "", "parameters", "seed", "number of evaluations", "number of steps", "examples dealt out"};
  std::uint64_t value = 0;
  const failure mine = caught([&] { value = print(); });
  const std::array<std::uint64_t, names.size()> sent{
      mine.code(),      value,      here.seed,
      here.evaluations, here.steps, 3 * here.dealt.examples + static_cast<std::uint64_t>(here.dealt.of)};
  const std::vector<std::uint64_t> all = world.gather(sent);
  bytes += sizeof sent;
  std::vector<std::size_t> codes;
  for (std::size_t r = 0; r < world.size(); ++r) codes.push_back(all[r * sent.size()]);
  end_together(world, mine, codes, here.steps, bytes);
  std::string differences;
  for (std::size_t i = 1; i < sent.size(); ++i) {
    std::string who;
    for (std::size_t r = 1; r < world.size(); ++r)
      if (all[r * sent.size() + i] != all[i]) who += (who.empty() ? "" : ", ") + text(r);
    if (!who.empty())
      differences += (differences.empty() ? "the " : "; the ") + std::string(names[i]) + " of rank " + who;
  }
  require(differences.empty(), "mpi: not the same as on rank 0: " + differences);
}

}  // namespace zoft::inline ZOFT_ISA::mpi
