// Compares ONNX Runtime with zoft::nn: see ../compare.hpp.
#include "../compare.hpp"

#include "../onnx_graph.hpp"
#include "onnxruntime.hpp"

int main(int argc, char** argv) {
  return engines::compare("ONNX Runtime", argc, argv, engines::graph_of<onnxruntime::loss_graph>);
}
