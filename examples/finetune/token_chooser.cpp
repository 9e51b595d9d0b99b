#include "token_chooser.hpp"

namespace finetune {

namespace {

constexpr std::uint32_t renewed_after = 200;  // steps
constexpr std::size_t most_known = 4096;      // sequences

zoft::nn::pattern_options pattern_of(const options& o) {
  return {.share = o.keep,
          .dropped = o.dropped == "seen" ? zoft::nn::dropped_tokens::seen : zoft::nn::dropped_tokens::unseen,
          .first_layer = o.keep_from};
}

}  // namespace

token_chooser::pattern token_chooser::by_scores(const zoft::nn::batch::sequence& one, std::uint32_t step,
                                                const zoft::adapter_stack& current) {
  const std::vector<std::int32_t> tokens(one.tokens.begin(), one.tokens.end());
  const auto found = known_.find(tokens);
  if (found != known_.end() && step - found->second.step < renewed_after) return found->second.what;
  if (known_.size() >= most_known) known_.clear();
  const auto result = std::make_shared<const zoft::nn::token_pattern>(zoft::nn::pattern_by_scores(
      model_.key_scores(one.tokens, current), model_.shape().layers, one.labels, zoft::nn::ignored, pattern_of(o_)));
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
    result.add(one.tokens, one.labels,
               o_.keep_by == "seed"
                   ? std::make_shared<const zoft::nn::token_pattern>(zoft::nn::pattern_by_seed(
                         own_seed, step, model_.shape().layers, one.labels, zoft::nn::ignored, pattern_of(o_)))
                   : by_scores(one, step, current));
  }
  return result;
}

}  // namespace finetune
