/// The demo's task, held in memory: a small Llama that writes American learns to write British, from 400 examples. It
/// is what `finetune` does without options, to the order of the examples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>
#include <zoft/core/report.hpp>
#include <zoft/io/tokenizer/llama2c.hpp>
#include <zoft/nn/transformer.hpp>

#include "../finetune/epoch_order.hpp"

namespace playground {

/// How the demo is trained. What is 0 is as in `finetune`.
struct recipe {
  std::string method = "prge";  ///< prge, or observed
  std::uint32_t steps = 0;      ///< length of the run
  std::size_t queries = 0;      ///< directions a step; of observed, of each example
  double epsilon = 0;           ///< ε
  double learning_rate = 0;     ///< η at its peak
  std::uint64_t seed = 0;       ///< names the run

  /// The same with numbers in place of every 0. Throws std::invalid_argument if the method is unknown.
  recipe complete() const;
};

/// What a look at held-out items came to.
struct figures {
  double loss = 0;        ///< nats a token of the answers
  std::size_t right = 0;  ///< answers that greedy decoding gives exactly
  std::size_t items = 0;  ///< that were looked at
};

/// A method at work on the model.
class tuner {
 public:
  virtual ~tuner() = default;
  virtual zoft::step_report step(const zoft::nn::batch& batch) = 0;
  virtual zoft::adapter_stack adapter() const = 0;  ///< as it is now
  virtual std::size_t forwards() const = 0;         ///< of a batch, that a step takes
  virtual std::size_t parameters() const = 0;       ///< that are trained
};

class demo {
 public:
  /// Reads the folder of the task. Throws std::invalid_argument if something in it is wrong.
  explicit demo(const std::string& folder);

  /// Begins a run. Throws std::invalid_argument if an option is out of range.
  void begin(const recipe& r);

  zoft::step_report step();  ///< one step on the next batch
  std::uint32_t steps() const { return steps_; }
  const recipe& how() const { return how_; }
  const tuner& run() const { return *tuner_; }

  std::size_t heldout() const { return heldout_.size(); }  ///< items
  /// Looks at held-out items first … first + count − 1.
  figures look(std::size_t first, std::size_t count) const;

  const std::string& prompt(std::size_t i) const { return heldout_[i].prompt; }
  const std::string& wanted(std::size_t i) const { return heldout_[i].answer; }
  /// What the model writes after the prompt: as it was pretrained, or with what is trained so far.
  std::string answer(const std::string& prompt, bool tuned) const;

  std::size_t parameters() const { return model_.weights_layout().size(); }  ///< of the model

 private:
  struct item {
    std::string prompt, answer;
    std::vector<std::int32_t> tokens, labels;
  };
  std::vector<item> read(const std::string& path) const;
  zoft::nn::batch batch(std::uint32_t step);

  zoft::io::llama2c_tokenizer tokenizer_;
  zoft::nn::transformer model_;
  std::vector<item> train_, heldout_;
  recipe how_;
  std::unique_ptr<tuner> tuner_;
  std::uint32_t steps_ = 0;
  finetune::epoch_order order_{0, 0};  // of the run
};

}  // namespace playground
