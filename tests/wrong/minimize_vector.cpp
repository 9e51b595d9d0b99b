// error: x must be a std::span: write std::span(x)
#include <vector>
#include <zoft/minimize.hpp>

int main() {
  std::vector<double> x(10);
  zoft::minimize(x, [](std::span<const double> v) { return v[0]; });
}
