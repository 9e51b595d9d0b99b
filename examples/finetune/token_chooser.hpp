/// Which tokens of a step's sequences take part: --keep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>
#include <zoft/nn/score_predictor.hpp>
#include <zoft/nn/transformer.hpp>

#include "options.hpp"
#include "task.hpp"

namespace finetune {

/// Gives each sequence of a batch a pattern of tokens, before anything is perturbed. By scores, a pattern takes a
/// forward; it is kept for the next steps of the same sequence. Predictor and thresholds are made from the first
/// batches.
class token_chooser {
 public:
  token_chooser(const options& o, const zoft::nn::transformer& model, const task& t);

  /// The batch of that step with patterns; `current` is the adapter as it stands.
  zoft::nn::batch chosen(const zoft::nn::batch& b, std::uint32_t step, const zoft::adapter_stack& current);

 private:
  using pattern = std::shared_ptr<const zoft::nn::token_pattern>;
  struct made {
    pattern what;
    std::uint32_t step;
  };

  pattern by_scores(const zoft::nn::batch::sequence& one, std::uint32_t step, const zoft::adapter_stack& current);
  zoft::nn::token_pattern made_for(const zoft::nn::batch::sequence& one, const zoft::adapter_stack& current) const;

  const options& o_;
  const zoft::nn::transformer& model_;
  std::optional<zoft::nn::score_predictor> predictor_;
  std::vector<double> thresholds_;
  std::map<std::vector<std::int32_t>, made> known_;
};

}  // namespace finetune
