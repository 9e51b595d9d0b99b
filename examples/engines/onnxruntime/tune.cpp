// Trains an adapter through ONNX Runtime: see ../tune.hpp.
#include "../tune.hpp"

#include "../onnx_graph.hpp"
#include "onnxruntime.hpp"

int main(int argc, char** argv) { return engines::tune(argc, argv, engines::graph_of<onnxruntime::loss_graph>); }
