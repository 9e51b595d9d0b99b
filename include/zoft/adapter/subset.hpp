#pragma once

#include "../core/layout.hpp"
#include "../engine/points/restore.hpp"
#include "../engine/update/rounding.hpp"

namespace zoft::inline ZOFT_ISA {

/// Trains only some tensors of a buffer that the user owns: those for which the predicate holds, such as biases
/// (BitFit: Ben Zaken et al. 2021, arXiv:2106.10199), vectors or matrices. The others keep every bit. No noise is made
/// for them, and they cost neither memory for the way back nor an update. The trained tensors get the same noise as
/// with full. The functor is shown the whole buffer, as with full.
struct subset {
  zoft::layout layout = {};                              ///< the buffer's tensors
  bool (*trains)(const tensor&) = all;                   ///< which of them are trained, at least one
  zoft::restore restore = zoft::restore::exact;          ///< how the buffer comes back from the points
  zoft::rounding rounding = zoft::rounding::stochastic;  ///< how updates of 16-bit numbers are rounded

  void check() const {
    bool any = false;
    for (const tensor& t : layout) any = any || trains(t);
    require(any, "subset: trains is true of none of the layout's " + text(layout.tensors().size()) +
                     " tensors, and must be of at least one");
  }
};

}  // namespace zoft::inline ZOFT_ISA
