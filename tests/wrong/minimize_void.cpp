// error: the functor must return a number, and returns something else
#include <vector>
#include <zoft/minimize.hpp>

int main() {
  std::vector<double> x(10);
  zoft::minimize(std::span(x), [](std::span<const double>) {});
}
