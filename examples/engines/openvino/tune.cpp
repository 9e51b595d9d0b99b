// Trains an adapter through OpenVINO: see ../tune.hpp.
#include "../tune.hpp"

#include "../onnx_graph.hpp"
#include "openvino.hpp"

int main(int argc, char** argv) { return engines::tune(argc, argv, engines::graph_of<openvino::loss_graph>); }
