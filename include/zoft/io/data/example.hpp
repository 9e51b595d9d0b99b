/// An example to learn from, in one of the forms that data files have.
#pragma once

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "../../core/config.hpp"
#include "../chat/message.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// Only the completion is learned.
struct prompt_and_completion {
  std::string prompt, completion;

  bool operator==(const prompt_and_completion&) const = default;
};

using conversation = std::vector<message>;

struct example {
  std::variant<std::string, prompt_and_completion, conversation> content;
  std::size_t line = 1;  ///< where it begins in its file. In a list of JSON: which item it is, from 1
};

}  // namespace zoft::inline ZOFT_ISA::io
