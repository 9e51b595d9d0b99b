// Compares ONNX Runtime with zoft::nn: see ../compare.hpp.
#include "../compare.hpp"

#include "onnxruntime.hpp"

int main(int argc, char** argv) { return engines::compare<onnxruntime::loss_graph>("ONNX Runtime", argc, argv); }
