// What the page's worker calls of demo.hpp. Texts that are returned are valid until the next call of the same name.
#include <emscripten.h>

#include <optional>

#include "demo.hpp"
#include "told.hpp"

namespace {

using namespace playground;

std::optional<demo> model;

}  // namespace

extern "C" {

/// Loads the model, the first time, and begins a run. Numbers that are 0 are as in `finetune`. Returns what they are.
EMSCRIPTEN_KEEPALIVE const char* demo_begin(const char* method, int steps, int queries, double epsilon,
                                            double learning_rate, double seed) {
  return told([&] {
    if (!model) model.emplace("/default");
    model->begin({method, static_cast<std::uint32_t>(steps), static_cast<std::size_t>(queries), epsilon, learning_rate,
                  static_cast<std::uint64_t>(seed)});
    const recipe& r = model->how();
    return object({{"steps", zoft::text(r.steps)},
                   {"queries", zoft::text(r.queries)},
                   {"epsilon", zoft::text(r.epsilon)},
                   {"rate", zoft::text(r.learning_rate)},
                   {"forwards", zoft::text(model->run().forwards())},
                   {"trained", zoft::text(model->run().parameters())},
                   {"parameters", zoft::text(model->parameters())},
                   {"heldout", zoft::text(model->heldout())}});
  });
}

EMSCRIPTEN_KEEPALIVE const char* demo_step() {
  return told([] {
    const zoft::step_report r = model->step();
    return object({{"loss", zoft::text(zoft::is_finite(r.probe_loss) ? r.probe_loss : -1.0)},
                   {"rate", zoft::text(r.learning_rate)},
                   {"applied", r.status == zoft::status::ok ? "1" : "0"}});
  });
}

EMSCRIPTEN_KEEPALIVE const char* demo_look(int first, int count) {
  return told([&] {
    const figures f = model->look(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    return object({{"loss", zoft::text(f.loss)}, {"right", zoft::text(f.right)}, {"items", zoft::text(f.items)}});
  });
}

/// A held-out item: prompt, tab, answer.
EMSCRIPTEN_KEEPALIVE const char* demo_item(int i) {
  return told([&] {
    const auto at = static_cast<std::size_t>(i) % model->heldout();
    return model->prompt(at) + "\t" + model->wanted(at);
  });
}

EMSCRIPTEN_KEEPALIVE const char* demo_answer(const char* prompt, int tuned) {
  return told([&] { return model->answer(prompt, tuned != 0); });
}
}
