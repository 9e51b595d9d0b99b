#pragma once

#include "../core/layout.hpp"
#include "../engine/points/restore.hpp"
#include "../engine/update/rounding.hpp"

namespace zoft::inline ZOFT_ISA {

/// Trains all of a buffer that the user owns. The functor is shown the parameters themselves, as spans.
///
/// A functor that takes one span is given the user's own buffer, moved to each point in turn and back, bit for bit
/// unless `restore` is drifting (see floating). A functor that takes candidates is given copies, and only the update
/// writes to the buffer.
struct full {
  zoft::layout layout = {};  ///< the buffer's tensors, if that matters (to decay, say); may be empty
  zoft::restore restore = zoft::restore::exact;          ///< how the buffer comes back from the points
  zoft::rounding rounding = zoft::rounding::stochastic;  ///< how updates of 16-bit numbers are rounded
};

}  // namespace zoft::inline ZOFT_ISA
