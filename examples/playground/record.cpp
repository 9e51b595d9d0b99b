// What runs come to, in lines that must be the same wherever the program is built: the tests compare this machine's
// with those of WebAssembly, and with what the page shows.
//
//     record FOLDER      runs on each function by each method, and steps of the demo, whose task is in the folder
//     record programs    a program of all that the page writes in C++, which must compile
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "demo.hpp"
#include "functions.hpp"

namespace {

using namespace playground;

/// What the page does with a function at first: η is measured, rounded to three digits, and the run begins anew.
void run(const landscape& f, composition c, const char* name, double noise) {
  walk first(f, c, f.start, noise);
  first.tune(true);
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.3g", first.learning_rate());
  c.learning_rate = std::strtod(digits, nullptr);
  walk w(f, c, f.start, noise);
  std::size_t refused = 0;
  for (int i = 0; i < 50; ++i) refused += w.step().status != zoft::status::ok;
  std::printf("run %s %s %a %.17g %.17g %.17g %zu %zu\n", f.name, name, c.learning_rate, w.at()[0], w.at()[1], w.loss(),
              w.evaluations(), refused);
}

void runs() {
  for (const landscape& f : landscapes()) {
    for (const method& m : methods())
      for (const double noise : {0.0, 0.5})
        run(f, {m.sampler, m.estimator, m.optimizer, m.queries == 0 ? 4 : m.queries, f.epsilon}, m.name, noise);
    for_each(samplers, [&](const auto& s) {
      run(f, {.sampler = s.name, .estimator = "one_sided", .optimizer = "momentum", .queries = 3, .epsilon = f.epsilon},
          s.name, 0);
    });
    for_each(estimators, [&](const auto& e) {
      run(f, {.sampler = "sphere", .estimator = e.name, .queries = 4, .epsilon = f.epsilon}, e.name, 0);
    });
    walk w(f, {}, f.start, 0);
    w.minimize(500);
    // Its ε comes from powers that each C library rounds in its own way.
    std::printf("minimize %s %.6g %.6g %zu\n", f.name, w.at()[0], w.at()[1], w.evaluations());
  }
}

void steps_of_demo(const char* folder) {
  demo d(folder);
  const auto look = [&](const char* when) {
    const figures f = d.look(0, d.heldout());
    std::printf("demo %s %.17g %zu %zu\n", when, f.loss, f.right, f.items);
  };
  look("before");
  for (const recipe& r : {recipe{.method = "prge"}, recipe{.method = "observed", .steps = 20, .learning_rate = 0.3}}) {
    d.begin(r);
    while (d.steps() < std::min(20u, d.how().steps)) {
      const double loss = d.step().probe_loss;
      std::printf("step %s %u %.17g\n", r.method.c_str(), d.steps(), loss);
    }
    look(r.method.c_str());
    for (const std::size_t i : {0u, 500u})
      std::printf("answer %s | %s | %s\n", d.prompt(i).c_str(), d.answer(d.prompt(i), false).c_str(),
                  d.answer(d.prompt(i), true).c_str());
  }
}

/// Every line of each table once, with the first lines of the others.
void programs() {
  std::puts("#include <zoft/zoft.hpp>\n\n#include <vector>\n\nint main() {");
  const auto write = [](const composition& c) {
    std::printf(
        "  {\n    std::vector<double> x{1, 2};\n    %s\n"
        "    tuner.step(std::span(x), [](std::span<const double> v) { return v[0] * v[1]; });\n  }\n",
        program_of(c).c_str());
  };
  for_each(samplers, [&](const auto& one) { write({.sampler = one.name, .queries = 2}); });
  for_each(estimators, [&](const auto& one) { write({.estimator = one.name, .queries = 2}); });
  for_each(optimizers, [&](const auto& one) { write({.optimizer = one.name, .queries = 2}); });
  std::puts("}");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc > 1 && std::strcmp(argv[1], "programs") == 0) return programs(), 0;
    runs();
    steps_of_demo(argc > 1 ? argv[1] : "/default");
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
