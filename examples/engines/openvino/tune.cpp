// Trains an adapter through OpenVINO, as ../onnxruntime/tune.cpp does through ONNX Runtime: the graph and the rest of
// the program are the same, and what runs the graph is not.
//
//   tune [STEPS [SEED]]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>
#include <zoft/engines/graph_loss.hpp>
#include <zoft/io/checkpoint.hpp>
#include <zoft/io/onnx.hpp>
#include <zoft/prge.hpp>
#include <zoft/schedule/linear.hpp>

#include "../pairs.hpp"
#include "openvino.hpp"

namespace {

using zoft::engines::padded_batch;

void run(std::uint32_t steps, std::uint64_t seed) {
  const std::string folder = ZOFT_DEFAULT_TASK;
  const zoft::io::checkpoint model = zoft::io::open_checkpoint(folder);
  const zoft::io::llama2c_tokenizer tokenizer(folder + "/tokenizer.bin");
  const auto train = engines::batches_of<padded_batch>(engines::read_pairs(folder + "/train.pairs", tokenizer), 16);
  const auto heldout = engines::batches_of<padded_batch>(engines::read_pairs(folder + "/heldout.pairs", tokenizer), 50);

  auto tuner = zoft::prge({.queries = 4,
                           .epsilon = 1e-2,
                           .learning_rate = 5e-2,
                           .schedule = zoft::linear(steps, std::min(steps, 50u)),
                           .seed = seed},
                          zoft::lora_fa{.rank = 8, .alpha = 16});
  tuner.attach(zoft::io::linears_of(model));
  const zoft::low_rank_adapter& adapter = tuner.adapter();
  const auto graph = [&](bool best) {
    return openvino::loss_graph(zoft::io::onnx_loss(model, adapter.stack(), adapter.parameters(), {.best = best}), 1);
  };
  zoft::engines::graph_loss loss(graph(false));
  openvino::loss_graph answers = graph(true);

  const auto report = [&](std::uint32_t step) {
    std::size_t right = 0;
    for (const padded_batch& b : heldout) {
      float unused = 0;
      std::vector<std::int64_t> best(b.predicted());
      answers(b, zoft::engines::theta_of(adapter.stack()), {&unused, 1}, best);
      right += engines::right(b, best);
    }
    std::printf("step %4u: held-out loss %.4f, exact match %.1f %%\n", step, loss.loss(heldout, adapter.stack()),
                0.1 * static_cast<double>(right));
    std::fflush(stdout);
  };
  for (std::uint32_t step = 0; step < steps; ++step) {
    if (step % 250 == 0) report(step);
    tuner.step([&](const zoft::low_rank_stack& adapters, std::span<double> losses) {
      loss.losses(train[step % train.size()], adapters, losses);
    });
  }
  report(steps);
}

}  // namespace

int main(int argc, char** argv) {
  const int steps = argc > 1 ? std::atoi(argv[1]) : 1500;
  if (argc > 3 || steps < 1) {
    std::fputs("tune [STEPS [SEED]]: STEPS is at least 1\n", stderr);
    return 2;
  }
  try {
    run(static_cast<std::uint32_t>(steps), argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
