/// What is learned: where the batches come from, and how well a model does on what was held out.
#pragma once

#include <limits>
#include <memory>
#include <string>
#include <vector>
#include <zoft/io/tokenizer.hpp>
#include <zoft/nn/transformer.hpp>

#include "options.hpp"

namespace finetune {

struct figures {
  double loss = 0;                                          ///< nats a token
  double share = std::numeric_limits<double>::quiet_NaN();  ///< of items that are right; NaN where there are no items
};

/// What a model makes of a prompt.
struct sample {
  std::string prompt, text, wanted;  ///< wanted is empty where nobody knows
};

class task {
 public:
  virtual ~task() = default;

  /// The batch of a step: a pure function of the run's seed and the step.
  virtual zoft::nn::batch batch(std::uint32_t step) const = 0;

  virtual figures evaluate(const zoft::nn::transformer& model, const zoft::adapter_stack& adapter) const = 0;

  /// Prompts, and what the model writes behind them. Which prompts is always the same.
  virtual std::vector<sample> samples(const zoft::nn::transformer& model, const zoft::adapter_stack& adapter) const = 0;

  virtual std::string description() const = 0;
  virtual const char* share_name() const = 0;        ///< "accuracy", "exact match"; empty where there is none
  virtual std::string remark() const { return {}; }  ///< something about the data that a user should know
};

/// The model's shape, with the context that is left for sequences: a prefix takes some of it. Throws where none is.
zoft::nn::config room(const options& o, const zoft::nn::transformer& model);

/// Of that shape.
std::unique_ptr<task> make_text_task(const options& o, const zoft::io::tokenizer& tokens,
                                     const zoft::nn::config& shape);
std::unique_ptr<task> make_item_task(const options& o, const zoft::io::tokenizer& tokens,
                                     const zoft::nn::config& shape);

/// How samples of so many tokens are generated: until the end of the text, or of a turn.
zoft::nn::generation generation_of(const options& o, const zoft::io::tokenizer& tokens, std::size_t most);

/// What a sequence has room in, for messages.
std::string context_of(const options& o);

/// --length, or what is usual and fits where it is not given. Throws where it is beyond the context.
std::size_t sequence_length(const options& o, const zoft::nn::config& shape);

/// A remark where the tokenizer has no tokens for a part of the text.
std::string unknown_remark(std::size_t unknown, std::size_t all);

}  // namespace finetune
