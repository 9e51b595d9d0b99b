/// How much memory the program takes at its peak.
#pragma once

#include <cstddef>

namespace finetune {

/// The most bytes of physical memory that the program had at a time: program, model, data and what is computed with. On
/// Linux since the last begin_peak, elsewhere since the program began.
std::size_t peak_bytes();

/// Begins a new peak at what is in use now. Returns false where the system cannot.
bool begin_peak();

}  // namespace finetune
