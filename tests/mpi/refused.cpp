// What ranks refuse where it is compiled: one of CASE_… is defined, and the compiler must say why.
#include <zoft/mpi.hpp>
#include <zoft/zoft.hpp>

int main() {
  zoft::mpi::ranks all(MPI_COMM_WORLD);
  const auto loss = [](auto) { return 0.0; };
#if defined(CASE_OBSERVES)
  std::vector<float> x(2);
  auto tuner = zoft::observed({});
  tuner.step(std::span(x), loss, all);
#elif defined(CASE_SLOPES)
  std::vector<float> x(2);
  auto tuner = zoft::forward_gradient_descent({});
  tuner.step(std::span(x), loss, all);
#elif defined(CASE_CODES)
  std::vector<std::int8_t> x(2);
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{}, zoft::quantised{}, zoft::sgd{}};
  tuner.step(std::span(x), loss, all);
#else
  std::vector<float> x(2);
  auto tuner = zoft::mezo({});
  tuner.step(
      std::span(x), [](std::span<const float>) { return 0.0; }, all);
#endif
}
