/// Selects the tensors of a model that an adapter applies to.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "../../core/layout.hpp"

namespace zoft::inline ZOFT_ISA {

/// The tensors that the targets name, in the layout's order; all tensors if there are no targets. A target is a name,
/// or consecutive parts of it between dots ("q_proj", "layers.5"). Throws std::invalid_argument if a target names no
/// tensor, or if there are none at all. Its message names the adapter `who` and the kind of tensor ("linear").
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
