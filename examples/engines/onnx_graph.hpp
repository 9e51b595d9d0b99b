// The loss of an adapted model in an engine that runs graphs of the Open Neural Network Exchange format.
#pragma once

#include <string>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/io/onnx.hpp>

namespace engines {

/// zoft writes the model's loss as a graph in which the adapter's trained numbers are an input, theta (P, D). The rest
/// of the adapter and the model are constants. If asked, the graph also gives the most probable tokens.
template <class Graph>
Graph graph_of(const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter, bool best) {
  return Graph(zoft::io::onnx_loss(model, adapter.stack(), adapter.parameters(), {.best = best}), /*threads*/ 1);
}

}  // namespace engines
