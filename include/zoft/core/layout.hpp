/// Named matrices in one flat buffer.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA {

/// What a vector does in a forward. It matters where a model is shown what is added beside its weights: a bias is added
/// to y = Wx, and a gain to the factors of a norm.
enum class vector_kind {
  named,  ///< as the name says: a bias if its last part is "bias", otherwise a gain
  bias,
  gain,
};

/// A matrix (rows, columns), row-major, at elements [offset, offset + size()) of the buffer. A vector has one column.
struct tensor {
  std::string name;                       ///< unique in its layout
  std::size_t rows = 0;                   ///< at least 1
  std::size_t columns = 1;                ///< 1 for a vector
  std::size_t offset = 0;                 ///< its first element in the buffer
  vector_kind kind = vector_kind::named;  ///< of a vector

  std::size_t size() const { return rows * columns; }  ///< elements
  bool is_matrix() const { return columns > 1; }       ///< whether it has more than one column
  /// Whether it is a bias, as its kind says, or its name.
  bool is_bias() const {
    return kind == vector_kind::named ? ('.' + name).ends_with(".bias") : kind == vector_kind::bias;
  }
  bool operator==(const tensor&) const = default;
};

// Predicates that select tensors, say those that decay or are trained. Any function of a tensor will do.

inline bool all(const tensor&) { return true; }                  ///< every tensor
inline bool matrices(const tensor& t) { return t.is_matrix(); }  ///< those with more than one column
inline bool vectors(const tensor& t) { return !t.is_matrix(); }  ///< biases, and gains of norms

/// BitFit: Ben Zaken et al. 2021, arXiv:2106.10199.
inline bool biases(const tensor& t) { return t.is_bias(); }

/// The tensors of a buffer, one after another without gaps.
class layout {
 public:
  /// Adds a matrix (rows, columns) after all earlier ones. The weight of a linear layer is (out, in).
  void add(std::string name, std::size_t rows, std::size_t columns = 1) {
    require(!name.empty(), "layout: a tensor has no name");
    require(rows > 0 && columns > 0,
            "layout: '" + name + "' is " + text(rows) + " by " + text(columns) + ", and both must be at least 1");
    for (const tensor& t : tensors_) require(t.name != name, "layout: '" + name + "' is there already");
    tensors_.push_back({std::move(name), rows, columns, size_});
    size_ += tensors_.back().size();
  }

  /// Adds a vector whose name does not say whether it is a bias or a gain.
  void add(std::string name, std::size_t rows, vector_kind kind) {
    add(std::move(name), rows);
    tensors_.back().kind = kind;
  }

  std::size_t size() const { return size_; }                       ///< elements of the buffer
  bool empty() const { return tensors_.empty(); }                  ///< whether it has no tensor
  const std::vector<tensor>& tensors() const { return tensors_; }  ///< in the buffer's order
  auto begin() const { return tensors_.begin(); }                  ///< the first tensor
  auto end() const { return tensors_.end(); }                      ///< after the last
  bool operator==(const layout&) const = default;

 private:
  std::vector<tensor> tensors_;
  std::size_t size_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA
