// error: the adapter must own its parameters to be attached to a model, as lora does: this one's are the
#include <zoft/prge.hpp>

struct network {
  zoft::layout layout() const { return {}; }
};

int main() {
  auto tuner = zoft::prge({});
  tuner.attach(network{});
}
