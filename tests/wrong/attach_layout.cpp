// error: the model must have layout() const, a zoft::layout of its linears, or what the adapter asks for
#include <zoft/prge.hpp>

struct network {};

int main() {
  auto tuner = zoft::prge({}, zoft::lora_fa{});
  tuner.attach(network{});
}
