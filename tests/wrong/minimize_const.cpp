// error: x is what is changed, and must be a std::span of numbers that are not const
#include <vector>
#include <zoft/minimize.hpp>

int main() {
  const std::vector<double> x(10);
  zoft::minimize(std::span(x), [](std::span<const double> v) { return v[0]; });
}
