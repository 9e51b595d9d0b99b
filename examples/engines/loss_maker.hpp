// What the engines' programs share of how an engine comes in.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <zoft/engines/graph_loss.hpp>
#include <zoft/io/checkpoint.hpp>
#include <zoft/prge.hpp>

namespace engines {

/// Makes what evaluates candidates of an adapter of the model for zoft::engines::graph_loss. If `best`, that must also
/// take one more argument: room for the most probable tokens in place of the labels, (candidates, labels).
template <class M>
concept loss_maker = requires(const M& make, const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter,
                              const zoft::engines::padded_batch& batch, zoft::candidates<float> theta,
                              std::span<float> loss, std::span<std::int64_t> best) {
  { make(model, adapter, true) } -> zoft::engines::graph_runner;
  make(model, adapter, true)(batch, theta, loss, best);
};

}  // namespace engines
