// Trains an adapter through ONNX Runtime: it evaluates, zoft moves.
//
// The model is the demo's, a character-level Llama that writes dates the American way. It shall learn the British way.
// zoft writes its loss as a graph in which the adapter's numbers are an input, theta (P, D). ONNX Runtime, as it is
// installed, runs that graph. A step makes 2q candidates of theta, and one run gives the loss of each.
//
//   tune OUTPUT [STEPS [SEED]]    writes the adapter to the folder OUTPUT, in peft's files
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>
#include <zoft/engines/graph_loss.hpp>
#include <zoft/io/adapter_rows.hpp>
#include <zoft/io/checkpoint.hpp>
#include <zoft/io/onnx.hpp>
#include <zoft/io/peft.hpp>
#include <zoft/prge.hpp>
#include <zoft/schedule/linear.hpp>

#include "../pairs.hpp"
#include "onnxruntime.hpp"

namespace {

using zoft::engines::padded_batch;

/// Answers of the held-out items that are right to the last character, with the adapter as it is.
std::size_t exact_matches(onnxruntime::loss_graph& graph, const std::vector<padded_batch>& batches,
                          const zoft::low_rank_adapter& adapter) {
  std::size_t result = 0;
  for (const padded_batch& b : batches) {
    float loss = 0;
    std::vector<std::int64_t> best(b.predicted());
    graph(b, zoft::engines::theta_of(adapter.stack()), {&loss, 1}, best);
    result += engines::right(b, best);
  }
  return result;
}

void save(const std::string& folder, const zoft::low_rank_adapter& adapter, const zoft::nn::config& shape) {
  std::vector<zoft::io::low_rank_tensor> tensors;
  for (const auto& p : adapter.pairs()) tensors.push_back({p.linear, p.out, p.in, adapter.rank(), p.a, p.b});
  const auto rows = zoft::io::in_row_order(tensors, shape, zoft::nn::rope::half_split);
  zoft::io::write_peft(folder, std::vector<zoft::io::low_rank_tensor>(rows.begin(), rows.end()), adapter.alpha(), "");
}

void run(const std::string& output, std::uint32_t steps, std::uint64_t seed) {
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

  // The graphs: B of the adapter is theta, A and the model are constants. Only the second one also gives tokens.
  const auto graph = [&](bool best) {
    return onnxruntime::loss_graph(zoft::io::onnx_loss(model, adapter.stack(), adapter.parameters(), {.best = best}),
                                   1);
  };
  zoft::engines::graph_loss loss(graph(false));
  onnxruntime::loss_graph answers = graph(true);

  const auto report = [&](std::uint32_t step) {
    std::printf("step %4u: held-out loss %.4f, exact match %.1f %%\n", step, loss.loss(heldout, adapter.stack()),
                0.1 * static_cast<double>(exact_matches(answers, heldout, adapter)));
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

int main(int argc, char** argv) {
  const int steps = argc > 2 ? std::atoi(argv[2]) : 1500;
  if (argc < 2 || argc > 4 || steps < 1) {
    std::fputs("tune OUTPUT [STEPS [SEED]]: OUTPUT is a folder for the adapter, and STEPS at least 1\n", stderr);
    return 2;
  }
  try {
    run(argv[1], static_cast<std::uint32_t>(steps), argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 0);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
