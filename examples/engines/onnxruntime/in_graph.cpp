// P-RGE with its update in ONNX Runtime's graph: see ../in_graph.cpp.
#include <memory>

#include "../engine.hpp"
#include "../onnx_graph.hpp"
#include "onnxruntime.hpp"

int main(int argc, char** argv) {
  const auto make = [](const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter, std::size_t,
                       double epsilon) -> engines::updater {
    const std::string graph = zoft::io::onnx_prge(model, adapter.stack(), adapter.parameters(), epsilon);
    const auto run = std::make_shared<onnxruntime::prge_graph>(graph, /*threads*/ 1);
    return [=](const zoft::engines::padded_batch& b, const zoft::engines::prge_run& r) { (*run)(b, r); };
  };
  return engines::in_graph(
      argc, argv, {.name = "ONNX Runtime", .make = engines::graph_of<onnxruntime::loss_graph>, .in_graph = make});
}
