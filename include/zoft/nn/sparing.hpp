/// Adapters of a transformer that learn one text, and leave another as it is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "../core/layout.hpp"
#include "../engine/attached/targets.hpp"
#include "../sparing.hpp"
#include "transformer.hpp"

namespace zoft::inline ZOFT_ISA::nn {

struct sparing_options {
  std::size_t rank = 8;
  double damping = 0.01;                  ///< λ of zoft::sparing
  std::size_t rows = 4096;                ///< of each text at most: tokens that are looked at
  std::vector<std::string> targets = {};  ///< as of the adapter
  zoft::seed seed = {};
};

/// zoft::sparing for the linears of a model: what lora and lora_fa may begin with. Both batches go through the model
/// side by side, a block at a time, so that only the inputs of one block are kept. `spared` should have as many tokens
/// as the model's widest linear has inputs, or more.
inline std::vector<low_rank_values> sparing(const transformer& model, const batch& learned, const batch& spared,
                                            const sparing_options& o = {}) {
  require(o.rows >= 1, "sparing", "rows", 0, "at least 1");
  std::vector<std::string> names;
  for (const tensor& t : targeted(model.layout(), o.targets, "sparing", "linear")) names.push_back(t.name);
  const auto walk = [&](const batch& b) {
    return model.walk(b, std::min(o.rows, b.tokens()), {o.seed.value, 0, 0}, names);
  };
  auto first = walk(learned), second = walk(spared);
  std::vector<low_rank_values> result;
  while (first.next() && second.next())
    for (low_rank_values& one : zoft::sparing(first.shown(), second.shown(), o.rank, o.damping, o.seed))
      result.push_back(std::move(one));
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::nn
