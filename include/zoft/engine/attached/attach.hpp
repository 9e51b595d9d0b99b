/// Making an adapter's parameters for a model.
#pragma once

#include <concepts>

#include "../../core/direction.hpp"
#include "../../core/layout.hpp"

namespace zoft::inline ZOFT_ISA {

/// Whether the adapter can be attached to the model, or to its layout() of linears.
template <class Adapter, class Model>
concept attachable = requires(const Adapter& a, const Model& m, seed s) {
  a.attach(m, s);
}
|| requires(const Adapter& a, const Model& m, seed s) { a.attach(m.layout(), s); };

/// The adapter's parameters for the model, as Adapter::attached.
template <class Adapter, class Model>
requires attachable<Adapter, Model>
auto attached_to(const Adapter& adapter, const Model& model, seed run) {
  if constexpr (requires { adapter.attach(model, run); })
    return adapter.attach(model, run);
  else
    return adapter.attach(model.layout(), run);
}

}  // namespace zoft::inline ZOFT_ISA
