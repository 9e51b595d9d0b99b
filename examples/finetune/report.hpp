/// What the program prints of a run: what is run, figures, samples, cost.
#pragma once

#include <string>
#include <vector>

#include "task.hpp"
#include "trainer.hpp"

namespace finetune {

/// What the training came to.
struct outcome {
  std::uint32_t steps = 0;
  std::size_t evaluations = 0;  ///< losses asked: forwards of one candidate
  std::size_t rejected = 0;     ///< steps that were not applied, as a loss was not finite
  double seconds = 0;           ///< in steps alone
};

/// A line: what it is about, in bold, and the rest.
void say(const std::string& what, const std::string& text);

/// loss 1.2345 nats a token, accuracy 67.8 %
std::string text_of(const figures& f, const task& t);

/// What the held-out figures went from and to, in short.
std::string change(const figures& before, const figures& after, const task& t);

void introduce(const options& o, const zoft::nn::transformer& model, const task& t, const trainer& tuner);

/// Samples of the same prompts before and after.
void compare(const std::vector<sample>& before, const std::vector<sample>& after);

/// What training cost. Bytes are peaks: of one plain forward over a batch, and of the whole run; each by itself, or
/// both since the program began.
void account(const outcome& done, std::size_t plain_bytes, std::size_t run_bytes, bool by_itself);

}  // namespace finetune
