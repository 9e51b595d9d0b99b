// Policies that the engine refuses where it is compiled: one of CASE_… is defined, and the compiler must say why.
#include <zoft/zoft.hpp>

struct with_start : zoft::sgd {
  template <class X>
  void start(const X&) {}
};
struct with_finish : zoft::sgd {
  void finish(std::span<float>) {}
};
struct with_trains : zoft::full {
  bool trains(const zoft::tensor&, zoft::direction) const { return true; }
};
struct with_ready : zoft::two_point {
  std::size_t ready(std::span<const double>) const { return 2; }
};
struct starting : zoft::sgd {
  template <class T>
  void start(std::span<const T>, const zoft::layout&) {}
};

int main() {
#if defined(CASE_START)
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{}, zoft::full{}, with_start{}};
#elif defined(CASE_FINISH)
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{}, zoft::full{}, with_finish{}};
#elif defined(CASE_TRAINS)
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{}, with_trains{}, zoft::sgd{}};
#elif defined(CASE_READY)
  zoft::engine tuner{zoft::gaussian{}, with_ready{}, zoft::full{}, zoft::sgd{}};
#elif defined(CASE_CODES_FINISH)
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{}, zoft::quantised{}, zoft::anchored<zoft::sgd>{}};
#elif defined(CASE_CODES_START)
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{}, zoft::quantised{}, starting{}};
#endif
}
