// Compares OpenVINO with zoft::nn: see ../compare.hpp.
//
//   compare --bf16    as OpenVINO computes by itself: the audit must find that losses differ. Ends with status 77 if
//   the
//                     processor cannot
#include "../compare.hpp"

#include "../onnx_graph.hpp"
#include "openvino.hpp"

namespace {

/// OpenVINO in bfloat16.
class narrow_graph : public openvino::loss_graph {
 public:
  narrow_graph(const std::string& graph, int threads) : loss_graph(graph, threads, ov::element::bf16) {
    if (precision() != ov::element::bf16) {
      std::puts("SKIPPED: OpenVINO in bfloat16, as it computes in float on this processor");
      std::exit(77);
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || std::string(argv[1]) != "--bf16")
    return engines::compare("OpenVINO", argc, argv, engines::graph_of<openvino::loss_graph>);
  return engines::compare("OpenVINO in bfloat16", 1, argv, engines::graph_of<narrow_graph>) == 1 ? 0 : 1;
}
