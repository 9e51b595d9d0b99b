// Trains SmolLM2-135M through OpenVINO: see ../smollm2.cpp.
#include "../engine.hpp"
#include "../onnx_graph.hpp"
#include "openvino.hpp"

int main(int argc, char** argv) {
  return engines::smollm2(argc, argv, {"OpenVINO", engines::graph_of<openvino::loss_graph>});
}
