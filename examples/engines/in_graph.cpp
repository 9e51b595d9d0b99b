// P-RGE whose update is a part of the graph: the engine moves the parameters, and the host draws noise and computes one
// number a query. Trains the demo's adapter in both forms, in the graph and out of it, and compares what comes out.
//
//   in_graph [STEPS]    500 unless given; ends with status 1 if parameters differ by more than 1e-5
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>
#include <zoft/engines/graph_loss.hpp>
#include <zoft/engines/in_graph_prge.hpp>
#include <zoft/io/checkpoint.hpp>
#include <zoft/io/onnx.hpp>
#include <zoft/prge.hpp>

#include "engine.hpp"
#include "pairs.hpp"

namespace engines {
namespace {

/// Seconds that f takes.
template <class F>
double seconds(F f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Both forms from the same start with the same noise; whether they come out the same.
bool same(const engine& with, std::uint32_t steps, std::size_t queries, double learning_rate) {
  const std::string folder = ZOFT_DEFAULT_TASK;
  const zoft::io::checkpoint model = zoft::io::open_checkpoint(folder);
  const zoft::io::llama2c_tokenizer tokenizer(folder + "/tokenizer.bin");
  const auto train = batches_of<padded_batch>(read_pairs(folder + "/train.pairs", tokenizer), with.sequences);

  const zoft::prge_options options{.queries = queries, .epsilon = 1e-2, .learning_rate = learning_rate, .seed = 5};
  auto tuner = zoft::prge(options, zoft::lora_fa{.rank = 8, .alpha = 16});
  tuner.attach(zoft::io::linears_of(model));
  const zoft::low_rank_adapter& adapter = tuner.adapter();
  zoft::engines::in_graph_prge inside(options, adapter.parameters(),
                                      with.in_graph(model, adapter, queries, options.epsilon));
  zoft::engines::graph_loss loss(with.make(model, adapter, /*best*/ false));

  const double before = loss.loss(train, adapter.stack());
  const double out = seconds([&] {
    for (std::uint32_t step = 0; step < steps; ++step)
      tuner.step([&](const zoft::low_rank_stack& adapters, std::span<double> losses) {
        loss.losses(train[step % train.size()], adapters, losses);
      });
  });
  const double in = seconds([&] {
    for (std::uint32_t step = 0; step < steps; ++step) inside.step(train[step % train.size()]);
  });
  const std::vector<float> flushed = inside.flush(train[0]);
  float largest = 0, difference = 0;
  for (std::size_t i = 0; i < flushed.size(); ++i) {
    largest = std::max(largest, std::abs(flushed[i]));
    difference = std::max(difference, std::abs(flushed[i] - adapter.parameters()[i]));
  }
  std::printf(
      "q = %zu, rate %g, %u steps: loss %.4f -> %.4f; parameters up to %.3f, and the two forms' differ by up to "
      "%.1e; %.1f ms a step out of the graph, %.1f in it\n",
      queries, learning_rate, steps, before, loss.loss(train, adapter.stack()), double(largest), double(difference),
      1e3 * out / steps, 1e3 * in / steps);
  return difference <= 1e-5f;
}

}  // namespace

int in_graph(int argc, char** argv, const engine& with) {
  const int steps = argc > 1 ? std::atoi(argv[1]) : 500;
  if (argc > 2 || steps < 1) {
    std::fputs("in_graph [STEPS]: STEPS is at least 1\n", stderr);
    return 2;
  }
  try {
    const bool one = same(with, static_cast<std::uint32_t>(steps), 1, 5e-3);
    return same(with, static_cast<std::uint32_t>(steps), 4, 5e-3) && one ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}

}  // namespace engines
