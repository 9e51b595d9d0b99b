// P-RGE with its update in ExecuTorch's program: see ../in_graph.cpp.
#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>
#include <zoft/engines/in_graph_prge.hpp>

#include "../engine.hpp"
#include "executorch.hpp"

namespace {

/// P-RGE with its update in the program, for zoft::engines::in_graph_prge. A run is a step, so a batch has at most as
/// many sequences as the program takes. Its epsilon is that of export.py.
class prge_program {
 public:
  prge_program(const std::string& path, const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter,
               std::size_t queries)
      : method_(path, "prge_" + std::to_string(queries)), a_(pte::frozen_half(model, adapter)) {}

  void operator()(const zoft::engines::padded_batch& b, const zoft::engines::prge_run& r) {
    method_.require(b.size() <= slice_.sequences(), "takes " + std::to_string(slice_.sequences()) +
                                                        " sequences at most, and is given " + std::to_string(b.size()));
    slice_.take(b, 0);
    const auto outputs = method_.run(slice_.tokens(), slice_.labels(), std::span<const float>(a_), r.plus, r.minus,
                                     r.noise, r.coefficients);
    std::size_t i = 0;
    for (const std::span<float> to : {r.next_plus, r.next_minus, r.loss})
      std::copy_n(outputs[i++].toTensor().const_data_ptr<float>(), to.size(), to.begin());
  }

 private:
  pte::method method_;
  std::vector<float> a_;
  pte::slice slice_ = pte::slice_of(method_);
};

}  // namespace

int main(int argc, char** argv) {
  const auto losses = [](const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter, bool best) {
    return pte::loss(ZOFT_PROGRAM, model, adapter, best);
  };
  const auto updater = [](const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter, std::size_t queries,
                          double epsilon) -> engines::updater {
    zoft::require(epsilon == 1e-2, "ExecuTorch's program has an epsilon of 0.01");
    const auto run = std::make_shared<prge_program>(ZOFT_PROGRAM, model, adapter, queries);
    return [=](const zoft::engines::padded_batch& b, const zoft::engines::prge_run& r) { (*run)(b, r); };
  };
  return engines::in_graph(argc, argv, {.name = "ExecuTorch", .make = losses, .in_graph = updater, .sequences = 4});
}
