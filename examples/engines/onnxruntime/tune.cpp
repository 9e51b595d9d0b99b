// Trains an adapter through ONNX Runtime: see ../tune.cpp.
#include "../engine.hpp"
#include "../onnx_graph.hpp"
#include "onnxruntime.hpp"

int main(int argc, char** argv) {
  return engines::tune(argc, argv, {"ONNX Runtime", engines::graph_of<onnxruntime::loss_graph>});
}
