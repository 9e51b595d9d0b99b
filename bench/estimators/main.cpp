/// bench_estimators: every composition of the catalogue on every problem, with equal forwards, each at the rate of one
/// common grid that suits it best.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <zoft/nn/kernel/thread_pool.hpp>

#include "run.hpp"
#include "tasks.hpp"

namespace estimators {

namespace {

struct plan {
  std::string output = "estimators";
  std::vector<std::string> problems, methods;  ///< where none are named: all functions, and all methods
  std::string model, text;                     ///< of a second language model, where it is there
  std::vector<std::string> finetune;           ///< more options of that program, for its tasks
  std::size_t seeds = 5, tuning_seeds = 2, forwards = 0, marks = 20;
  double lowest = 1e-9, highest = 10;
  std::size_t per_decade = 2;
};

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const auto above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

std::vector<double> rates(const plan& p) {
  std::vector<double> result;
  const double per_decade = static_cast<double>(p.per_decade);
  for (double e = std::round(std::log10(p.lowest) * per_decade); e <= std::log10(p.highest) * per_decade + 0.5; ++e)
    result.push_back(std::pow(10, e / per_decade));
  return result;
}

bool wanted(const std::vector<std::string>& of, const std::string& name) {
  return of.empty() || std::find(of.begin(), of.end(), name) != of.end();
}

/// The loss that a run is judged by: the mean of its last quarter, so that no method wins by a lucky last step.
double judged(const curve& c) {
  double sum = 0;
  const std::size_t last = std::max<std::size_t>(1, (c.size() - 1) / 4);
  for (std::size_t i = c.size() - last; i < c.size(); ++i) sum += c[i].loss;
  return sum / static_cast<double>(last);
}

/// A quantile, over the seeds of method m, of f(curve).
template <class F>
double over_seeds(const std::vector<curve>& runs, std::size_t m, std::size_t seeds, F f, double share) {
  std::vector<double> values;
  for (std::size_t s = 0; s < seeds; ++s) values.push_back(f(runs[m * seeds + s]));
  return quantile(values, share);
}

void compare(const plan& p, const problem_kind& kind, const zoft::nn::thread_pool& threads, std::FILE* curves,
             std::FILE* summary) {
  std::vector<method> methods;
  for (const method& m : catalogue())
    if (wanted(p.methods, m.name) && (kind.slopes || !m.exact_slopes) && (kind.examples > 0 || !m.of_model))
      methods.push_back(m);
  const std::vector<double> grid = rates(p);

  // Tuning has seeds of its own: the figures are of runs that no rate was chosen by.
  std::vector<double> found(methods.size() * grid.size() * p.tuning_seeds);
  threads.run(found.size(), [&](std::size_t i, std::size_t) {
    const std::size_t seed = i % p.tuning_seeds, rate = i / p.tuning_seeds % grid.size();
    if (!methods[i / p.tuning_seeds / grid.size()].autotuned)
      found[i] = judged(run(kind, methods[i / p.tuning_seeds / grid.size()], grid[rate], 1000 + seed, p.marks));
  });
  std::vector<double> best(methods.size());
  for (std::size_t m = 0; m < methods.size(); ++m) {
    if (methods[m].autotuned) continue;  // rate 0: none of the grid's
    double lowest = HUGE_VAL;
    for (std::size_t r = 0; r < grid.size(); ++r) {
      const auto first = found.begin() + static_cast<std::ptrdiff_t>((m * grid.size() + r) * p.tuning_seeds);
      const double median = quantile({first, first + static_cast<std::ptrdiff_t>(p.tuning_seeds)}, 0.5);
      if (median < lowest) lowest = median, best[m] = grid[r];
    }
  }

  std::vector<curve> runs(methods.size() * p.seeds);
  threads.run(runs.size(), [&](std::size_t i, std::size_t) {
    runs[i] = run(kind, methods[i / p.seeds], best[i / p.seeds], i % p.seeds, p.marks);
  });
  double reference = -1;  // mezo's loss, where mezo is among them
  for (std::size_t m = 0; m < methods.size(); ++m)
    if (methods[m].name == "mezo") reference = over_seeds(runs, m, p.seeds, judged, 0.5);
  for (std::size_t m = 0; m < methods.size(); ++m) {
    const char *problem = kind.name.c_str(), *name = methods[m].name.c_str();
    const double median = over_seeds(runs, m, p.seeds, judged, 0.5);
    const double lowest = over_seeds(runs, m, p.seeds, judged, 0), highest = over_seeds(runs, m, p.seeds, judged, 1);
    std::size_t reached = 0;  // forwards by which the median is down to the reference; 0: never
    for (std::size_t at = 0; at <= p.marks; ++at) {
      const auto here = [at](const curve& c) { return c[at].loss; };
      const double loss = over_seeds(runs, m, p.seeds, here, 0.5);
      const std::size_t forwards = runs[m * p.seeds][at].forwards;
      if (reached == 0 && loss <= reference) reached = forwards;
      std::fprintf(curves, "%s,%s,%zu,%.6g,%.6g,%.6g\n", problem, name, forwards, loss,
                   over_seeds(runs, m, p.seeds, here, 0), over_seeds(runs, m, p.seeds, here, 1));
    }
    std::fprintf(summary, "%s,%s,%g,%zu,%.6g,%.6g,%.6g,%zu\n", problem, name, best[m], kind.forwards, median, lowest,
                 highest, reached);
    std::printf("%-18s %-20s rate %-8.3g loss %-9.4g (%.4g to %.4g)", problem, name, best[m], median, lowest, highest);
    if (reached > 0) std::printf("  mezo's by %zu forwards", reached);
    std::printf("\n");
  }
  std::fflush(nullptr);
}

int compare_all(int argc, char** argv) {
  plan p;
  CLI::App app("Compares zeroth-order methods on equal numbers of forwards.");
  app.add_option("--output", p.output, "curves and summary are written to OUTPUT-curves.csv and OUTPUT-summary.csv");
  app.add_option("--problems", p.problems, "names, as sphere,dates; where none are given all functions")
      ->delimiter(',');
  app.add_option("--methods", p.methods, "names; all where none are given")->delimiter(',');
  app.add_option("--model", p.model, "a model of llama2.c's, with its tokenizer.bin beside it; with --text");
  app.add_option("--text", p.text, "the text that it learns");
  app.add_option("--finetune", p.finetune, "more options of finetune for its tasks, as --rank,2")->delimiter(',');
  app.add_option("--seeds", p.seeds, "runs a method");
  app.add_option("--tuning-seeds", p.tuning_seeds, "runs a method and rate, to choose the rate by");
  app.add_option("--forwards", p.forwards, "instead of each problem's own budget");
  app.add_option("--lowest", p.lowest, "rate of the grid");
  app.add_option("--highest", p.highest, "rate of the grid");
  app.add_option("--per-decade", p.per_decade, "rates of the grid");
  CLI11_PARSE(app, argc, argv);

  std::vector<problem_kind> kinds = functions();
  // Each with LoRA-FA and with all weights.
  const auto named = [&](const std::string& name) {
    return std::find(p.problems.begin(), p.problems.end(), name) != p.problems.end();
  };
  const auto add = [&](const std::string& name, std::vector<std::string> arguments, std::size_t forwards) {
    arguments.insert(arguments.end(), p.finetune.begin(), p.finetune.end());
    if (named(name)) kinds.push_back(task(name, arguments, forwards));
    arguments.insert(arguments.end(), {"--adapter", "full"});
    if (named(name + " weights")) kinds.push_back(task(name + " weights", arguments, forwards));
  };
  add("dates", {"--heldout-items", "200"}, 4000);
  if (!p.model.empty())
    add("stories", {"--model", p.model, "--text", p.text, "--length", "64", "--heldout-tokens", "4000"}, 4000);

  const auto refuse_unknown = [](const char* option, const std::vector<std::string>& names, const auto& all) {
    for (const std::string& name : names)
      if (std::none_of(all.begin(), all.end(), [&](const auto& each) { return each.name == name; }))
        throw std::invalid_argument(std::string(option) + ": there is no '" + name + "'");
  };
  refuse_unknown("--problems", p.problems, kinds);
  refuse_unknown("--methods", p.methods, catalogue());

  std::FILE* curves = std::fopen((p.output + "-curves.csv").c_str(), "w");
  std::FILE* summary = std::fopen((p.output + "-summary.csv").c_str(), "w");
  if (curves == nullptr || summary == nullptr) throw std::invalid_argument("--output: cannot write " + p.output);
  std::fputs("problem,method,forwards,median,lowest,highest\n", curves);
  std::fputs("problem,method,rate,forwards,median,lowest,highest,mezo_reached\n", summary);
  const zoft::nn::thread_pool threads;
  for (problem_kind& kind : kinds) {
    if (!wanted(p.problems, kind.name)) continue;
    if (p.forwards > 0) kind.forwards = p.forwards;
    compare(p, kind, threads, curves, summary);
  }
  std::fclose(curves);
  std::fclose(summary);
  return 0;
}

}  // namespace
}  // namespace estimators

int main(int argc, char** argv) {
  try {
    return estimators::compare_all(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_estimators: %s\n", error.what());
    return 2;
  }
}
