// How well slopes along random directions survive if tokens are left out, and what that saves:
//
//     token_patterns MODEL TEXT LENGTH LABELS DIRECTIONS SHARES
//         [weights=bf16] [tokenizer=PATH] [by=scores,seed,first,last,predictor] [dropped=seen,unseen]
//         [from=0] [layers=same,own]
//
// Trains nothing. For sequences of the text, of which the last LABELS tokens are to be predicted, LoRA-FA of rank 8 on
// all linears is moved by ±ε along each direction, and (loss(+) − loss(−))/2ε is computed with all tokens, and with
// patterns that keep a share of them: those of greatest score, some that a seed chooses, the first ones, and the last
// ones, or those of a predictor of scores that learns from 16 other sequences; labels that no kept token predicts do
// not count. Lists are joined by commas; `from` is the first layer that leaves out any, and `layers` whether all keep
// the same tokens. Prints a line of JSON for each pattern: ρ, the cosine of its slopes with the dense ones over all
// directions, and the processor's time for its forwards, on one thread, beside that of the dense ones. What counts is
// progress in time, speed-up · ρ². The recall is the share of the blocks of greatest score, in each layer, that are
// among those it would choose.
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/io/tokenizer.hpp>
#include <zoft/nn/score_predictor.hpp>
#include <zoft/sampler/gaussian.hpp>

#include "program.hpp"

namespace {

using zoft::nn::dropped_tokens;

struct pattern_kind {
  std::string chosen_by;
  zoft::nn::pattern_options options = {};
  std::vector<double> slopes = {};
  double seconds = 0, recall = 0;
};

constexpr double epsilon = 1e-2;

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) ab += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
  return ab / std::sqrt(aa * bb);
}

int run(const std::vector<std::string>& given) {
  const std::size_t length = models::number(given[2]), labelled = models::number(given[3]),
                    directions = models::number(given[4]);
  const auto list = [&](const char* name, const char* otherwise) {
    return models::split(models::named(given, name, otherwise), ',');
  };
  const auto model =
      zoft::nn::load(given[0], {.weights = models::type_named(models::named(given, "weights", "bf16")), .threads = 1});
  const auto words = zoft::io::load_tokenizer(models::named(given, "tokenizer", given[0]));
  const auto ids = words.encode(models::read(given[1]));
  auto adapter = zoft::lora_fa{.rank = 8, .alpha = 16}.attach(model.layout(), zoft::seed{1});
  const std::size_t size = adapter.parameters().size(), layers = model.shape().layers, blocks = (length + 63) / 64;

  std::vector<pattern_kind> kinds{{"all"}};
  for (const std::string& share : models::split(given[5], ','))
    for (const std::string& by : list("by", "scores,seed,first,last"))
      for (const std::string& dropped : list("dropped", "seen,unseen"))
        for (const std::string& from : list("from", "0"))
          for (const std::string& same : list("layers", "same,own"))
            if (by == "scores" || by == "seed" || same == "same")
              kinds.push_back({by,
                               {.share = std::stod(share),
                                .dropped = dropped == "seen" ? dropped_tokens::seen : dropped_tokens::unseen,
                                .first_layer = std::stoul(from),
                                .same = same == "same"}});

  constexpr std::size_t of_a_sequence = 10;  // directions
  const std::size_t sequences = (directions + of_a_sequence - 1) / of_a_sequence;
  const auto place = [&](std::size_t i, std::size_t of) { return i * (ids.size() - length) / of; };
  std::optional<zoft::nn::score_predictor> predictor;
  if (std::any_of(kinds.begin(), kinds.end(), [](const auto& kind) { return kind.chosen_by == "predictor"; })) {
    std::vector<std::vector<std::int32_t>> learned;
    for (std::size_t i = 0; learned.size() < 16; ++i) {
      const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(place(2 * i + 1, 32));
      learned.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(length));
    }
    predictor.emplace(model, learned);
  }
  std::vector<float> points(2 * of_a_sequence * size);
  for (std::size_t done = 0, sequence = 0; done < directions; done += of_a_sequence, ++sequence) {
    const std::span<const std::int32_t> tokens(ids.data() + place(sequence, sequences), length);
    std::vector<std::int32_t> labels(tokens.begin(), tokens.end());
    std::fill(labels.begin(), labels.end() - static_cast<std::ptrdiff_t>(std::min(labelled, length)),
              zoft::nn::ignored);
    const std::size_t n = std::min(of_a_sequence, directions - done);
    for (std::size_t i = 0; i < 2 * n; ++i) {
      const std::span<float> at(points.data() + i * size, size);
      std::copy_n(adapter.parameters().data(), size, at.data());
      zoft::gaussian{}.axpy(at, static_cast<float>(i % 2 == 0 ? epsilon : -epsilon),
                            zoft::direction{7, static_cast<std::uint32_t>(done + i / 2), 0});
    }
    const std::vector<double> scores = model.key_scores(tokens);
    const auto pattern_of = [&](pattern_kind& kind) -> std::shared_ptr<const zoft::nn::token_pattern> {
      if (kind.chosen_by == "all") return nullptr;
      if (kind.chosen_by == "seed")
        return std::make_shared<const zoft::nn::token_pattern>(zoft::nn::pattern_by_seed(
            3, static_cast<std::uint32_t>(sequence), layers, labels, zoft::nn::ignored, kind.options));
      std::vector<double> own = kind.chosen_by == "predictor" ? predictor->scores(tokens) : scores;
      for (std::size_t i = 0; i < own.size(); ++i) {
        const auto at = static_cast<double>(i % blocks);
        if (kind.chosen_by == "first") own[i] = -at;
        if (kind.chosen_by == "last") own[i] = at;
      }
      kind.recall += zoft::nn::recall_of(own, scores, layers, kind.options.share) / static_cast<double>(sequences);
      return std::make_shared<const zoft::nn::token_pattern>(
          zoft::nn::pattern_by_scores(own, layers, labels, zoft::nn::ignored, kind.options));
    };
    for (pattern_kind& kind : kinds) {
      zoft::nn::batch b;
      const auto pattern = pattern_of(kind);
      b.add(tokens, pattern == nullptr ? labels : labels_of_kept(*pattern, labels, zoft::nn::ignored), pattern);
      std::vector<double> losses(2 * n);
      kind.seconds += models::processor_seconds_of([&] {
        for (std::size_t i = 0; i < n; ++i)
          model.losses(b, adapter.show(zoft::candidates<float>(points.data() + 2 * i * size, 2, size)),
                       std::span(losses).subspan(2 * i, 2));
      });
      for (std::size_t i = 0; i < n; ++i) kind.slopes.push_back((losses[2 * i] - losses[2 * i + 1]) / (2 * epsilon));
    }
  }
  const pattern_kind& dense = kinds[0];
  for (const pattern_kind& kind : kinds) {
    const double rho = cosine(dense.slopes, kind.slopes), faster = dense.seconds / kind.seconds;
    models::print({{"chosen by", kind.chosen_by},
                   {"dropped", kind.options.dropped == dropped_tokens::seen ? "seen" : "unseen"},
                   {"share", kind.options.share},
                   {"first layer", kind.options.first_layer},
                   {"same in all layers", kind.options.same},
                   {"rho", rho},
                   {"speed-up", faster},
                   {"progress", faster * rho * rho},
                   {"recall", kind.recall},
                   {"seconds", kind.seconds}});
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 7) {
    std::cerr << "token_patterns MODEL TEXT LENGTH LABELS DIRECTIONS SHARES [weights=bf16] [tokenizer=PATH]\n"
                 "    [by=scores,seed,first,last,predictor] [dropped=seen,unseen] [from=0] [layers=same,own]\n";
    return 2;
  }
  return models::run([&] { return run({arguments + 1, arguments + count}); });
}
