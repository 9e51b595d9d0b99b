// Compares OpenVINO with zoft::nn: see ../compare.cpp.
//
//   compare --bf16 ...    as OpenVINO computes by itself. Ends with status 77 if the processor cannot
#include <cstdio>
#include <cstdlib>
#include <string>

#include "../engine.hpp"
#include "../onnx_graph.hpp"
#include "openvino.hpp"

namespace {

class narrow_graph : public openvino::loss_graph {
 public:
  template <class Graph>
  narrow_graph(const Graph& graph, int threads) : loss_graph(graph, threads, ov::element::bf16) {
    if (precision() != ov::element::bf16) {
      std::puts("SKIPPED: OpenVINO in bfloat16, as it computes in float on this processor");
      std::exit(77);
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  const bool narrow = argc > 1 && std::string(argv[1]) == "--bf16";
  if (narrow) return engines::compare(argc - 1, argv + 1, {"OpenVINO in bfloat16", engines::graph_of<narrow_graph>});
  return engines::compare(argc, argv, {"OpenVINO", engines::graph_of<openvino::loss_graph>});
}
