/// Problems that are a language model's: those of the finetune example.
#pragma once

#include <string>
#include <vector>

#include "run.hpp"

namespace estimators {

/// The model and the data of a finetune command line: all weights with --adapter full, LoRA-FA otherwise.
problem_kind task(const std::string& name, std::vector<std::string> arguments, std::size_t forwards);

}  // namespace estimators
