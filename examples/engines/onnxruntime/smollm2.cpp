// Trains SmolLM2-135M through ONNX Runtime: see ../smollm2.cpp.
#include "../engine.hpp"
#include "../onnx_graph.hpp"
#include "onnxruntime.hpp"

int main(int argc, char** argv) {
  return engines::smollm2(argc, argv, {"ONNX Runtime", engines::graph_of<onnxruntime::loss_graph>});
}
