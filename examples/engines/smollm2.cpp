// A real model through an engine: SmolLM2-135M, from the GGUF file that people have. It learns from reviews (SST-2) to
// say whether they are positive. The same steps are made in zoft::nn beside it, in float.
//
//   smollm2 MODEL SST-2 OUTPUT [STEPS [RATE]]     the folder of the task's files, and one for the adapter
//   smollm2 MODEL SST-2 --audit                   what zoft::audit says of the engine
//   smollm2 MODEL SST-2 --alone WHICH [STEPS]     time and memory of one of both: engine, or zoft::nn
//   smollm2 --test MODEL SST-2 ...                in the folders that tests look at, ZOFT_MODELS and ZOFT_DATA; it
//                                                 takes less of both, and ends with 77 if one is not there
//
// Ends with status 1 if the engine differs from zoft::nn by more than it may (engine::most).
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <filesystem>
#include <span>
#include <string>
#include <vector>
#include <zoft/audit.hpp>
#include <zoft/engines/graph_loss.hpp>
#include <zoft/io/data/tasks.hpp>
#include <zoft/io/onnx.hpp>
#include <zoft/io/tokenizer.hpp>
#include <zoft/nn/transformer.hpp>
#include <zoft/prge.hpp>
#include <zoft/schedule/linear.hpp>

#include "adapter_files.hpp"
#include "engine.hpp"
#include "pairs.hpp"

namespace engines {
namespace {

constexpr double epsilon = 4e-2;  // from which on activations of 8 bits, as llama.cpp has them, can be trained through

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

/// LoRA-FA on the upper six blocks, at its start.
auto tuner_of(const zoft::io::checkpoint& model, std::uint32_t steps, double rate) {
  std::vector<std::string> targets;
  for (std::size_t i = model.shape().layers - 6; i < model.shape().layers; ++i)
    targets.push_back("layers." + zoft::text(i));
  auto tuner = zoft::prge({.queries = 4,
                           .epsilon = epsilon,
                           .learning_rate = rate,
                           .schedule = zoft::linear(steps, std::min(steps, 10u)),
                           .seed = 0},
                          zoft::lora_fa{.rank = 16, .alpha = 32, .targets = targets});
  tuner.attach(zoft::io::linears_of(model));
  return tuner;
}

/// In float, as engines compute.
zoft::nn::transformer own_model(const zoft::io::checkpoint& model) {
  return {model, {.weights = zoft::nn::dtype::f32, .threads = 1}};
}

/// Seconds of the processor, of which both use one.
double seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

bool audit(const engine& with, const zoft::io::checkpoint& checkpoint, const reviews& few, bool is_test) {
  const zoft::nn::transformer model = own_model(checkpoint);
  const auto tuner = tuner_of(checkpoint, 1, 0);
  const zoft::low_rank_adapter& adapter = tuner.adapter();
  zoft::engines::graph_loss loss(with.make(checkpoint, adapter, false));
  const auto found = zoft::audit(
      [&](const zoft::candidates<float>& theta, std::span<double> losses) { loss.losses(few.padded, theta, losses); },
      [&](const zoft::candidates<float>& theta, std::span<double> losses) {
        model.losses(few.plain, adapter.show(theta), losses);
      },
      adapter.parameters(),
      {.epsilon = epsilon,
       .radii = is_test ? std::vector{4 * epsilon}
                        : std::vector{epsilon / 256, epsilon / 64, epsilon / 16, epsilon / 4, 4 * epsilon},
       .directions = is_test ? 5u : 20u,
       .layout = adapter.layout(),
       .most_difference = with.most.loss});
  std::printf("%s", found.why().c_str());
  return found.findings.empty() && 1 - found.reference->correlation <= with.most.correlation;
}

struct report {
  double loss = 0, own = 0;        ///< held out
  std::vector<std::int64_t> best;  ///< the engine's words
  std::size_t right = 0;           ///< reviews that it gets right
};

bool train(const engine& with, const zoft::io::checkpoint& checkpoint, const std::vector<reviews>& data,
           const std::vector<reviews>& heldout, const std::string& output, std::uint32_t steps, double rate) {
  const zoft::nn::transformer model = own_model(checkpoint);
  auto tuner = tuner_of(checkpoint, steps, rate), own = tuner;
  const evaluator answers = with.make(checkpoint, tuner.adapter(), /*best*/ true);
  zoft::engines::graph_loss engine(answers);

  const auto look = [&](std::uint32_t step) {
    report r;
    for (const reviews& each : heldout) {
      float loss = 0;
      std::vector<std::int64_t> best(each.padded.predicted());
      answers(each.padded, zoft::engines::theta_of(tuner.adapter().stack()), std::span(&loss, 1), std::span(best));
      r.loss += static_cast<double>(loss) / static_cast<double>(heldout.size());
      double one = 0;
      model.losses(each.plain, own.adapter().stack(), {&one, 1});
      r.own += one / static_cast<double>(heldout.size());
      r.right += right(each.padded, best);
      r.best.insert(r.best.end(), best.begin(), best.end());
    }
    std::printf("step %3u: held-out loss %.4f, zoft::nn %.4f\n", step, r.loss, r.own);
    std::fflush(stdout);
    return r;
  };
  report before, now;
  double there = 0, here = 0;
  for (std::uint32_t step = 0; step < steps; ++step) {
    if (step == 0)
      before = look(step);
    else if (step % 20 == 0)
      look(step);
    const reviews& batch = data[step % data.size()];
    const double start = seconds();
    tuner.step([&](const zoft::low_rank_stack& adapters, std::span<double> losses) {
      engine.losses(batch.padded, adapters, losses);
    });
    const double between = seconds();
    own.step([&](const auto& adapters, std::span<double> losses) { model.losses(batch.plain, adapters, losses); });
    there += between - start;
    here += seconds() - between;
  }
  now = look(steps);
  std::printf("before the first step, the losses differ by %.1e\n", std::abs(before.loss - before.own));
  std::printf("a step of 8 candidates on 8 reviews: %.2f s of the processor, zoft::nn %.2f s\n", there / steps,
              here / steps);

  // The adapter in zoft::nn, from its files.
  save(output, tuner.adapter(), model.shape());
  const auto saved = read_adapter(output, model.shape(), model.layout()).attach(model.layout(), zoft::seed{0});
  std::size_t right_here = 0, same = 0, next = 0;
  for (const reviews& each : heldout) {
    std::vector<std::int64_t> best;
    for (const auto& score : model.score(each.plain, saved)) best.push_back(score.best);
    right_here += right(each.padded, best);
    for (const std::int64_t word : best) same += word == now.best.at(next++);
  }
  std::printf("held-out reviews: %zu right, %zu before the first step; zoft::nn %zu with the saved adapter\n",
              now.right, before.right, right_here);
  std::printf("%zu of %zu words are the same\n", same, now.best.size());
  bool good = std::abs(before.loss - before.own) <= with.most.loss &&
              static_cast<double>(now.best.size() - same) <= with.most.words * static_cast<double>(now.best.size());
  if (with.loss_of_saved) {
    double kept = 0;
    engine.losses(heldout[0].padded, tuner.adapter().stack(), {&kept, 1});
    const double again = with.loss_of_saved(checkpoint, tuner.adapter(), output, heldout[0].padded);
    std::printf("the saved adapter, loaded by %s: loss of eight reviews %.6f, off by %.1e\n", with.name.c_str(), again,
                std::abs(again - kept));
    good = std::abs(again - kept) <= 1e-5 && good;
  }
  return good;
}

/// Steps of one of both, with nothing else in memory.
void alone(const engine& with, const zoft::io::checkpoint& checkpoint, const std::vector<reviews>& data, bool own,
           std::uint32_t steps) {
  auto tuner = tuner_of(checkpoint, steps, 0);
  const double start = seconds();
  double ready = 0;
  const auto run = [&](auto loss) {
    ready = seconds();
    for (std::uint32_t step = 0; step < steps; ++step)
      tuner.step([&](const zoft::low_rank_stack& adapters, std::span<double> losses) {
        loss(data[step % data.size()], adapters, losses);
      });
  };
  if (own) {
    const zoft::nn::transformer model = own_model(checkpoint);
    run([&](const reviews& r, const auto& adapters, std::span<double> losses) {
      model.losses(r.plain, adapters, losses);
    });
  } else {
    zoft::engines::graph_loss loss(with.make(checkpoint, tuner.adapter(), false));
    run([&](const reviews& r, const auto& adapters, std::span<double> losses) {
      loss.losses(r.padded, adapters, losses);
    });
  }
  const double end = seconds();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%s: %.1f s of the processor until it was ready, %.2f s a step, and %ld MB at its peak\n",
              own ? "zoft::nn" : with.name.c_str(), ready - start, (end - ready) / steps, usage.ru_maxrss / 1000);
}

/// Completes the path, and says if there is no such file.
bool find(std::string& path, const char* variable, const char* usual, const engine& with) {
  const char* const given = std::getenv(variable);
  path = (given != nullptr ? given : usual) + ("/" + path);
  if (std::filesystem::exists(path)) return true;
  std::printf("SKIPPED: %s with SmolLM2, as there is no %s (%s names the folder)\n", with.name.c_str(), path.c_str(),
              variable);
  return false;
}

}  // namespace

int smollm2(int argc, char** argv, const engine& with) {
  std::vector<std::string> rest(argv + 1, argv + argc);
  const bool is_test = !rest.empty() && rest[0] == "--test";
  if (is_test) rest.erase(rest.begin());
  const bool audits = rest.size() == 3 && rest[2] == "--audit";
  const bool is_alone = rest.size() > 3 && rest[2] == "--alone";
  const int steps = rest.size() > 3u + is_alone ? std::atoi(rest[3u + is_alone].c_str()) : is_alone ? 2 : 60;
  if (rest.size() < 3 || rest.size() > 5 || steps < 1 || (is_alone && rest[3] != "engine" && rest[3] != "zoft::nn")) {
    std::fputs(
        "smollm2 MODEL SST-2 OUTPUT [STEPS [RATE]], or for OUTPUT --audit, --alone engine [STEPS] or --alone zoft::nn "
        "[STEPS]; STEPS is at least 1\n",
        stderr);
    return 2;
  }
  if (is_test &&
      !(find(rest[0], "ZOFT_MODELS", "build/models", with) && find(rest[1], "ZOFT_DATA", "../shared/data", with)))
    return 77;
  try {
    const zoft::io::checkpoint checkpoint = zoft::io::open_checkpoint(rest[0]);
    const auto words = zoft::io::load_tokenizer(rest[0]);
    if (audits) return audit(with, checkpoint, read(words, rest[1], "train", 1, 2).at(0), is_test) ? 0 : 1;
    const auto data = read(words, rest[1], "train", 64, 8);
    const auto count = static_cast<std::uint32_t>(steps);
    if (!is_alone)
      return train(with, checkpoint, data, read(words, rest[1], "dev", is_test ? 2 : 16, 8), rest[2], count,
                   rest.size() > 4 ? std::atof(rest[4].c_str()) : 3e-2)
                 ? 0
                 : 1;
    alone(with, checkpoint, data, rest[3] == "zoft::nn", count);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
  return 0;
}

}  // namespace engines
