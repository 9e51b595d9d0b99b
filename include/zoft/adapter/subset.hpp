#pragma once

#include "../core/layout.hpp"
#include "../engine/points/restore.hpp"
#include "../engine/update/rounding.hpp"

namespace zoft::inline ZOFT_ISA {

/// Of a buffer that the user owns, only some tensors are trained: those for which the predicate holds, such as biases
/// (BitFit: Ben Zaken et al. 2021, arXiv:2106.10199), vectors or matrices. Of the others no bit is changed, no noise is
/// made, and neither memory to come back by nor an update is spent on them. The noise of those that are trained is the
/// same as with full. The functor is shown the whole buffer, as with full.
struct subset {
  zoft::layout layout = {};                              ///< what the buffer consists of
  bool (*trains)(const tensor&) = all;                   ///< which of its tensors are trained, at least one
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
