/// The numbers of a run that suit one task and not another: what the command line leaves out comes from here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <zoft/core/schedule.hpp>

namespace finetune {

enum class data_kind { text, labelled, pairs, examples, task };

struct recipe {
  std::size_t rank = 8;           ///< r of lora and lora_fa
  double alpha = 16;              ///< their additions are scaled by alpha / rank
  std::size_t prefix_length = 5;  ///< tokens of prefix
  std::size_t queries = 4;        ///< directions a step
  double epsilon = 1e-2;          ///< smoothing radius
  double learning_rate = 1e-2;    ///< at the peak of the schedule
  std::string schedule = "linear";
  std::uint32_t warmup = 0;  ///< steps over which the rate rises
  double decay = 0;          ///< weight decay, decoupled
  std::size_t batch = 8;     ///< sequences a step
  std::size_t length = 0;    ///< tokens of a sequence; 0: usual_length, or the model's context if that is less
  std::size_t usual_length = 128;
  std::uint32_t steps = 1000;
};

/// For a run of so many steps; 0: of as many as suit the task.
recipe recipe_for(data_kind kind, bool is_default, const std::string& method, const std::string& adapter,
                  const std::string& objective, std::uint32_t steps);

/// The rate's.
zoft::schedule schedule_of(const recipe& r);

}  // namespace finetune
