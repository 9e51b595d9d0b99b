// What ranks refuse where it is compiled: one of CASE_… is defined, and the compiler must say why. Without one, this is
// the form of use that is promised.
#include <zoft/mpi.hpp>
#include <zoft/zoft.hpp>

int main() {
  zoft::mpi::ranks everyone(MPI_COMM_WORLD);
  std::vector<float> weights(2);
#if defined(CASE_OBSERVES)
  const auto loss = [](const auto&, std::span<double>) {};
  auto tuner = zoft::observed({});
  tuner.step(std::span(weights), loss, everyone);
#elif defined(CASE_SLOPES)
  const auto loss = [](auto) { return 0.0; };
  auto tuner = zoft::forward_gradient_descent({});
  tuner.step(std::span(weights), loss, everyone);
#elif defined(CASE_CODES)
  const auto loss = [](auto) { return 0.0; };
  std::vector<std::int8_t> codes(2);
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{}, zoft::quantised{}, zoft::sgd{}};
  tuner.step(std::span(codes), loss, everyone);
#elif defined(CASE_RANGE)
  const auto loss = [](std::span<const float>) { return 0.0; };
  auto tuner = zoft::mezo({});
  tuner.step(std::span(weights), loss, everyone.examples(2));
#else
  const auto loss = [](std::span<const float>) { return 0.0; };
  auto tuner = zoft::mezo({});
  tuner.step(std::span(weights), loss, everyone);
#endif
}
