#include "token_chooser.hpp"

#include <zoft/nn/token_thresholds.hpp>

#include "model.hpp"
#include "report.hpp"
#include "text.hpp"

namespace finetune {

namespace {

constexpr std::uint32_t renewed_after = 200;  // steps
constexpr std::size_t most_known = 4096;      // sequences
constexpr std::size_t most_learned = 16;      // sequences that a predictor learns from

zoft::nn::pattern_options pattern_of(const options& o) {
  return {.share = o.keep,
          .dropped = o.dropped == "seen" ? zoft::nn::dropped_tokens::seen : zoft::nn::dropped_tokens::unseen,
          .first_layer = o.keep_from};
}

}  // namespace

token_chooser::token_chooser(const options& o, const zoft::nn::transformer& model, const task& t)
    : o_(o), model_(model) {
  if (o.keep == 1) return;
  if (o.keep_by == "thresholds")
    thresholds_ = zoft::nn::find_thresholds(model, t.batch(0), {.pattern = pattern_of(o), .seed = o.seed});
  if (o.keep_by != "predictor") return;
  std::vector<std::vector<std::int32_t>> learned;
  for (std::uint32_t step = 0; step < o.steps && learned.size() < most_learned; ++step) {
    const zoft::nn::batch b = t.batch(step);
    for (std::size_t i = 0; i < b.size() && learned.size() < most_learned; ++i)
      learned.emplace_back(b[i].tokens.begin(), b[i].tokens.end());
  }
  predictor_.emplace(model, learned, zoft::nn::predictor_options{.seed = o.seed});
  say("keep", "a predictor of scores finds " + fixed(100 * predictor_->recall(o.keep), 1) +
                  " % of the blocks that scores choose in the " + zoft::text(learned.size()) +
                  " sequences it learned from");
}

zoft::nn::token_pattern token_chooser::made_for(const zoft::nn::batch::sequence& one,
                                                const zoft::adapter_stack& current) const {
  if (!thresholds_.empty())
    return zoft::nn::pattern_by_thresholds(key_scores(model_, one.tokens, current), thresholds_, one.labels,
                                           pattern_of(o_));
  return zoft::nn::pattern_by_scores(
      predictor_ ? predictor_->scores(one.tokens) : key_scores(model_, one.tokens, current), model_.shape().layers,
      one.labels, zoft::nn::ignored, pattern_of(o_));
}

token_chooser::pattern token_chooser::by_scores(const zoft::nn::batch::sequence& one, std::uint32_t step,
                                                const zoft::adapter_stack& current) {
  const std::vector<std::int32_t> tokens(one.tokens.begin(), one.tokens.end());
  const auto found = known_.find(tokens);
  if (found != known_.end() && step - found->second.step < renewed_after) return found->second.what;
  if (known_.size() >= most_known) known_.clear();
  const auto result = std::make_shared<const zoft::nn::token_pattern>(made_for(one, current));
  known_[tokens] = {result, step};
  return result;
}

zoft::nn::batch token_chooser::chosen(const zoft::nn::batch& b, std::uint32_t step,
                                      const zoft::adapter_stack& current) {
  if (o_.keep == 1) return b;
  zoft::nn::batch result;
  result.among({b.among().begin(), b.among().end()});
  for (std::size_t i = 0; i < b.size(); ++i) {
    const auto one = b[i];
    const std::uint64_t own_seed = o_.seed + (std::uint64_t{i} << 32);
    const pattern kept =
        o_.keep_by == "seed"
            ? std::make_shared<const zoft::nn::token_pattern>(zoft::nn::pattern_by_seed(
                  own_seed, step, model_.shape().layers, one.labels, zoft::nn::ignored, pattern_of(o_)))
            : by_scores(one, step, current);
    result.add(one.tokens, labels_of_kept(*kept, one.labels, zoft::nn::ignored), kept);
  }
  return result;
}

}  // namespace finetune
