// A run of ranks, from its journal.
#include <array>
#include <optional>
#include <zoft/journal.hpp>

#include "../journal_support.hpp"
#include "support.hpp"

using namespace mpi_test;

TEST_CASE("mpi: a journal that rank 0 writes has the run, for one engine and for ranks that go on") {
  zoft::mpi::ranks all(world());
  std::optional<journal_test::folder> here;
  std::array<char, 512> path{};
  if (all.rank() == 0) {
    here.emplace();
    std::strncpy(path.data(), (*here / "run").c_str(), path.size() - 1);
  }
  MPI_Bcast(path.data(), static_cast<int>(path.size()), MPI_CHAR, 0, world());
  auto x = start<float>();
  for (const std::uint32_t until : {12u, 20u}) {
    x = start<float>();
    auto tuner = prge();
    zoft::mpi::ranks together(world());
    std::optional<zoft::journal> log;
    if (all.rank() == 0) log.emplace(path.data(), zoft::journal_options{.check_every = 5});
    if (log) log->resume(tuner, std::span(x));
    MPI_Barrier(world());
    if (!log) zoft::replay(path.data(), tuner, std::span(x));
    CHECK(tuner.steps() == (until == 12 ? 0u : 12u));
    while (tuner.steps() < until) {
      const zoft::step_report made = tuner.step(std::span(x), losses, together);
      if (log) log->append(made);
    }
  }
  MPI_Barrier(world());
  auto y = start<float>(), z = y;
  auto again = prge(), never = prge();
  CHECK(zoft::replay(path.data(), again, std::span(y)) == steps);
  for (std::uint32_t i = 0; i < steps; ++i) never.step(std::span(z), losses);
  CHECK((bits(x) == bits(z)));
  CHECK((bits(y) == bits(z)));
  MPI_Barrier(world());
}
