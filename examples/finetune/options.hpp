/// What the program is asked to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>
#include <zoft/core/dtype.hpp>
#include <zoft/nn/model/criterion.hpp>

#include "recipe.hpp"
#include "text.hpp"

namespace finetune {

struct options : recipe {
  std::string model, tokenizer;                 ///< where the model came with, if not given
  std::string text, labelled, pairs, examples;  ///< a file; at most one of them is given, or a task
  std::string task, task_data;                  ///< a classification task by name, and the folder of its files
  std::size_t train_items = 0;                  ///< of a task: how many examples are trained on; 0: all
  std::string chat_format, system;              ///< of chats: a format's name, and a message before the others
  data_kind kind = data_kind::pairs;            ///< which
  std::string data;                             ///< that file
  std::string heldout;                          ///< a file of labelled lines or pairs; none: every tenth of data
  std::size_t heldout_tokens = 50000, heldout_items = 1000;  ///< how many of the held-out are looked at; 0: all
  bool is_default = false;                                   ///< the task that ships with the program

  std::string words;
  std::string prompt_template = "{text} It was {word}";
  std::string separator = "\n";

  std::string method = "prge", adapter = "lora_fa", objective = "loss";
  std::vector<std::string> targets;
  double keep = 1;                                   ///< share of the tokens that layers keep
  std::string keep_by = "seed", dropped = "unseen";  ///< what chooses them; whether the others are seen
  std::size_t rows = 16;                             ///< of an observed direction
  std::size_t keep_from = 0;                         ///< layers before this keep all
  std::uint64_t seed = 0;
  std::size_t threads = 0;
  std::size_t activation_cache = 0;  ///< MB
  zoft::nn::dtype weights = zoft::nn::dtype::f32;

  static constexpr std::uint32_t unset = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t evaluate_every = unset;  ///< steps; 0: only before and after
  std::string adapter_from;              ///< a folder of an adapter to begin with
  bool calibrated = false;               ///< A begins with the directions of what linears are given
  std::string spare;                     ///< text on which the adapter is to change nothing
  bool evaluate_only = false;
  bool merge = false;      ///< write the whole model in place of the adapter
  double temperature = 0;  ///< of samples
  std::string output = "zoft-output";
  std::string resume;      ///< the folder of a run that was stopped: all other options are those of that run
  std::uint32_t undo = 0;  ///< steps of it that are forgotten first
  std::vector<std::string> arguments;  ///< as they were given, to be written into the journal
  std::string prompt;                  ///< of the generated sample; none: held-out ones
  std::size_t sample_tokens = 64;
};

/// What --objective minimises, and in words: "loss", "1 - accuracy", "1 - exact match".
zoft::nn::criterion criterion_of(const options& o);
std::string objective_text(const options& o);

/// Throws std::invalid_argument with one line that names the option. Returns false where all that was asked for is the
/// help, which it has printed.
bool parse(int argc, char** argv, options& o);

}  // namespace finetune
