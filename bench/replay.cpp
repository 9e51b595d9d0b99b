// What it takes to make a run again from its journal: the steps of an adapter of the demo's size, and steps on all
// weights of a model of 135 M, beside the noise that they are made of. One thread: see ratios.hpp.
#include <filesystem>
#include <string>
#include <vector>
#include <zoft/journal.hpp>
#include <zoft/mezo.hpp>
#include <zoft/prge.hpp>

#include "ratios.hpp"

namespace {

using bench::add, bench::measured;

/// A journal of `steps` steps on n numbers, whose losses are made up. It is written into the folder that is current,
/// and removed at the end.
struct run {
  run(std::string name, std::size_t n, std::uint32_t steps, std::size_t q)
      : path(std::move(name)), queries(q), start(n, 0.01f) {
    std::filesystem::remove(path);
    auto tuner = make();
    std::vector<float> x = start;
    zoft::journal log(path, {.sync_every = 0, .check_every = 0});
    log.resume(tuner, std::span(x));
    for (std::uint32_t i = 0; i < steps; ++i) {
      std::vector<double> losses(2 * queries);
      for (std::size_t j = 0; j < losses.size(); ++j) losses[j] = 1 + 1e-3 * static_cast<double>((i + 3 * j) % 7);
      log.append(tuner.tell(std::span(x), losses));
    }
  }
  ~run() { std::filesystem::remove(path); }

  zoft::engine<zoft::gaussian, zoft::two_point, zoft::full, zoft::sgd> make() const {
    return {zoft::gaussian{}, zoft::two_point{.queries = queries}, zoft::full{}, zoft::sgd{.learning_rate = 1e-6},
            zoft::seed{42}};
  }
  double replayed_seconds() const {
    auto tuner = make();
    std::vector<float> x = start;
    return bench::seconds([&] { zoft::replay(path, tuner, std::span(x)); });
  }

  std::string path;
  std::size_t queries;
  std::vector<float> start;
};

/// `steps` steps of q directions on n numbers again; the ratio is to as many plain x += a·z.
void add_replay(const std::string& name, std::size_t n, std::uint32_t steps, std::size_t queries) {
  add(name + "/" + std::to_string(steps), "the noise alone / replay", 5, {}, [=] {
    const run kept(name + ".journal", n, steps, queries);
    std::vector<float> x = kept.start;
    const auto noise = [&] {
      for (std::uint32_t i = 0; i < steps * queries; ++i)
        zoft::gaussian{}.axpy(std::span(x), 1e-6f, zoft::direction{42, i, 0});
    };
    const double before = bench::seconds(noise);
    const double replay = kept.replayed_seconds();
    const double after = bench::seconds(noise);
    return measured{(before + after) / 2 / replay, replay};
  });
}

const bool registered = [] {
  add_replay("adapter_of_16896_q4", 16896, 10000, 4);
  add_replay("weights_134515008_q1", 134515008, 10, 1);
  return true;
}();

}  // namespace
