// A real model, in the GGUF file that llama.cpp runs: SmolLM2-135M, whose weights of 4 bits stay as they are. It learns
// from reviews (SST-2) to say whether they are positive. The same steps are made in zoft::nn beside it.
//
//   smollm2 MODEL SST-2 OUTPUT [STEPS [RATE]]    the folder of the task's files, and one for the adapter
//   smollm2 MODEL SST-2 --audit                  what zoft::audit says of llama.cpp
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <string>
#include <vector>
#include <zoft/audit.hpp>
#include <zoft/engines/graph_loss.hpp>
#include <zoft/io/data/tasks.hpp>
#include <zoft/io/tokenizer.hpp>
#include <zoft/nn/transformer.hpp>
#include <zoft/prge.hpp>
#include <zoft/schedule/linear.hpp>

#include "../adapter_files.hpp"
#include "../engine.hpp"
#include "../pairs.hpp"
#include "llama_cpp.hpp"

namespace {

using zoft::engines::padded_batch;

/// The same reviews for both: of each, only the word at its end is to be learned.
struct reviews {
  padded_batch padded;
  zoft::nn::batch plain;
};

std::vector<reviews> read(const zoft::io::tokenizer& words, const std::string& folder, const char* split,
                          std::size_t batches, std::size_t size) {
  std::vector<reviews> result;
  std::size_t count = 0;
  for (const zoft::io::choice_example& one : zoft::io::load_task("SST-2", folder, split)) {
    std::vector<std::int32_t> tokens = words.encode(one.prompt);
    const std::size_t prompt = tokens.size();
    for (const std::int32_t token : words.encode(one.choices[one.right], {.special = false})) tokens.push_back(token);
    if (tokens.size() > 32) continue;  // padded to the longest of a batch
    if (count == batches * size) break;
    if (count++ % size == 0) result.emplace_back();
    std::vector<std::int32_t> labels = tokens;
    std::fill_n(labels.begin(), prompt, -100);
    result.back().padded.add(tokens, labels);
    result.back().plain.add(tokens, labels);
  }
  return result;
}

/// Seconds of the processor, of which both engines use one.
double seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

struct side {
  double loss = 0, seconds = 0;
};

void run(const std::string& path, const std::string& folder, const std::string& output, std::uint32_t steps,
         double rate) {
  const zoft::io::checkpoint checkpoint = zoft::io::open_checkpoint(path);
  const zoft::nn::transformer model(checkpoint, {.weights = zoft::nn::dtype::bf16, .threads = 1});
  const auto words = zoft::io::load_tokenizer(path);
  const auto train = read(words, folder, "train", 64, 8), heldout = read(words, folder, "dev", 16, 8);

  // The upper six blocks.
  std::vector<std::string> targets;
  for (std::size_t i = model.shape().layers - 6; i < model.shape().layers; ++i)
    targets.push_back("layers." + zoft::text(i));
  auto tuner = zoft::prge({.queries = 4,
                           .epsilon = 1e-2,
                           .learning_rate = rate,
                           .schedule = zoft::linear(std::max(steps, 1u), std::min(std::max(steps, 1u), 10u)),
                           .seed = 0},
                          zoft::lora_fa{.rank = 16, .alpha = 32, .targets = targets});
  tuner.attach(model);
  auto own = tuner;
  const engines::evaluator llama(llama_cpp::loss(checkpoint, tuner.adapter()));
  zoft::engines::graph_loss engine(llama);

  if (output == "--audit") {
    const auto few = read(words, folder, "train", 1, 2);
    const auto found =
        zoft::audit([&](const zoft::candidates<float>& theta,
                        std::span<double> losses) { engine.losses(few[0].padded, theta, losses); },
                    [&](const zoft::candidates<float>& theta, std::span<double> losses) {
                      model.losses(few[0].plain, tuner.adapter().show(theta), losses);
                    },
                    tuner.adapter().parameters(), {.directions = 20, .layout = tuner.adapter().layout()});
    std::printf("%s", found.why().c_str());
    return;
  }

  side there, here;
  std::size_t right = 0, right_here = 0, same = 0, words_in_all = 0;  // of the last report
  const auto report = [&](std::uint32_t step) {
    there.loss = here.loss = 0;
    right = right_here = same = words_in_all = 0;
    for (const reviews& r : heldout) {
      float loss = 0;
      std::vector<std::int64_t> best(r.padded.predicted());
      llama(r.padded, zoft::engines::theta_of(tuner.adapter().stack()), std::span(&loss, 1), std::span(best));
      there.loss += static_cast<double>(loss) / static_cast<double>(heldout.size());
      double one = 0;
      model.losses(r.plain, own.adapter().stack(), {&one, 1});
      here.loss += one / static_cast<double>(heldout.size());
      std::vector<std::int64_t> best_here;
      for (const auto& score : model.score(r.plain, tuner.adapter())) best_here.push_back(score.best);
      right += engines::right(r.padded, best);
      right_here += engines::right(r.padded, best_here);
      words_in_all += best.size();
      for (std::size_t i = 0; i < best.size(); ++i) same += best[i] == best_here[i];
    }
    std::printf("step %3u: held-out loss %.4f, zoft::nn %.4f\n", step, there.loss, here.loss);
    std::fflush(stdout);
  };
  for (std::uint32_t step = 0; step < steps; ++step) {
    if (step % 20 == 0) report(step);
    const reviews& batch = train[step % train.size()];
    const double start = seconds();
    tuner.step([&](const zoft::low_rank_stack& adapters, std::span<double> losses) {
      engine.losses(batch.padded, adapters, losses);
    });
    const double between = seconds();
    own.step([&](const auto& adapters, std::span<double> losses) { model.losses(batch.plain, adapters, losses); });
    there.seconds += between - start;
    here.seconds += seconds() - between;
  }
  report(steps);
  std::printf("a step of 8 candidates on 8 reviews: %.2f s of the processor, zoft::nn %.2f s\n", there.seconds / steps,
              here.seconds / steps);
  std::printf(
      "held-out reviews: %zu of %zu right, zoft::nn %zu with the same adapter; %zu of %zu tokens are the same\n", right,
      8 * heldout.size(), right_here, same, words_in_all);

  engines::save(output, tuner.adapter(), model.shape());
  double now = 0;
  engine.losses(heldout[0].padded, tuner.adapter().stack(), {&now, 1});
  const float again = llama_cpp::loss(checkpoint, tuner.adapter()).with(output + "/adapter.gguf", heldout[0].padded);
  std::printf("%s/adapter.gguf, loaded by llama.cpp: loss of eight reviews %.6f, off by %.1e\n", output.c_str(),
              static_cast<double>(again), std::abs(static_cast<double>(again) - now));
}

}  // namespace

int main(int argc, char** argv) {
  const int steps = argc > 4 ? std::atoi(argv[4]) : 100;
  if (argc < 4 || argc > 6 || steps < 1) {
    std::fputs("smollm2 MODEL SST-2 OUTPUT [STEPS [RATE]], or --audit for OUTPUT: STEPS is at least 1\n", stderr);
    return 2;
  }
  try {
    run(argv[1], argv[2], argv[3], static_cast<std::uint32_t>(steps), argc > 5 ? std::atof(argv[5]) : 3e-3);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
