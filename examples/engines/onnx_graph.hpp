// The loss of an adapted model in an engine that runs graphs of the Open Neural Network Exchange format.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/io/onnx.hpp>

namespace engines {

/// A new folder for files that an engine reads, removed with all that is in it.
class temporary_folder {
 public:
  temporary_folder() : path_((std::filesystem::temp_directory_path() / "zoft-XXXXXX").string()) {
    zoft::require(mkdtemp(path_.data()) != nullptr, path_ + ": cannot be made");
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(const char* name) const { return std::filesystem::path(path_) / name; }

 private:
  std::string path_;
};

/// zoft writes the model's loss as a graph in which the adapter's trained numbers are an input, theta (P, D). The rest
/// of the adapter and the model are constants. If asked, the graph also gives the most probable tokens.
///
/// A small graph is handed over as bytes. A large one would be in memory several times while the engine reads it, so it
/// goes through files. Once they are mapped, their names are no longer needed.
template <class Graph>
Graph graph_of(const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter, bool best) {
  std::size_t weights = 0;
  zoft::io::for_each_tensor(model.shape(), [&](const std::string&, const std::vector<std::size_t>& extents) {
    weights += zoft::io::elements(extents);
  });
  const zoft::io::onnx_options options{.best = best};
  if (weights < (std::size_t{1} << 24))
    return Graph(zoft::io::onnx_loss(model, adapter.stack(), adapter.parameters(), options), /*threads*/ 1);
  const temporary_folder folder;
  const std::filesystem::path file = folder / "loss.onnx";
  zoft::io::write_onnx_loss(file.string(), model, adapter.stack(), adapter.parameters(), options);
  return Graph(file, /*threads*/ 1);
}

}  // namespace engines
