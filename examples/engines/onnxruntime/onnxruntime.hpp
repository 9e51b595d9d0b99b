// ONNX Runtime by its C interface, of which this declares what the programs here need. Its functions stand in a table
// whose places never change: https://onnxruntime.ai/docs/api/c/struct_ort_api.html lists them in order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>
#include <zoft/engines/graph_loss.hpp>
#include <zoft/engines/in_graph_prge.hpp>

extern "C" {
struct OrtApiBase {
  const void* (*table)(std::uint32_t version);
  const char* (*version)();
};
const OrtApiBase* OrtGetApiBase();
}

namespace onnxruntime {

/// Places in the table.
enum class slot {
  message = 2,
  create_env = 3,
  create_session_of_file = 7,
  create_session = 8,
  run = 9,
  create_options = 10,
  optimisation = 23,
  threads = 24,
  wrap_tensor = 49,
  memory_of_cpu = 69,
  free_env = 92,
  free_status = 93,
  free_memory = 94,
  free_session = 95,
  free_value = 96,
  free_options = 100
};

/// Calls the function in that place with these arguments.
template <class Result, class... Arguments>
Result call(slot at, Arguments... arguments) {
  static const auto* table = static_cast<void* const*>(OrtGetApiBase()->table(17));
  return reinterpret_cast<Result (*)(Arguments...)>(table[static_cast<std::size_t>(at)])(arguments...);
}

/// The same for functions that may fail. All objects of ONNX Runtime are void* here.
template <class... Arguments>
void try_call(slot at, Arguments... arguments) {
  void* status = call<void*>(at, arguments...);
  if (status == nullptr) return;
  const std::string what = call<const char*>(slot::message, static_cast<const void*>(status));
  call<void>(slot::free_status, status);
  throw std::runtime_error("ONNX Runtime: " + what);
}

/// An object, and the place of the function that frees it.
class object {
 public:
  explicit object(slot free) : free_(free) {}
  object(object&& o) noexcept : free_(o.free_), p_(std::exchange(o.p_, nullptr)) {}
  object& operator=(object&&) = delete;
  ~object() {
    if (p_ != nullptr) call<void>(free_, p_);
  }
  void** made() { return &p_; }
  void* get() const { return p_; }

 private:
  slot free_;
  void* p_ = nullptr;
};

/// A matrix or vector that ONNX Runtime reads or writes where it is.
struct tensor {
  const char* name;
  void* data;
  std::vector<std::int64_t> extents;
  bool whole;  // int64, else float

  tensor(const char* n, const std::int64_t* at, std::vector<std::int64_t> e)
      : name(n), data(const_cast<std::int64_t*>(at)), extents(std::move(e)), whole(true) {}
  tensor(const char* n, const float* at, std::vector<std::int64_t> e)
      : name(n), data(const_cast<float*>(at)), extents(std::move(e)), whole(false) {}
};

/// One graph, ready to run.
class session {
 public:
  session(const std::string& graph, int threads) {
    create(slot::create_session, threads, static_cast<const void*>(graph.data()), graph.size());
  }
  /// Constants that lie in a file beside the graph's are mapped into memory.
  session(const std::filesystem::path& graph, int threads) {
    create(slot::create_session_of_file, threads, graph.c_str());
  }

  void run(std::span<const tensor> inputs, std::span<const tensor> outputs) {
    std::vector<object> kept;
    const auto wrap = [&](std::span<const tensor> tensors, std::vector<const char*>& names,
                          std::vector<void*>& values) {
      for (const tensor& t : tensors) {
        std::size_t bytes = t.whole ? sizeof(std::int64_t) : sizeof(float);
        for (const std::int64_t e : t.extents) bytes *= static_cast<std::size_t>(e);
        kept.emplace_back(slot::free_value);
        try_call(slot::wrap_tensor, static_cast<const void*>(memory_.get()), t.data, bytes, t.extents.data(),
                 t.extents.size(), t.whole ? 7 : 1, kept.back().made());
        names.push_back(t.name);
        values.push_back(kept.back().get());
      }
    };
    std::vector<const char*> given, wanted;
    std::vector<void*> in, out;
    wrap(inputs, given, in);
    wrap(outputs, wanted, out);
    try_call(slot::run, session_.get(), static_cast<const void*>(nullptr), given.data(),
             static_cast<void* const*>(in.data()), in.size(), wanted.data(), wanted.size(), out.data());
  }

 private:
  template <class... Graph>
  void create(slot from, int threads, Graph... graph) {
    object options(slot::free_options);
    try_call(slot::create_env, 3 /* errors only */, "zoft", env_.made());
    try_call(slot::create_options, options.made());
    try_call(slot::threads, options.get(), threads);
    try_call(slot::optimisation, options.get(), 99 /* all of it */);
    try_call(from, static_cast<const void*>(env_.get()), graph..., static_cast<const void*>(options.get()),
             session_.made());
    try_call(slot::memory_of_cpu, 0, 0, memory_.made());
  }

  object env_{slot::free_env}, memory_{slot::free_memory}, session_{slot::free_session};
};

inline std::int64_t whole(std::size_t v) { return static_cast<std::int64_t>(v); }

/// Runs a graph of zoft::io::onnx_loss for zoft::engines::graph_loss.
class loss_graph {
 public:
  /// `graph` is its bytes, or the path of its file.
  template <class Graph>
  loss_graph(const Graph& graph, int threads) : session_(graph, threads) {}

  void operator()(const zoft::engines::padded_batch& b, zoft::candidates<float> theta, std::span<float> loss) {
    const auto inputs = inputs_of(b, theta);
    session_.run(inputs, std::array{tensor("loss", loss.data(), {whole(loss.size())})});
  }

  /// The same, and the most probable tokens in place of the labels: best (theta.size(), b.predicted()).
  void operator()(const zoft::engines::padded_batch& b, zoft::candidates<float> theta, std::span<float> loss,
                  std::span<std::int64_t> best) {
    const auto inputs = inputs_of(b, theta);
    session_.run(inputs, std::array{tensor("loss", loss.data(), {whole(loss.size())}),
                                    tensor("best", best.data(), {whole(loss.size()), whole(b.predicted())})});
  }

 private:
  static std::array<tensor, 3> inputs_of(const zoft::engines::padded_batch& b, zoft::candidates<float> theta) {
    const std::vector<std::int64_t> matrix{whole(b.size()), whole(b.length())};
    return {tensor("tokens", b.tokens().data(), matrix), tensor("labels", b.labels().data(), matrix),
            tensor("theta", theta.stack().data(), {whole(theta.size()), whole(theta.dimension())})};
  }

  session session_;
};

/// Runs a graph of zoft::io::onnx_prge for zoft::engines::in_graph_prge.
class prge_graph {
 public:
  prge_graph(const std::string& graph, int threads) : session_(graph, threads) {}

  void operator()(const zoft::engines::padded_batch& b, const zoft::engines::prge_run& r) {
    const std::vector<std::int64_t> matrix{whole(b.size()), whole(b.length())}, q{whole(r.queries)},
        state{whole(r.queries), whole(r.dimension)};
    session_.run(
        std::array{tensor("tokens", b.tokens().data(), matrix), tensor("labels", b.labels().data(), matrix),
                   tensor("plus", r.plus.data(), state), tensor("minus", r.minus.data(), state),
                   tensor("noise", r.noise.data(), state), tensor("coefficients", r.coefficients.data(), q)},
        std::array{tensor("next_plus", r.next_plus.data(), state), tensor("next_minus", r.next_minus.data(), state),
                   tensor("loss", r.loss.data(), {2 * q[0]})});
  }

 private:
  session session_;
};

}  // namespace onnxruntime
