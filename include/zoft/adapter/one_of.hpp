#pragma once

#include <concepts>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "../concepts.hpp"
#include "../core/adapter_stack.hpp"
#include "../engine/attached/attach.hpp"
#include "../engine/composition.hpp"
#include "../engine/points/extents.hpp"

namespace zoft::inline ZOFT_ISA {

namespace choosing {

/// A variant of the types, each once.
template <class Variant, class... Types>
struct distinct {
  using type = Variant;  ///< the variant
};
/// With what is known so far.
template <class... Known, class Next, class... Rest>
struct distinct<std::variant<Known...>, Next, Rest...> {
  /// The variant.
  using type =
      typename std::conditional_t<(std::same_as<Known, Next> || ...), distinct<std::variant<Known...>, Rest...>,
                                  distinct<std::variant<Known..., Next>, Rest...>>::type;
};

/// An adapter whose candidates can be shown as an adapter_stack.
template <class A>
concept shows_stack = owning_adapter<A> && requires(const typename A::attached& a, const candidates<float>& c) {
  adapter_stack(a.show(c));
};

}  // namespace choosing

/// One of the adapters, which the program chooses while it runs. An engine of it is compiled once, and not once for
/// each adapter; parameters and losses are those of the adapter itself, bit for bit.
///
///     using any = zoft::one_of<zoft::lora_fa, zoft::lora, zoft::prefix>;
///     auto tuner = zoft::prge({.seed = 42}, wants_prefix ? any(zoft::prefix{.length = 5}) : any(zoft::lora_fa{}));
///
/// The functor is shown an adapter_stack, whichever it is. The model must have what each of them asks for.
template <class... Adapters>
class one_of {
  static_assert(
      sizeof...(Adapters) > 0 && (choosing::shows_stack<Adapters> && ...),
      "one_of: each must be an adapter that owns its parameters, and shows an adapter_stack or what becomes one");

 public:
  /// The chosen adapter, attached to a model.
  class attached {
   public:
    /// What the chosen adapter made.
    template <class Chosen>
    requires(std::same_as<Chosen, typename Adapters::attached> || ...) attached(Chosen chosen)
        : chosen_(std::move(chosen)) {}

    /// The trained buffer and its layout.
    std::span<float> parameters() {
      return std::visit([](auto& a) -> std::span<float> { return a.parameters(); }, chosen_);
    }
    /// The same, to read.
    std::span<const float> parameters() const {
      return std::visit([](const auto& a) -> std::span<const float> { return a.parameters(); }, chosen_);
    }
    /// The layout of parameters().
    const zoft::layout& layout() const {
      return std::visit([](const auto& a) -> const zoft::layout& { return a.layout(); }, chosen_);
    }

    /// What is added to the model now, as one group.
    adapter_stack stack() const {
      const std::span<const float> now = parameters();
      return show(candidates<float>(now.data(), 1, now.size()));
    }

    /// What each candidate adds, as one group per candidate. Candidates that have no owner must stay alive.
    adapter_stack show(const candidates<float>& c) const {
      return std::visit([&](const auto& a) { return adapter_stack(a.show(c)); }, chosen_);
    }

    /// What a forward showed of the model's linears -> what that shows of the parameters.
    observations observed(observations seen) const {
      return std::visit(
          [&](const auto& a) -> observations {
            if constexpr (requires { a.observed(std::move(seen)); })
              return a.observed(std::move(seen));
            else
              return std::move(seen);
          },
          chosen_);
    }

    /// The chosen one, if it is an A; otherwise null.
    template <class A>
    requires(std::same_as<A, typename Adapters::attached> || ...) const A* as() const {
      return std::get_if<A>(&chosen_);
    }

   private:
    typename choosing::distinct<std::variant<>, typename Adapters::attached...>::type chosen_;
  };

  /// Chooses the adapter.
  template <class Adapter>
  requires(std::same_as<Adapter, Adapters> || ...) one_of(Adapter adapter) : chosen_(std::move(adapter)) {}

  /// The chosen adapter's parameters for the model.
  template <class Model>
  requires(attachable<Adapters, Model>&&...) attached attach(const Model& model, seed run)
  const {
    return std::visit([&](const auto& a) { return attached(attached_to(a, model, run)); }, chosen_);
  }

  void check() const {
    std::visit(
        [](const auto& a) {
          if constexpr (requires { a.check(); }) a.check();
        },
        chosen_);
  }
  std::vector<bool> trains(const layout& shape, direction d) const {
    return std::visit([&](const auto& a) { return trained(a, shape, d); }, chosen_);
  }
  template <class Sampler, class Estimator, class, class Optimizer>
  static constexpr void compose() {
    (composition::check<Sampler, Estimator, Adapters, Optimizer>(), ...);
  }

 private:
  std::variant<Adapters...> chosen_;
};

}  // namespace zoft::inline ZOFT_ISA
