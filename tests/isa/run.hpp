#pragma once

#include <string>
#include <vector>

/// What one translation unit saw of the library.
struct run {
  std::string type;              ///< the mangled name of the tuner, which names the instruction set
  std::vector<float> direction;  ///< z of one direction
  double before, after;          ///< the loss before and after some steps
};

run run_on_x86_64();
run run_on_haswell();
