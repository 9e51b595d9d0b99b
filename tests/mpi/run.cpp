// A run of 60 steps on any number of ranks, with a journal that rank 0 writes: run JOURNAL [RANK STEP [machine]]. With
// a rank and a step, that rank is killed in the middle of that step; with `machine`, also what started it. Prints a
// fingerprint of the parameters at the end, and where the run began. With - for the journal, one engine makes the run
// without MPI.
#include <signal.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <zoft/journal.hpp>
#include <zoft/mpi.hpp>
#include <zoft/prge.hpp>

namespace {

constexpr std::uint32_t steps = 60;

// Not inlined, so that both callers get the same roundings.
[[gnu::noinline]] double loss(std::span<const float> x) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    sum += std::pow(static_cast<double>(x[i]) - 0.01 * static_cast<double>(i % 7), 2);
  return sum;
}

void report(const std::vector<float>& x, std::uint32_t from) {
  const std::span<const float> all = x;
  std::printf("%016llx from step %u\n", static_cast<unsigned long long>(zoft::journals::fingerprint_of(all)), from);
}

auto engine() { return zoft::prge({.queries = 4, .epsilon = 1e-2, .learning_rate = 1e-2, .seed = 7}); }

int alone() {
  auto tuner = engine();
  std::vector<float> x(500, 1.0f);
  while (tuner.steps() < steps)
    tuner.step(std::span(x), [](const zoft::candidates<float>& c, std::span<double> to) {
      for (std::size_t i = 0; i < c.size(); ++i) to[i] = loss(c[i]);
    });
  report(x, 0);
  return 0;
}

void run(const std::string& path, long killed, std::uint32_t in_step, bool with_machine) {
  zoft::mpi::ranks everyone(MPI_COMM_WORLD);
  auto tuner = engine();
  std::vector<float> x(500, 1.0f);
  std::optional<zoft::journal> log;
  if (everyone.rank() == 0) log.emplace(path), log->resume(tuner, std::span(x));
  MPI_Barrier(MPI_COMM_WORLD);
  if (everyone.rank() > 0) zoft::replay(path, tuner, std::span(x));
  const std::uint32_t from = tuner.steps();
  const auto losses = [&](const zoft::candidates<float>& c, std::span<double> to) {
    for (std::size_t i = 0; i < c.size(); ++i) to[i] = loss(c[i]);
    if (static_cast<long>(everyone.rank()) != killed || tuner.steps() != in_step) return;
    if (with_machine) ::kill(::getppid(), SIGKILL);
    ::raise(SIGKILL);
  };
  while (tuner.steps() < steps) {
    const zoft::step_report made = tuner.step(std::span(x), losses, everyone);
    if (log) log->append(made);
  }
  everyone.check(std::span(x));
  if (everyone.rank() == 0) report(x, from);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string path = argc > 1 ? argv[1] : "-";
  if (path == "-") return alone();
  MPI_Init(&argc, &argv);
  try {
    run(path, argc > 3 ? std::atol(argv[2]) : -1, argc > 3 ? static_cast<std::uint32_t>(std::atol(argv[3])) : 0,
        argc > 4);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  MPI_Finalize();
  return 0;
}
