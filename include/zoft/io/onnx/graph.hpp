/// Writes graphs in the Open Neural Network Exchange format: https://onnx.ai/onnx/repo-docs/IR.html
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "../../core/config.hpp"
#include "../file/output_file.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// A message in the wire format of Protocol Buffers: https://protobuf.dev/programming-guides/encoding/
class protobuf_message {
 public:
  void number(unsigned field, std::int64_t value) {
    varint(8 * field);
    varint(static_cast<std::uint64_t>(value));
  }
  void text(unsigned field, std::string_view value) {
    varint(8 * field + 2);
    varint(value.size());
    bytes_ += value;
  }
  void message(unsigned field, const protobuf_message& value) { text(field, value.bytes_); }
  void fixed(unsigned field, float value) {
    varint(8 * field + 5);
    const auto word = std::bit_cast<std::uint32_t>(value);
    for (unsigned shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>(word >> shift & 0xffu);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value) {
    for (; value > 127; value >>= 7) bytes_ += static_cast<char>(value | 128u);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

enum class onnx_type { float32 = 1, int64 = 7, boolean = 9 };

/// A file beside the graph's that holds the numbers of large constants: the format's external data.
class onnx_data {
 public:
  /// Engines look for it by its name, in the folder of the graph's file.
  explicit onnx_data(const std::string& path) : file_(path), name_(std::filesystem::path(path).filename().string()) {}

  const std::string& name() const { return name_; }
  /// Writes the bytes, and returns where they begin: at a page, as engines map them into memory.
  std::size_t add(std::string_view bytes) {
    constexpr std::size_t page = 4096;
    file_.write(std::string((page - size_ % page) % page, '\0'));
    const std::size_t place = (size_ + page - 1) / page * page;
    file_.write(bytes);
    size_ = place + bytes.size();
    return place;
  }
  void finish() { file_.finish(); }
  void commit() { file_.commit(); }

 private:
  output_file file_;
  std::string name_;
  std::size_t size_ = 0;
};

/// Nodes of one graph, added in the order in which they are computed. Values go by their names; add() makes one up for
/// what the node gives. Extents that vary are named too: {"P", "24000"} is a matrix of P rows.
class onnx_graph {
 public:
  using shape = std::vector<std::size_t>;
  using value = std::string;
  struct attribute {
    std::string_view name;
    std::variant<std::int64_t, float, std::vector<std::int64_t>> is;
  };
  using attributes = std::initializer_list<attribute>;

  onnx_graph() = default;
  /// Constants of a page or more go to `data`, which must outlive the graph.
  explicit onnx_graph(onnx_data& data) : data_(&data) {}

  value input(const std::string& name, onnx_type type, const std::vector<std::string>& extents) {
    graph_.message(11, described(name, type, extents));
    return name;
  }
  /// Gives the value the name that it has outside.
  void output(const std::string& name, const value& from, onnx_type type, const std::vector<std::string>& extents) {
    node("Identity", {from}, {name}, {});
    graph_.message(12, described(name, type, extents));
  }

  value constant(std::span<const float> values, const shape& extents) {
    return constant(onnx_type::float32, {reinterpret_cast<const char*>(values.data()), values.size_bytes()}, extents);
  }
  value constant(const std::vector<std::int64_t>& values) {
    return constant(onnx_type::int64,
                    {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(std::int64_t)},
                    {values.size()});
  }
  value scalar(float v) { return constant({&v, 1}, {}); }
  value scalar(std::int64_t v) { return constant(onnx_type::int64, {reinterpret_cast<const char*>(&v), sizeof v}, {}); }

  value add(std::string_view op, const std::vector<value>& inputs, attributes with = {}) {
    const value result = new_name();
    node(op, inputs, {result}, with);
    return result;
  }
  /// Parts of these sizes, along that axis.
  std::vector<value> split(const value& from, const std::vector<std::int64_t>& sizes, std::int64_t axis) {
    std::vector<value> result;
    for (std::size_t i = 0; i < sizes.size(); ++i) result.push_back(new_name());
    node("Split", {from, constant(sizes)}, result, {{"axis", axis}});
    return result;
  }

  /// The file's bytes, with operators as in that version of the standard.
  std::string bytes(const std::string& name, std::int64_t opset) const {
    protobuf_message graph = graph_, model, set;
    graph.text(2, name);
    set.text(1, "");
    set.number(2, opset);
    model.number(1, 8);  // of the format: any reader of that set of operators knows it
    model.text(2, "zoft");
    model.message(7, graph);
    model.message(8, set);
    return model.bytes();
  }

 private:
  value new_name() { return zoft::text(values_++); }

  static protobuf_message described(const std::string& name, onnx_type type, const std::vector<std::string>& extents) {
    protobuf_message shape, tensor, of, result;
    for (const std::string& e : extents) {
      protobuf_message extent;
      const bool known = !e.empty() && e.find_first_not_of("0123456789") == e.npos;
      if (known)
        extent.number(1, std::stoll(e));
      else
        extent.text(2, e);
      shape.message(1, extent);
    }
    tensor.number(1, static_cast<std::int64_t>(type));
    tensor.message(2, shape);
    of.message(1, tensor);
    result.text(1, name);
    result.message(2, of);
    return result;
  }

  value constant(onnx_type type, std::string_view raw, const shape& extents) {
    static_assert(std::endian::native == std::endian::little, "the format is little-endian");
    const value name = new_name();
    protobuf_message tensor;
    for (const std::size_t e : extents) tensor.number(1, static_cast<std::int64_t>(e));
    tensor.number(2, static_cast<std::int64_t>(type));
    tensor.text(8, name);
    if (data_ != nullptr && raw.size() >= 4096) {
      const std::size_t place = data_->add(raw);
      tensor.message(13, entry("location", data_->name()));
      tensor.message(13, entry("offset", zoft::text(place)));
      tensor.message(13, entry("length", zoft::text(raw.size())));
      tensor.number(14, 1);
    } else {
      tensor.text(9, raw);
    }
    graph_.message(5, tensor);
    return name;
  }

  static protobuf_message entry(std::string_view key, std::string_view value) {
    protobuf_message result;
    result.text(1, key);
    result.text(2, value);
    return result;
  }

  void node(std::string_view op, const std::vector<value>& inputs, const std::vector<value>& outputs, attributes with) {
    protobuf_message n;
    for (const value& v : inputs) n.text(1, v);
    for (const value& v : outputs) n.text(2, v);
    n.text(4, op);
    for (const attribute& a : with) {
      protobuf_message m;
      m.text(1, a.name);
      if (const auto* whole = std::get_if<std::int64_t>(&a.is)) {
        m.number(3, *whole);
        m.number(20, 2);
      } else if (const auto* real = std::get_if<float>(&a.is)) {
        m.fixed(2, *real);
        m.number(20, 1);
      } else {
        for (const std::int64_t v : std::get<std::vector<std::int64_t>>(a.is)) m.number(8, v);
        m.number(20, 7);
      }
      n.message(5, m);
    }
    graph_.message(1, n);
  }

  onnx_data* data_ = nullptr;
  protobuf_message graph_;
  std::size_t values_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::io
