/// What an engine trains, in the form that it goes over: a buffer, codes, or the weights that a model keeps itself.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "../../concepts.hpp"
#include "../../core/direction.hpp"
#include "../../core/dtype.hpp"
#include "../../core/extent.hpp"
#include "../../core/layout.hpp"
#include "../../core/piece.hpp"
#include "../../random/axpy.hpp"

namespace zoft::inline ZOFT_ISA {

namespace parameters {

/// What is trained: size() numbers of value_type, wherever they are and whoever owns them. All that the engine does is
/// written in terms of this.
template <class X>
concept trained = requires(const X& x) {
  requires number<typename X::value_type>;
  { x.size() } -> std::convertible_to<std::size_t>;
};

/// A buffer's numbers. T may be const.
template <class T>
struct buffer {
  using value_type = std::remove_const_t<T>;
  std::span<T> values;

  std::size_t size() const { return values.size(); }
  std::span<T> span() const { return values; }
  static constexpr bool kept_as_value_type = true;

  /// Calls f(first, x, owner, z) for pieces x of the parts, of at most update::most elements, which f may change. z is
  /// the same piece of the direction at hand, or null if there is none.
  template <class F>
  void update(std::span<const extent> parts, bool, F f) const {
    for_each_piece(parts, update::most, [&](std::size_t first, std::size_t n, const tensor* owner) {
      f(first, values.subspan(first, n), owner, static_cast<const arithmetic_t<value_type>*>(nullptr));
    });
  }
};

/// 8-bit codes that stand for floats.
template <class C>
struct codes {
  using value_type = float;
  std::span<C> kept;

  std::size_t size() const { return kept.size(); }
  std::span<C> span() const { return kept; }
};

/// A buffer that is away from θ, of numbers T or of codes that stand for T. It comes back in the sweep of the update.
template <class T, class X, class Excursion>
struct returning {
  using value_type = T;
  std::span<X> values;
  Excursion& moved;

  std::size_t size() const { return values.size(); }
  static constexpr bool kept_as_value_type = true;

  /// The direction at hand: the one along which the buffer is away from θ.
  std::optional<direction> along() const { return moved.along(); }

  /// For codes: how many of them the update has changed.
  std::uint64_t codes_moved() const requires requires(const Excursion& e) { e.medium().codes_moved(); }
  { return moved.medium().codes_moved(); }

  /// As buffer::update, for the parts that the excursion moved.
  template <class F>
  void update(std::span<const extent>, bool, F f) const {
    moved.end([&](std::span<T> piece, std::size_t first, const tensor* owner, const arithmetic_t<T>* z) {
      f(first, piece, owner, z);
    });
  }
};

/// A model's weights. size() counts those in the layout.
template <weighted_model Model>
struct weights_of {
  using value_type = typename Model::weight_type;
  Model& model;
  const layout& shape;
  static constexpr bool kept_as_value_type = false;
  std::vector<nn::dtype> types;  ///< the type that each tensor is kept as; empty if the model does not say

  std::size_t size() const { return shape.size(); }
  nn::dtype kept_as(const tensor* owner) const {
    if (types.empty()) return nn::dtype::f32;
    // Compares offsets, because the tensor may belong to another copy of the layout.
    const auto begins = [](const tensor& t, std::size_t offset) { return t.offset < offset; };
    const auto found = std::lower_bound(shape.begin(), shape.end(), owner->offset, begins);
    return types[static_cast<std::size_t>(found - shape.begin())];
  }

  /// As buffer::update; parts are tensors of the layout, in its order. See weighted_model for `together`.
  template <class F>
  void update(std::span<const extent> parts, bool together, F f) const {
    std::vector<bool> moves;
    auto next = parts.begin();
    for (const tensor& t : shape) {
      moves.push_back(next != parts.end() && next->first == t.offset);
      next += moves.back();
    }
    const auto change = [&](std::uint64_t first, std::span<value_type> w) {
      const auto behind = [](std::uint64_t element, const extent& part) { return element < part.first; };
      const auto part = std::upper_bound(parts.begin(), parts.end(), first, behind) - 1;
      for (std::size_t done = 0; done < w.size(); done += update::most)
        f(static_cast<std::size_t>(first) + done, w.subspan(done, std::min(update::most, w.size() - done)), part->owner,
          static_cast<const arithmetic_t<value_type>*>(nullptr));
    };
    model.update_weights(moves, change, together);
  }
};

/// The type that each of the model's tensors is kept as; empty if the model does not say.
template <weighted_model Model>
std::vector<nn::dtype> weight_types_of(const Model& model) {
  if constexpr (requires { model.weight_types(); })
    return model.weight_types();
  else
    return {};
}

/// x once it is back at θ: a buffer in place of a returning one, and x itself otherwise.
template <trained X>
auto settled(const X& x) {
  if constexpr (requires { x.along(); })
    return buffer<typename X::value_type>{x.values};
  else
    return x;
}

/// Refuses policies that look at all parameters in one buffer, or that keep a buffer of their size.
template <class Sampler, class Optimizer>
constexpr void check_without_buffer() {
  static_assert(
      !requires(Sampler s, std::span<const float> x, const layout& l) { s.template start<float>(x, l); },
      "this sampler looks at parameters in one buffer, and a model's weights are in none");
  static_assert(
      !requires(Optimizer o, std::span<const float> x, const layout& l) { o.template start<float>(x, l); },
      "this optimizer keeps numbers for each parameter, in one buffer: use sgd, a replayed or a factored one");
}

template <class X>
inline constexpr bool is_buffer = requires(const X x) {
  x.values;
};

template <class X>
inline constexpr bool is_codes = requires(const X x) {
  x.kept;
};

}  // namespace parameters
}  // namespace zoft::inline ZOFT_ISA
