// OpenVINO by its C++ interface, which the wheel brings.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <openvino/openvino.hpp>
#include <span>
#include <string>
#include <zoft/engines/graph_loss.hpp>

namespace openvino {

/// Runs a graph of zoft::io::onnx_loss for zoft::engines::graph_loss. Left alone, OpenVINO computes in bfloat16 where
/// the processor can, so the precision is said.
class loss_graph {
 public:
  loss_graph(const std::string& graph, int threads, ov::element::Type precision = ov::element::f32)
      : loss_graph(threads, precision, graph, ov::Tensor()) {}
  /// The same from a file. Constants that lie in another beside it are mapped into memory.
  loss_graph(const std::filesystem::path& graph, int threads, ov::element::Type precision = ov::element::f32)
      : loss_graph(threads, precision, graph.string()) {}

  void operator()(const zoft::engines::padded_batch& b, zoft::candidates<float> theta, std::span<float> loss) {
    const ov::Shape matrix{b.size(), b.length()};
    request_.set_tensor("tokens", view(b.tokens(), matrix));
    request_.set_tensor("labels", view(b.labels(), matrix));
    request_.set_tensor("theta", view(theta.stack(), {theta.size(), theta.dimension()}));
    request_.infer();
    copy("loss", loss);
  }

  /// The same, and the most probable tokens in place of the labels: best (theta.size(), b.predicted()).
  void operator()(const zoft::engines::padded_batch& b, zoft::candidates<float> theta, std::span<float> loss,
                  std::span<std::int64_t> best) {
    (*this)(b, theta, loss);
    copy("best", best);
  }

  /// What it computes in, which is float where the processor has no bfloat16.
  ov::element::Type precision() const { return compiled_.get_property(ov::hint::inference_precision); }

 private:
  template <class... Graph>
  loss_graph(int threads, ov::element::Type precision, const Graph&... graph)
      : compiled_(core_.compile_model(core_.read_model(graph...), "CPU", ov::inference_num_threads(threads),
                                      ov::hint::inference_precision(precision))),
        request_(compiled_.create_infer_request()) {}

  /// A tensor that OpenVINO reads where it is.
  template <class T>
  static ov::Tensor view(std::span<const T> values, const ov::Shape& shape) {
    return {ov::element::from<T>(), shape, const_cast<T*>(values.data())};
  }
  template <class T>
  void copy(const char* name, std::span<T> to) {
    const ov::Tensor from = request_.get_tensor(name);
    std::copy_n(from.data<T>(), to.size(), to.begin());
  }

  ov::Core core_;
  ov::CompiledModel compiled_;
  ov::InferRequest request_;
};

}  // namespace openvino
