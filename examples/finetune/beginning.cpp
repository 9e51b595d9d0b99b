#include "beginning.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <zoft/calibrated.hpp>
#include <zoft/io/data.hpp>
#include <zoft/nn/sparing.hpp>

#include "adapter_files.hpp"
#include "items.hpp"

namespace finetune {

namespace {

std::vector<zoft::low_rank_values> calibrated(const options& o, const zoft::nn::transformer& model, const task& t) {
  constexpr std::size_t rows = 128;
  std::vector<std::string> wanted;
  for (const zoft::tensor& linear : zoft::targeted(model.layout(), o.targets, o.adapter, "linear"))
    wanted.push_back(linear.name);
  return zoft::calibrated(model.shown(t.batch(0), std::max(rows, o.rank), {o.seed, 0, 0}, wanted), o.rank,
                          zoft::seed{o.seed});
}

/// Tokens of the run's own batches, as many as are looked at.
zoft::nn::batch learned(const task& t) {
  constexpr std::size_t tokens = 2048, most_batches = 64;
  zoft::nn::batch result;
  for (std::uint32_t step = 0; step < most_batches && result.tokens() < tokens; ++step) {
    const zoft::nn::batch one = t.batch(step);
    for (std::size_t i = 0; i < one.size(); ++i) result.add(one[i]);
  }
  return result;
}

/// The file's examples, from first to last, in sequences of 256 tokens at most.
zoft::nn::batch spared(const options& o, const zoft::io::tokenizer& tokens, const zoft::nn::config& shape) {
  constexpr std::size_t wanted = 4096, longest = 256;
  const std::size_t length = std::min(longest, shape.context);
  const item_maker make(o, tokens, shape, length);
  example_maker from(o, make);
  std::vector<std::vector<std::int32_t>> pieces;
  for (const zoft::io::example& one : zoft::io::read_examples(o.spare)) {
    const std::vector<std::int32_t> all = from.from(one).choices[0].tokens;
    for (std::size_t begin = 0; begin < all.size(); begin += length)
      pieces.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(begin),
                          all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), begin + length)));
  }
  std::erase_if(pieces, [](const auto& piece) { return piece.size() < 2; });
  std::size_t available = 0;
  for (const auto& piece : pieces) available += piece.size();
  if (available < 2) refuse(o.spare + ": has no text that could be spared");
  // Pieces are as long as each other, as a rule. So each k-th has 1/k of the tokens.
  const std::size_t step = std::max<std::size_t>(1, available / wanted);
  zoft::nn::batch result;
  for (std::size_t i = 0; i < pieces.size() && result.tokens() < wanted; i += step) result.add(pieces[i]);
  return result;
}

}  // namespace

std::vector<zoft::low_rank_values> beginning_of(const options& o, const zoft::nn::transformer& model,
                                                const zoft::io::tokenizer& tokens, const task& t) {
  if (!o.adapter_from.empty()) return saved_adapter(o.adapter_from, model).values();
  if (o.calibrated) return calibrated(o, model, t);
  if (!o.spare.empty())
    return zoft::nn::sparing(model, learned(t), spared(o, tokens, model.shape()),
                             {.rank = o.rank, .targets = o.targets, .seed = zoft::seed{o.seed}});
  return {};
}

}  // namespace finetune
