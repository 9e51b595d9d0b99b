// error: the functor must be double(std::span<const T>), with T the type of x's numbers
#include <vector>
#include <zoft/minimize.hpp>

int main() {
  std::vector<double> x(10);
  zoft::minimize(std::span(x), [](const std::vector<double>& v) { return v[0]; });
}
