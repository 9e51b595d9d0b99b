// error: the model must have layout() const, a zoft::layout of its linears, or what the adapter asks for
#include <zoft/prge.hpp>

struct network {
  zoft::layout layout() const { return {}; }
};

int main() {
  auto tuner = zoft::prge({}, zoft::norm_only{});
  tuner.attach(network{});
}
