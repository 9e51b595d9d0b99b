/// A message of a conversation.
#pragma once

#include <string>

#include "../../core/config.hpp"

namespace zoft::inline ZOFT_ISA::io {

struct message {
  std::string role;  ///< "system", "user", "assistant", or what else the template knows
  std::string content;

  bool operator==(const message&) const = default;
};

}  // namespace zoft::inline ZOFT_ISA::io
