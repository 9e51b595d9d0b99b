// What ranks add to the time of a step: T(1) / (N · T(N)), T(N) of a step on N ranks, whose functor sleeps for each
// candidate. So the time is that of the exchange and of waiting, and N ranks can share one machine. The program is
// started once, on as many ranks as the largest N: mpiexec -n 8 bench_mpi [MILLISECONDS]. The ranks that have no part
// in a measurement sleep, too.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>
#include <zoft/mpi.hpp>
#include <zoft/prge.hpp>

namespace {

using clock_type = std::chrono::steady_clock;

constexpr std::size_t queries = 8;  // 16 candidates, so that 8 ranks have 2 each
constexpr int steps = 5, repeats = 5;

/// Waits for all ranks without taking time from those that still work.
void meet(MPI_Comm all) {
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Ibarrier(all, &request);
  for (int done = 0; done == 0; MPI_Test(&request, &done, MPI_STATUS_IGNORE))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

/// Seconds a step, the median of the repeats.
double measured(MPI_Comm of, std::chrono::microseconds asleep) {
  zoft::mpi::ranks all(of);
  auto tuner = zoft::prge({.queries = queries, .seed = 1});
  std::vector<float> x(1000, 1.0f);
  const auto sleep = [&](const zoft::candidates<float>& c, std::span<double> losses) {
    for (double& loss : losses) {
      std::this_thread::sleep_for(asleep);
      loss = static_cast<double>(c[0][0]);
    }
  };
  tuner.step(std::span(x), sleep, all);  // the first also compares the ranks
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    MPI_Barrier(of);
    const auto begin = clock_type::now();
    for (int s = 0; s < steps; ++s) tuner.step(std::span(x), sleep, all);
    seconds.push_back(std::chrono::duration<double>(clock_type::now() - begin).count() / steps);
  }
  std::nth_element(seconds.begin(), seconds.begin() + repeats / 2, seconds.end());
  return seconds[repeats / 2];
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const auto asleep = std::chrono::microseconds(static_cast<long>(1000 * (argc > 1 ? std::atof(argv[1]) : 20)));
  int rank = 0, size = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  double alone = 0;
  if (rank == 0) std::printf("ranks  ms a step  efficiency\n");
  for (int n = 1; n <= size; n *= 2) {
    MPI_Comm some = MPI_COMM_NULL;
    MPI_Comm_split(MPI_COMM_WORLD, rank < n ? 0 : MPI_UNDEFINED, rank, &some);
    if (rank < n) {
      const double seconds = measured(some, asleep);
      if (n == 1) alone = seconds;
      if (rank == 0) std::printf("%5d  %9.2f  %10.3f\n", n, 1000 * seconds, alone / (n * seconds));
      MPI_Comm_free(&some);
    }
    meet(MPI_COMM_WORLD);
  }
  MPI_Finalize();
  return 0;
}
