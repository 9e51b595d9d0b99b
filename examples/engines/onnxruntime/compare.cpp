// Compares ONNX Runtime with zoft::nn: see ../compare.cpp.
#include "../engine.hpp"
#include "../onnx_graph.hpp"
#include "onnxruntime.hpp"

int main(int argc, char** argv) {
  return engines::compare(argc, argv, {"ONNX Runtime", engines::graph_of<onnxruntime::loss_graph>});
}
