// What ranks add to the time of a step: T(1) / (N · T(N)), T(N) of a step on N ranks, whose functor sleeps for each
// loss. So the time is that of the exchange and of waiting, and N ranks can share one machine. Beside it is what
// cost.hpp says, with the time of an all-gather as it is measured here. The program is started once, on as many ranks
// as the largest N: mpiexec -n 8 bench_ranks_sleeping [MILLISECONDS [VARIATION]], where the second is the coefficient
// of variation of a sleep. The ranks that have no part in a measurement sleep, too.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <zoft/mpi.hpp>
#include <zoft/prge.hpp>

#include "cost.hpp"

namespace {

using clock_type = std::chrono::steady_clock;
using seconds = std::chrono::duration<double>;

constexpr std::size_t units = 16;  // so that 8 ranks have 2 each
constexpr std::uint32_t steps = 5;
constexpr int repeats = 5;

/// Waits for all ranks without taking time from those that still work.
void meet(MPI_Comm all) {
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Ibarrier(all, &request);
  for (int done = 0; done == 0; MPI_Test(&request, &done, MPI_STATUS_IGNORE))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

double median(std::vector<double> of) {
  std::nth_element(of.begin(), of.begin() + repeats / 2, of.end());
  return of[repeats / 2];
}

/// Seconds of f, the median of the repeats.
template <class F>
double timed(MPI_Comm of, F f) {
  std::vector<double> result;
  for (int i = 0; i < repeats; ++i) {
    MPI_Barrier(of);
    const auto begin = clock_type::now();
    f();
    result.push_back(seconds(clock_type::now() - begin).count());
  }
  return median(result);
}

/// Seconds a step, where 16 candidates are dealt out, or 2 on 8 examples each.
double measured(MPI_Comm of, double asleep, double variation, bool pairs) {
  zoft::mpi::ranks everyone(of);
  auto tuner = zoft::prge({.queries = pairs ? 1u : 8u, .seed = 1});
  std::vector<float> x(1000, 1.0f);
  std::vector<double> sleeps;
  const auto sleep = [&](std::size_t unit) {
    std::this_thread::sleep_for(seconds(asleep * sleeps[unit]));
    return 1.0;
  };
  // Which candidates these are is told by their distance from x alone, so their number is counted: shares come in
  // order.
  std::size_t next = 0;
  const auto on_all = [&](const zoft::candidates<float>&, std::span<double> losses) {
    for (double& loss : losses) loss = sleep(next++);
  };
  const auto on_some = [&](const zoft::candidates<float>&, zoft::mpi::range, std::span<double> losses) {
    for (double& loss : losses) loss = sleep(next++);
  };
  const auto step = [&] {
    sleeps = bench::varying(units, variation, {1, tuner.steps(), 0});
    next = zoft::mpi::part(units, 1, everyone.rank(), everyone.size()).first;
    if (pairs)
      tuner.step(std::span(x), on_some, everyone.pairs(units / 2));
    else
      tuner.step(std::span(x), on_all, everyone);
  };
  step();  // the first also compares the ranks
  return timed(of,
               [&] {
                 for (std::uint32_t s = 0; s < steps; ++s) step();
               }) /
         steps;
}

/// Seconds of an all-gather of what a step exchanges.
double gather(MPI_Comm of, std::size_t ranks) {
  constexpr int times = 100;
  const int each = static_cast<int>(1 + units / ranks);
  std::vector<double> mine(static_cast<std::size_t>(each)), all(mine.size() * ranks);
  return timed(of,
               [&] {
                 for (int i = 0; i < times; ++i)
                   MPI_Allgather(mine.data(), each, MPI_DOUBLE, all.data(), each, MPI_DOUBLE, of);
               }) /
         times;
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const double asleep = (argc > 1 ? std::atof(argv[1]) : 20) / 1000, variation = argc > 2 ? std::atof(argv[2]) : 0;
  int rank = 0, size = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (rank == 0) std::printf("dealt out   ranks  ms a step  efficiency  on paper  us a gather\n");
  for (const bool pairs : {false, true}) {
    double alone = 0;
    bench::cost c{.units = units, .candidates = pairs ? std::size_t{2} : units, .variation = variation};
    for (int n = 1; n <= size; n *= 2) {
      MPI_Comm some = MPI_COMM_NULL;
      MPI_Comm_split(MPI_COMM_WORLD, rank < n ? 0 : MPI_UNDEFINED, rank, &some);
      if (rank < n) {
        const auto ranks = static_cast<std::size_t>(n);
        const double together = measured(some, asleep, variation, pairs), exchange = gather(some, ranks);
        if (n == 1) alone = together, c.unit = together / static_cast<double>(units);
        c.latency = n == 1 ? 0 : exchange / bench::messages(ranks);
        if (rank == 0)
          std::printf("%-10s %6d  %9.2f  %10.3f  %8.3f  %11.1f\n", pairs ? "pairs" : "candidates", n, 1000 * together,
                      bench::efficiency(alone, together, ranks),
                      bench::efficiency(bench::predicted(c, 1), bench::predicted(c, ranks), ranks), 1e6 * exchange);
        MPI_Comm_free(&some);
      }
      meet(MPI_COMM_WORLD);
    }
  }
  MPI_Finalize();
  return 0;
}
