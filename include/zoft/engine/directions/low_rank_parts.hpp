/// Where the factors and the core of a low-rank direction lie, tensor by tensor.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../../core/layout.hpp"
#include "../../random/normal.hpp"

namespace zoft::inline ZOFT_ISA {

/// The core y of a matrix (m, k), which is drawn for each direction, and how z is made from it:
///
///     rows        y (m, r)    z = s·y·Vᵀ
///     square      y (r, r)    z = s·U·y·Vᵀ
///     diagonal    y (r)       z = s·U·diag(y)·Vᵀ
///
/// with U (m, r) and V (k, r). A tensor of one dimension is its own core: z = y.
enum class core_shape { rows, square, diagonal };

namespace low_rank_parts {

/// A tensor, and where its part begins: in the core, in the words of all matrices' cores, in all U, in all V.
struct part {
  const tensor* owner;
  std::size_t core, words, left, right;
};

template <core_shape Shape>
zoft::tensor core_of(const tensor& t, std::size_t rank) {
  if (!t.is_matrix()) return {t.name, t.rows, 1, 0};
  if (Shape == core_shape::rows) return {t.name, t.rows, rank, 0};
  return {t.name, rank, Shape == core_shape::square ? rank : 1, 0};
}

template <core_shape Shape>
layout core(const layout& shape, std::size_t rank) {
  layout result;
  for (const tensor& t : shape) {
    const tensor y = core_of<Shape>(t, rank);
    result.add(y.name, y.rows, y.columns);
  }
  return result;
}

/// The parts of a layout, and one more that marks where all of them end.
template <core_shape Shape>
std::vector<part> table(const layout& shape, std::size_t rank) {
  std::vector<part> result;
  part at{nullptr, 0, 0, 0, 0};
  for (const tensor& t : shape) {
    at.owner = &t;
    result.push_back(at);
    const std::size_t core = core_of<Shape>(t, rank).size();
    at.core += core;
    if (!t.is_matrix()) continue;
    at.words += core;
    at.left += t.rows * rank;
    at.right += t.columns * rank;
  }
  at.owner = nullptr;
  result.push_back(at);
  return result;
}

/// Calls f(part, begin, piece) for each piece of x that lies in one tensor; `begin` is the piece's first element in
/// that tensor. x begins at element `first`.
template <class T, class F>
void for_each_tensor(std::span<const part> parts, std::span<T> x, std::uint64_t first, F f) {
  const auto behind = [](std::uint64_t element, const part& p) { return element < p.owner->offset; };
  auto p = std::upper_bound(parts.begin(), parts.end() - 1, first, behind) - 1;
  for (std::size_t i = 0; i < x.size(); ++p) {
    const std::size_t begin = static_cast<std::size_t>(first) + i - p->owner->offset;
    const std::size_t n = std::min(x.size() - i, p->owner->size() - begin);
    f(*p, begin, x.subspan(i, n));
    i += n;
  }
}

/// The stream that the cores of matrices are drawn from, and their first word in it. Square and diagonal cores come
/// from the direction's own stream. Vectors use that stream too, indexed by element, so the cores begin far beyond any
/// element.
template <core_shape Shape>
constexpr random::stream words_of =
    Shape == core_shape::rows ? random::stream::left_factor : random::stream::perturbation;
template <core_shape Shape>
constexpr std::uint64_t first_word = Shape == core_shape::rows ? 0 : std::uint64_t{1} << 48;

/// y += a · core of z(d); y has as many elements as the core.
template <core_shape Shape, number A>
void core_axpy(const layout& shape, std::size_t rank, std::span<A> y, A a, direction d) {
  const random::drawn<random::normal> words(d, words_of<Shape>);
  const auto parts = table<Shape>(shape, rank);
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    const part& p = parts[i];
    const std::span<A> of_tensor = y.subspan(p.core, parts[i + 1].core - p.core);
    if (p.owner->is_matrix())
      words.axpy(of_tensor, a, first_word<Shape> + p.words);
    else
      random::gaussian_direction(d).axpy(of_tensor, a, p.owner->offset);
  }
}

/// Checks the options that all samplers of this kind have.
inline void check(const char* who, const layout& shape, std::size_t rank, std::uint32_t interval = 1) {
  const std::string name(who);
  require(!shape.empty(), name + ": the layout is empty, and must name the parameters' matrices");
  require(rank > 0, name + ": rank is 0, and must be at least 1");
  require(interval > 0, name + ": interval is 0, and must be at least 1 step");
}

/// For samplers whose factors must be orthonormal: a factor has no more columns than rows.
inline void check_columns(const char* who, const tensor& t, std::size_t rows, std::size_t rank) {
  if (t.is_matrix() && rank > rows)
    fail(std::string(who) + ": rank is " + text(rank) + ", and must be at most " + text(rows) + " for '" + t.name +
         "', which is " + text(t.rows) + " by " + text(t.columns));
}

/// A sampler without a layout takes that of the parameters; if it has one, its tensors must be the parameters'.
inline void start(const char* who, layout& own, std::size_t size, const layout& parameters) {
  if (own.empty()) own = parameters;
  const auto equal = [](const tensor& a, const tensor& b) { return a.rows == b.rows && a.columns == b.columns; };
  const bool same =
      parameters.empty() || std::equal(own.begin(), own.end(), parameters.begin(), parameters.end(), equal);
  require(same, std::string(who) + ": its layout's tensors are not the parameters'");
  require(own.empty() || own.size() == size, std::string(who) + ": its layout has " + text(own.size()) +
                                                 " elements, and the parameters are " + text(size) + " numbers");
}

}  // namespace low_rank_parts

}  // namespace zoft::inline ZOFT_ISA
