// What the tests of ranks share. mpiexec starts their program on each rank. All ranks go through the tests in the same
// order, so a test makes its calls on all of them.
#pragma once

#include <cstring>
#include <zoft/mpi.hpp>
#include <zoft/prge.hpp>

#include "../core_support.hpp"

namespace mpi_test {

using core_test::bits;

/// What the library's calls of MPI_Allgatherv were, and what the next one is to return in place of its work.
struct gathers {
  std::size_t calls = 0, bytes = 0;
  int error = MPI_SUCCESS;
};
inline gathers gathered;

/// MPI, from the first test until the program's end.
inline MPI_Comm world() {
  struct running {
    running() { MPI_Init(nullptr, nullptr); }
    ~running() { MPI_Finalize(); }
  };
  static const running program;
  return MPI_COMM_WORLD;
}

inline constexpr std::uint32_t steps = 20;

template <class T>
std::vector<T> start(std::size_t n = 150) {
  std::vector<T> result;
  for (const double v : core_test::cosines(n)) result.push_back(T(static_cast<float>(v)));
  return result;
}

template <class T>
double loss(std::span<const T> x) {
  std::vector<double> wide;
  for (const T v : x) wide.push_back(core_test::value(v));
  return core_test::ellipsoid<double>(wide, 100);
}
inline void losses(zoft::candidates<float> c, std::span<double> to) {
  for (std::size_t i = 0; i < c.size(); ++i) to[i] = loss(c[i]);
}

/// How many of n candidates this rank has, if they are dealt out by `unit`: those units whose number u has
/// u < units·(r + 1)/N but not u < units·r/N.
inline std::size_t share(std::size_t n, const zoft::mpi::ranks& all, std::size_t unit = 1) {
  std::size_t result = 0;
  for (std::size_t u = 0; u < n / unit; ++u) {
    std::size_t owner = 0;
    while (u >= n / unit * (owner + 1) / all.size()) ++owner;
    result += owner == all.rank() ? unit : 0;
  }
  return result;
}

inline void check_same(const zoft::step_report& a, const zoft::step_report& b) {
  CHECK(a.step == b.step);
  CHECK(a.status == b.status);
  CHECK(bits(std::vector{a.probe_loss, a.moved}) == bits(std::vector{b.probe_loss, b.moved}));
  CHECK((bits(a.projected_gradients) == bits(b.projected_gradients)));
  CHECK(a.evaluations == b.evaluations);
}

/// Makes steps with all ranks and with an engine by itself: together(engine) and alone(engine), whose parameters are
/// state(engine). rounds are how many candidates each has.
template <class Engine, class Together, class Alone, class State>
void check_steps(zoft::mpi::ranks& all, Engine shared, Engine single, std::vector<std::size_t> rounds,
                 Together together, Alone alone, State state, std::size_t unit = 1) {
  const auto begin = state(shared, true);
  for (std::uint32_t i = 0; i < steps; ++i) {
    gathered = {};
    check_same(together(shared), alone(single));
    CHECK(gathered.calls == rounds.size());
    CHECK(all.bytes() == gathered.bytes + (i == 0 ? 48 : 0));
    REQUIRE((state(shared, true) == state(single, false)));
    std::size_t sent = i == 0 ? 48 : 0;
    for (const std::size_t n : rounds) sent += 8 * (1 + share(n, all, unit));
    CHECK(all.bytes() == sent);
    CHECK(all.bytes() <= 8 * shared.evaluations() + 64);
  }
  CHECK((state(shared, true) != begin));
}

/// What f throws, by its type and text.
template <class F>
std::string outcome(F f) {
  try {
    f();
  } catch (const std::invalid_argument& e) {
    return std::string("invalid: ") + e.what();
  } catch (const std::runtime_error& e) {
    return std::string("runtime: ") + e.what();
  } catch (const std::logic_error& e) {
    return std::string("logic: ") + e.what();
  } catch (int n) {
    return "int: " + std::to_string(n);
  }
  return "nothing";
}

inline auto prge() { return zoft::prge({.queries = 4, .epsilon = 1e-2, .learning_rate = 1e-3, .seed = 7}); }

}  // namespace mpi_test
