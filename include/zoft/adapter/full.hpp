#pragma once

#include "../core/layout.hpp"
#include "../engine/points/restore.hpp"
#include "../engine/update/rounding.hpp"

namespace zoft::inline ZOFT_ISA {

/// All of a buffer that the user owns is trained: the functor is shown the parameters themselves, as spans.
///
/// A functor that takes one span is given the user's own buffer, moved to each point in turn and back; unless `restore`
/// says otherwise, bit for bit (see floating). A functor that takes candidates is given copies, and the buffer is
/// written only by the update.
struct full {
  zoft::layout layout = {};  ///< which tensors the buffer consists of, where that matters (decay); may be empty
  zoft::restore restore = zoft::restore::exact;          ///< how the buffer comes back from the points
  zoft::rounding rounding = zoft::rounding::stochastic;  ///< how updates of 16-bit numbers are rounded
};

}  // namespace zoft::inline ZOFT_ISA
