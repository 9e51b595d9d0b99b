// Computes before main begins, and is linked before what includes zoft.
#include <cstddef>

namespace {

volatile float one = 1;

struct table {
  float value[1024];
  table() {
    for (std::size_t i = 0; i < 1024; ++i) value[i] = one;
    for (std::size_t i = 0; i < 1024; ++i) value[i] = value[i] * value[1023 - i] + 1;
  }
} made;

}  // namespace

float made_before_main() { return made.value[0]; }
