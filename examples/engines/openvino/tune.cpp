// Trains an adapter through OpenVINO: see ../tune.cpp.
#include "../engine.hpp"
#include "../onnx_graph.hpp"
#include "openvino.hpp"

int main(int argc, char** argv) {
  return engines::tune(argc, argv, {"OpenVINO", engines::graph_of<openvino::loss_graph>});
}
