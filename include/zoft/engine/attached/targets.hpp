/// Which tensors of a model an adapter is for.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "../../core/layout.hpp"

namespace zoft::inline ZOFT_ISA {

/// Those that the targets name, in the layout's order; all where there are no targets. A target is a name, or some of
/// its parts between dots, one behind another ("q_proj", "layers.5"). Throws, for an adapter `who` of tensors of that
/// kind ("linear"), where a target names none, or there are none at all.
inline std::vector<tensor> targeted(const layout& all, const std::vector<std::string>& targets, const std::string& who,
                                    const std::string& kind) {
  require(!all.empty(), who + ": the model has no " + kind + "s to attach to");
  const auto names = [](std::string_view target) {
    return [part = '.' + std::string(target) + '.'](const tensor& t) {
      return ('.' + t.name + '.').find(part) != std::string::npos;
    };
  };
  for (const std::string& target : targets)
    require(std::any_of(all.begin(), all.end(), names(target)),
            who + ": no " + kind + " is named '" + target + "', but for instance '" + all.begin()->name + "'");
  std::vector<tensor> result;
  for (const tensor& t : all)
    if (targets.empty() || std::any_of(targets.begin(), targets.end(), [&](auto& target) { return names(target)(t); }))
      result.push_back(t);
  return result;
}

}  // namespace zoft::inline ZOFT_ISA
