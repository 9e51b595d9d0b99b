// How many machines a run gains from: the cost on paper of cost.hpp, and a simulation, which draws the time of each
// unit and of each message, and in which a rank waits for nobody but those whose messages it needs. It takes no MPI,
// and prints the same on every machine.
#include <cstdio>

#include "cost.hpp"

namespace {

using bench::cost;

/// Seconds a step, of so many steps in a row. An all-gather is Bruck's: in round k, rank r needs what rank r + 2ᵏ
/// knows.
double simulated(const cost& c, std::size_t ranks, std::uint32_t steps) {
  std::vector<double> now(ranks);
  for (std::uint32_t step = 0; step < steps; ++step) {
    const std::vector<double> units = bench::varying(c.units, c.variation, {1, step, 0});
    const std::size_t each = c.units / c.candidates;
    for (std::size_t r = 0; r < ranks; ++r) {
      const zoft::mpi::range own = zoft::mpi::part(c.units, 1, r, ranks);
      for (std::size_t i = 0; i < own.count; ++i) now[r] += c.unit * units[own.first + i];
      now[r] += c.candidate * static_cast<double>(c.candidates_of(r, ranks, each));
    }
    for (std::size_t round = 0; round < c.rounds; ++round)
      for (std::size_t apart = 1, k = 0; apart < ranks; apart *= 2, ++k) {
        const auto name = static_cast<std::uint32_t>(1 + round * 32 + k);
        const std::vector<double> message = bench::varying(ranks, 0.5, {2, step, name});
        const std::vector<double> before = now;
        for (std::size_t r = 0; r < ranks; ++r)
          now[r] = std::max(before[r], before[(r + apart) % ranks] + c.latency * message[r]);
      }
    for (double& t : now) t += c.update;
  }
  return *std::max_element(now.begin(), now.end()) / static_cast<double>(steps);
}

struct run {
  const char* name;
  double forward;       ///< of a candidate on an example of 128 tokens, seconds
  double noise;         ///< of a direction of what is trained, seconds
  std::size_t queries;  ///< of two candidates each
  std::size_t examples = 16;
};

void tell(const run& of, double latency, double variation) {
  const std::size_t candidates = 2 * of.queries;
  const cost c{.units = candidates * of.examples,
               .unit = of.forward,
               .candidates = candidates,
               .candidate = of.noise,
               .update = static_cast<double>(of.queries) * of.noise,
               .latency = latency,
               .variation = variation};
  constexpr std::uint32_t steps = 50;
  const double alone = bench::predicted(c, 1), alone_drawn = simulated(c, 1, steps);
  std::size_t half = 1, most = 1;
  for (std::size_t n = 1; n <= c.units; n *= 2) {
    if (bench::efficiency(alone, bench::predicted(c, n), n) >= 0.5) half = n;
    if (bench::predicted(c, n) < bench::predicted(c, most)) most = n;
  }
  std::printf("%-26s %7.1f %6g %4g", of.name, alone, 1000 * latency, variation);
  for (const std::size_t n : {half, most})
    std::printf(" %6zu %6.1f %6.1f", n, alone / bench::predicted(c, n), alone_drawn / simulated(c, n, steps));
  std::printf("\n");
}

}  // namespace

int main() {
  // Figures of bench/README.md, for two threads of one machine: 1,440 and 192 tokens/s, adapters 1.08 times that; all
  // weights by 0.11 s a direction of 135M, in proportion for 1.1B.
  const run runs[] = {
      {"135M, LoRA-FA, q = 8", 1.08 * 128 / 1440, 0.001, 8}, {"135M, all weights, q = 1", 128.0 / 1440, 0.11, 1},
      {"135M, all weights, q = 8", 128.0 / 1440, 0.11, 8},   {"1.1B, LoRA-FA, q = 8", 1.08 * 128 / 192, 0.005, 8},
      {"1.1B, all weights, q = 1", 128.0 / 192, 0.9, 1},     {"1.1B, all weights, q = 8", 128.0 / 192, 0.9, 8}};
  std::printf("%-26s %7s %6s %4s %6s %6s %6s %6s %6s %6s\n", "", "s alone", "ms", "v", "N half", "gain", "drawn",
              "N most", "gain", "drawn");
  for (const run& of : runs)
    for (const double latency : {50e-6, 1e-3, 30e-3})
      for (const double variation : {0.0, 0.3}) tell(of, latency, variation);
}
