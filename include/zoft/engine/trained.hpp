/// What an engine trains: parameters that the user, a model or the adapter owns.
#pragma once

#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "../concepts.hpp"
#include "attached/attach.hpp"
#include "points/extents.hpp"
#include "points/parameters.hpp"

namespace zoft::inline ZOFT_ISA {

/// An adapter, the parameters that it makes if it owns any, and the conversion of a user's x to a type of
/// zoft::parameters.
template <class Sampler, class Adapter, class Optimizer>
class trained_by {
 public:
  static constexpr bool owning = owning_adapter<Adapter>;

  /// Whether the adapter can be attached to a model, or what is missing.
  enum class attaching { possible, without_layout, borrowing };
  template <class Model>
  static constexpr attaching attachment() {
    if constexpr (!owning)
      return attaching::borrowing;
    else if constexpr (attachable<Adapter, Model>)
      return attaching::possible;
    else
      return attaching::without_layout;
  }

  trained_by(Adapter adapter, seed run) : policy_(std::move(adapter)), seed_(run) {}

  /// Makes the adapter's parameters for a model.
  template <class Model>
  requires(attachment<Model>() == attaching::possible) void attach(const Model& model) {
    adapter_.emplace(attached_to(policy_, model, seed_));
  }
  template <class Model>
  requires(attachment<Model>() == attaching::without_layout) ZOFT_REFUSED(
      "the model must have layout() const, a zoft::layout of its linears, or what the adapter asks for: "
      "norms() for norm_only, attention_states(tokens) for prefix")
  void attach(const Model&);
  template <class Model>
  requires(attachment<Model>() == attaching::borrowing) ZOFT_REFUSED(
      "the adapter must own its parameters to be attached to a model, as lora does: this one's are the "
      "user's, given to step")
  void attach(const Model&);

  const auto& adapter() const {
    if constexpr (owning) {
      require(adapter_.has_value(), "engine: the adapter is not attached to a model yet: call attach first");
      return *adapter_;
    } else {
      return policy_;
    }
  }

  /// Stands for the adapter's own parameters.
  struct own {};
  parameters::buffer<float> trained(own) requires owning {
    adapter();
    return {adapter_->parameters()};
  }
  template <class T, std::size_t N>
  requires(!owning && number<std::remove_const_t<T>>) parameters::buffer<T> trained(std::span<T, N> x) { return {x}; }
  template <class C, std::size_t N>
  requires coded_adapter<Adapter, C> parameters::codes<C> trained(std::span<C, N> x) { return {x}; }
  template <weighted_model Model>
  requires(!owning) parameters::weights_of<Model> trained(Model& model) {
    parameters::check_without_buffer<Sampler, Optimizer>();
    const layout weights = model.weights_layout();
    if (policy_.layout.empty()) policy_.layout = weights;
    require(policy_.layout == weights,
            "engine: the model's weights are not those of the layout, which must be its weights_layout()");
    return {model, policy_.layout, parameters::weight_types_of(model)};
  }

  /// The layout of the parameters; empty for a buffer without one.
  const layout& shape() const {
    if constexpr (owning)
      return adapter_->layout();
    else
      return policy_.layout;
  }

  /// The parts of `size` parameters that step d moves.
  std::vector<extent> moving(std::size_t size, direction d) const { return extents(policy_, shape(), size, d); }

 protected:
  template <class A>
  struct made_by {
    using type = typename A::attached;
  };
  using attached = typename std::conditional_t<owning, made_by<Adapter>, std::type_identity<Adapter>>::type;

  Adapter policy_;
  seed seed_;
  std::optional<attached> adapter_;
};

}  // namespace zoft::inline ZOFT_ISA
