// Compares an engine with zoft::nn on the same model: losses, slopes, answers, and the time of a step.
//
//   compare [ADAPTER]                  the demo's model; with an adapter that `tune` wrote, its held-out answers too
//   compare MODEL TOKENIZER TEXT       a model that zoft reads, a tokenizer of llama2.c, and any text
//   compare --models MODEL...          losses and slopes of models, on tokens at random
//   compare --finds WORDS ...          the same of an engine that is wrong: zoft::audit must find what has these words
//
// Ends with status 1 if losses differ by more than 1e-4, slopes are correlated less than 0.9999, an answer differs, or
// zoft::audit has findings. With --finds: if it has not that one.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <exception>
#include <string>
#include <vector>
#include <zoft/adapter/lora.hpp>
#include <zoft/audit.hpp>
#include <zoft/engines/graph_loss.hpp>
#include <zoft/io/checkpoint.hpp>
#include <zoft/nn/transformer.hpp>
#include <zoft/prge.hpp>
#include <zoft/random/philox.hpp>

#include "adapter_files.hpp"
#include "engine.hpp"
#include "pairs.hpp"

namespace engines {
namespace {

/// Whether every held-out token that one would answer is the other's, if the words before it are right.
bool same_answers(const std::string& folder, const zoft::io::llama2c_tokenizer& tokenizer,
                  const zoft::nn::transformer& model, const zoft::low_rank_adapter& adapter, const evaluator& answers) {
  const auto items = read_pairs(folder + "/heldout.pairs", tokenizer);
  const auto batches = batches_of<padded_batch>(items, 50);
  const auto plain = batches_of<zoft::nn::batch>(items, 50);
  std::size_t tokens = 0, same = 0, hits = 0, hits_there = 0;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    float loss = 0;
    std::vector<std::int64_t> best(batches[i].predicted()), there;
    answers(batches[i], zoft::engines::theta_of(adapter.stack()), std::span(&loss, 1), std::span(best));
    for (const auto& score : model.score(plain[i], adapter)) there.push_back(score.best);
    for (std::size_t t = 0; t < best.size(); ++t) same += best[t] == there[t];
    tokens += best.size();
    hits += right(batches[i], best);
    hits_there += right(batches[i], there);
  }
  std::printf("held-out answers: %zu of %zu right, zoft::nn %zu; %zu of %zu tokens are the same\n", hits, items.size(),
              hits_there, same, tokens);
  return same == tokens;
}

/// Whether the audit found nothing or, if words are given, what has these words.
bool as_expected(const zoft::audit_report& found, const std::string& words) {
  if (words.empty()) return found.findings.empty() && found.reference->correlation >= 0.9999;
  return std::ranges::any_of(found.findings, [&](const std::string& f) { return f.find(words) != std::string::npos; });
}

/// Median milliseconds of the processor for each of two steps, taken in turns.
template <class A, class B>
std::pair<double, double> times(A first, B second) {
  std::vector<double> of_first, of_second;
  const auto measure = [](auto& step, std::vector<double>& to) {
    const std::clock_t start = std::clock();
    step();
    to.push_back(1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  };
  for (int i = 0; i < 101; ++i) {
    measure(first, of_first);
    measure(second, of_second);
  }
  const auto median = [](std::vector<double>& v) {
    std::nth_element(v.begin(), v.begin() + 50, v.end());
    return v[50];
  };
  return {median(of_first), median(of_second)};
}

/// `from` is the folder of an adapter; empty: a new one.
bool compare(const engine& with, const std::string& path, const std::string& vocabulary, const std::string& text,
             const std::string& from, const std::string& words) {
  const zoft::io::checkpoint checkpoint = zoft::io::open_checkpoint(path);
  const zoft::nn::transformer model(checkpoint, {.threads = 1});
  const zoft::io::llama2c_tokenizer tokenizer(vocabulary);
  const auto batch = batch_of<padded_batch>(text, tokenizer, 4, 64);
  const auto plain = batch_of<zoft::nn::batch>(text, tokenizer, 4, 64);

  auto tuner = zoft::prge(
      {.queries = 4, .epsilon = 1e-2, .learning_rate = 3e-4, .seed = 0},
      from.empty() ? zoft::lora_fa{.rank = 8, .alpha = 16} : read_adapter(from, model.shape(), model.layout()));
  tuner.attach(model);
  const zoft::low_rank_adapter& adapter = tuner.adapter();
  zoft::engines::graph_loss loss(with.make(checkpoint, adapter, false));

  const auto found = zoft::audit(
      [&](const zoft::candidates<float>& theta, std::span<double> losses) { loss.losses(batch, theta, losses); },
      [&](const zoft::candidates<float>& theta, std::span<double> losses) {
        model.losses(plain, adapter.show(theta), losses);
      },
      adapter.parameters(), {.layout = adapter.layout()});
  std::printf("%s", found.why().c_str());
  bool good = as_expected(found, words);
  if (!words.empty()) return good;
  good = std::abs(found.loss - found.reference->loss) <= 1e-4 && good;

  if (!from.empty()) good = same_answers(path, tokenizer, model, adapter, with.make(checkpoint, adapter, true)) && good;
  auto own = tuner;
  const auto [there, here] = times(
      [&] {
        tuner.step([&](const auto& adapters, std::span<double> losses) { loss.losses(batch, adapters, losses); });
      },
      [&] {
        own.step([&](const auto& adapters, std::span<double> losses) { model.losses(plain, adapters, losses); });
      });
  std::printf("a step of 8 candidates on 4 x 64 tokens, %zu numbers: %s %.1f ms, zoft::nn %.1f ms\n",
              adapter.parameters().size(), with.name.c_str(), there, here);
  return good;
}

/// Losses and slopes with adapters of both kinds, on sequences of different lengths.
bool agrees(const engine& with, const std::string& path, const std::string& words) {
  const zoft::io::checkpoint checkpoint = zoft::io::open_checkpoint(path);
  const zoft::nn::transformer model(checkpoint, {.threads = 1});
  const zoft::nn::config& shape = model.shape();
  padded_batch batch;
  zoft::nn::batch plain;
  for (std::uint32_t i = 0; i < 3; ++i) {
    std::vector<std::int32_t> tokens;
    for (std::uint32_t t = 0; t < std::min<std::size_t>(shape.context, 20) - 3 * i; ++t)
      tokens.push_back(static_cast<std::int32_t>(zoft::philox4x32({i, t, 0, 0}, {0, 0})[0] % shape.vocabulary));
    std::vector<std::int32_t> labels = tokens;
    std::fill_n(labels.begin(), 4 * i, -100);
    batch.add(tokens, labels);
    plain.add(tokens, labels);
  }
  const auto agrees_with = [&](const auto& kind, const char* name) {
    const zoft::low_rank_adapter adapter = kind.attach(model.layout(), zoft::seed{1});
    zoft::engines::graph_loss loss(with.make(checkpoint, adapter, false));
    const auto found = zoft::audit(
        [&](const zoft::candidates<float>& theta, std::span<double> losses) { loss.losses(batch, theta, losses); },
        [&](const zoft::candidates<float>& theta, std::span<double> losses) {
          model.losses(plain, adapter.show(theta), losses);
        },
        adapter.parameters(), {.epsilon = 0.05, .radii = {0.02}, .directions = 20, .layout = adapter.layout()});
    std::printf("%s, %s: loss %.6f, off by %.1e; slopes correlated 1 - %.1e\n", path.c_str(), name, found.loss,
                std::abs(found.loss - found.reference->loss), 1 - found.reference->correlation);
    for (const std::string& finding : found.findings) std::printf("  %s\n", finding.c_str());
    return as_expected(found, words);
  };
  const bool only_b = agrees_with(zoft::lora_fa{.rank = 2, .alpha = 4}, "lora_fa");
  if (!with.trains_a) return only_b;
  return agrees_with(zoft::lora{.rank = 2, .alpha = 4, .targets = {"v_proj", "down_proj"}}, "lora") && only_b;
}

}  // namespace

int compare(int argc, char** argv, const engine& with) {
  const std::string folder = ZOFT_DEFAULT_TASK;
  std::vector<std::string> rest(argv + 1, argv + argc);
  std::string words;
  if (rest.size() > 1 && rest[0] == "--finds") {
    words = rest[1];
    rest.erase(rest.begin(), rest.begin() + 2);
  }
  const bool models = rest.size() > 1 && rest[0] == "--models";
  if (!models && (rest.size() == 2 || rest.size() > 3)) {
    std::fputs("compare [ADAPTER], compare MODEL TOKENIZER TEXT, or compare --models MODEL...\n", stderr);
    return 2;
  }
  try {
    bool good = true;
    if (models)
      for (std::size_t i = 1; i < rest.size(); ++i) good = agrees(with, rest[i], words) && good;
    else if (rest.size() == 3)
      good = compare(with, rest[0], rest[1], rest[2], "", words);
    else
      good =
          compare(with, folder, folder + "/tokenizer.bin", folder + "/train.pairs", rest.empty() ? "" : rest[0], words);
    return good ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}

}  // namespace engines
