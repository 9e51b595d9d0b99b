// What the page's worker calls of demo.hpp. Pointers that are returned are valid until the next call of the same name.
#include <emscripten.h>

#include <exception>
#include <optional>

#include "demo.hpp"

namespace {

using namespace playground;

std::optional<demo> model;

const char* kept(std::string text) {
  static std::string result;
  result = std::move(text);
  return result.c_str();
}

/// What f returns, or "error: " and why there is nothing.
template <class F>
const char* told(F f) {
  try {
    return kept(f());
  } catch (const std::exception& e) {
    return kept(std::string("error: ") + e.what());
  }
}

/// {"name": number, …}
std::string object(std::initializer_list<std::pair<const char*, double>> fields) {
  std::string s;
  for (const auto& [name, value] : fields)
    s += (s.empty() ? "{\"" : ",\"") + std::string(name) + "\":" + zoft::text(value);
  return s + "}";
}
double number(std::size_t n) { return static_cast<double>(n); }

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
    return object({{"steps", r.steps},
                   {"queries", number(r.queries)},
                   {"epsilon", r.epsilon},
                   {"rate", r.learning_rate},
                   {"forwards", number(model->run().forwards())},
                   {"trained", number(model->run().parameters())},
                   {"parameters", number(model->parameters())},
                   {"heldout", number(model->heldout())}});
  });
}

EMSCRIPTEN_KEEPALIVE const char* demo_step() {
  return told([] {
    const zoft::step_report r = model->step();
    return object({{"loss", zoft::is_finite(r.probe_loss) ? r.probe_loss : -1},
                   {"rate", r.learning_rate},
                   {"applied", r.status == zoft::status::ok}});
  });
}

EMSCRIPTEN_KEEPALIVE const char* demo_look(int first, int count) {
  return told([&] {
    const figures f = model->look(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    return object({{"loss", f.loss}, {"right", number(f.right)}, {"items", number(f.items)}});
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
