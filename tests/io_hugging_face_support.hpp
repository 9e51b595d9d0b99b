// Copies of the fixtures that transformers saved, for tests to spoil.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>
#include <zoft/io/checkpoint.hpp>

#include "io_support.hpp"

namespace io_test {

using zoft::io::checkpoint;
using zoft::io::json;
using zoft::io::named_tensor;

/// A copy of a fixture that a test may spoil.
class copied : public scratch {
 public:
  explicit copied(const std::string& name) {
    for (const auto& file : std::filesystem::directory_iterator(fixture(name)))
      write(file.path().filename().string(), read_file(file.path().string()));
    config_ = json::parse(read_file(path("config.json")));
    if (std::filesystem::exists(path("model.safetensors"))) original_ = read_file(path("model.safetensors"));
  }

  auto opening() const {
    return [model = path()] { zoft::io::open_checkpoint(model); };
  }
  /// Opens with other tensors: each is called what `rename` returns, or left out where that is "", and `more` are
  /// added.
  auto renamed(const std::function<std::string(const std::string&)>& rename,
               const std::vector<named_tensor>& more = {}) const {
    const std::string file = path("model.safetensors");
    std::vector<named_tensor> tensors = more;
    std::vector<std::vector<float>> kept;
    write("model.safetensors", original_);
    {
      const zoft::io::safetensors source(file);
      kept.reserve(source.tensors().size());
      for (const auto& [name, entry] : source.tensors()) {
        if (rename(name).empty()) continue;
        kept.emplace_back(zoft::io::elements(entry.shape));
        zoft::io::widen(entry, kept.back());
        tensors.push_back({rename(name), entry.shape, kept.back()});
      }
      zoft::io::write_safetensors(file, tensors);
    }
    return opening();
  }
  auto with_tensors(const std::vector<named_tensor>& more) const {
    return renamed([](const std::string& name) { return name; }, more);
  }
  /// Opens with these fields of config.json set, or removed where the value is "".
  auto with(const std::vector<std::pair<std::string, std::string>>& changes) const {
    json config = config_;
    for (const auto& [field, value] : changes) {
      config.erase(field);
      if (!value.empty()) config[field] = json::parse(value);
    }
    write("config.json", config.dump());
    return opening();
  }

 private:
  json config_;
  std::string original_;  // of model.safetensors
};

inline std::vector<float> values_of(const checkpoint& model, const std::string& name) {
  const auto tensor = model.find(name);
  REQUIRE(tensor.has_value());
  std::vector<float> out(tensor->size());
  zoft::io::widen(*tensor, out);
  return out;
}

}  // namespace io_test
