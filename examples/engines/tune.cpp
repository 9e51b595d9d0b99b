// Trains the demo's adapter through an engine: it evaluates, zoft moves.
//
// The model is the demo's, a character-level Llama that writes dates the American way. It shall learn the British way.
// A step makes 2q candidates of the adapter's numbers, theta, and the engine gives the loss of each.
//
//   tune OUTPUT [STEPS [SEED]]    writes the adapter to the folder OUTPUT, in peft's files and as a GGUF file
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

#include "adapter_files.hpp"
#include "engine.hpp"
#include "pairs.hpp"

namespace engines {
namespace {

struct result {
  double loss = 0;        ///< the mean over all labels
  std::size_t exact = 0;  ///< answers that are right to the last character
};

/// Evaluates the adapter as it is.
result evaluate(const evaluator& answers, const std::vector<padded_batch>& batches,
                const zoft::low_rank_adapter& adapter) {
  result r;
  std::size_t labels = 0;
  for (const padded_batch& b : batches) {
    float loss = 0;
    std::vector<std::int64_t> best(b.predicted());
    answers(b, zoft::engines::theta_of(adapter.stack()), std::span(&loss, 1), std::span(best));
    r.loss += static_cast<double>(loss) * static_cast<double>(b.predicted());
    r.exact += right(b, best);
    labels += b.predicted();
  }
  r.loss /= static_cast<double>(labels);
  return r;
}

void tune(const std::string& output, std::uint32_t steps, std::uint64_t seed, const engine& with) {
  const std::string folder = ZOFT_DEFAULT_TASK;
  const zoft::io::checkpoint model = zoft::io::open_checkpoint(folder);
  const zoft::io::llama2c_tokenizer tokenizer(folder + "/tokenizer.bin");
  const auto train = batches_of<padded_batch>(read_pairs(folder + "/train.pairs", tokenizer), 16);
  const auto heldout = batches_of<padded_batch>(read_pairs(folder + "/heldout.pairs", tokenizer), 50);

  auto tuner = zoft::prge({.queries = 4,
                           .epsilon = 1e-2,
                           .learning_rate = 5e-2,
                           .schedule = zoft::linear(steps, std::min(steps, 50u)),
                           .seed = seed},
                          zoft::lora_fa{.rank = 8, .alpha = 16});
  tuner.attach(zoft::io::linears_of(model));
  const zoft::low_rank_adapter& adapter = tuner.adapter();
  zoft::engines::graph_loss loss(with.make(model, adapter, /*best*/ false));
  const evaluator answers = with.make(model, adapter, /*best*/ true);

  const auto report = [&](std::uint32_t step) {
    const result now = evaluate(answers, heldout, adapter);
    std::printf("step %4u: held-out loss %.4f, exact match %.1f %%\n", step, now.loss,
                0.1 * static_cast<double>(now.exact));
    std::fflush(stdout);
  };
  for (std::uint32_t step = 0; step < steps; ++step) {
    if (step % 250 == 0) report(step);
    tuner.step([&](const zoft::low_rank_stack& adapters, std::span<double> losses) {
      loss.losses(train[step % train.size()], adapters, losses);
    });
  }
  report(steps);
  save(output, adapter, model.shape());
  std::printf("the adapter is in %s\n", output.c_str());
}

}  // namespace

int tune(int argc, char** argv, const engine& with) {
  const int steps = argc > 2 ? std::atoi(argv[2]) : 1500;
  if (argc < 2 || argc > 4 || steps < 1) {
    std::fputs("tune OUTPUT [STEPS [SEED]]: OUTPUT is a folder for the adapter, and STEPS at least 1\n", stderr);
    return 2;
  }
  try {
    tune(argv[1], static_cast<std::uint32_t>(steps), argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 0, with);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}

}  // namespace engines
