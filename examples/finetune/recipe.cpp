#include "recipe.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <zoft/schedule/cosine.hpp>
#include <zoft/schedule/linear.hpp>

namespace finetune {

namespace {

/// The rate of observed directions that suits a run of so many steps. It is relative to what linears give. A longer run
/// wants a lower one: on stories, 50 to 2,000 steps were best at about 3.2, 1, 0.56 and 0.18.
double observed_rate(data_kind kind, const std::string& adapter, std::uint32_t steps) {
  constexpr std::uint32_t usual = 300, fewest = 75;
  const bool all_weights = adapter == "full";
  double rate = all_weights ? 1 : 0.5;
  if (kind == data_kind::pairs) rate = all_weights ? 0.1 : 0.3;
  if (kind == data_kind::labelled || kind == data_kind::task) rate = 0.5;
  return rate * std::pow(double{usual} / std::max(fewest, steps), 0.75);
}

}  // namespace

recipe recipe_for(data_kind kind, bool is_default, const std::string& method, const std::string& adapter,
                  const std::string& objective, std::uint32_t steps) {
  recipe r;
  if (kind == data_kind::text)
    r = {.learning_rate = 3e-3, .batch = 8, .usual_length = 128, .steps = 1000};
  else if (kind == data_kind::labelled || kind == data_kind::task)
    r = {.learning_rate = 1e-3, .batch = 16, .usual_length = 128, .steps = 1000};
  else if (is_default)
    r = {.learning_rate = 5e-2, .warmup = 50, .batch = 16, .usual_length = 256, .steps = 1500};
  else
    r = {.learning_rate = 1e-2, .batch = 16, .usual_length = 1024, .steps = 1000};
  if (steps > 0) r.steps = steps;
  if (method == "adam" || method == "per-example") {  // a rate in units of the parameters
    r.learning_rate = kind == data_kind::text ? 5e-3 : 3e-3;
    r.queries = 8;
    r.schedule = "cosine";
  }
  if (method == "per-example-lozo") {  // steps of a length that does not depend on the losses
    r.learning_rate = 5e-3;
    r.queries = 3;
    r.schedule = "linear";
    r.warmup = 0;
  }
  if (method == "observed") {
    r.learning_rate = observed_rate(kind, adapter, r.steps);
    r.epsilon = 0.1;
    r.queries = 1;
    r.schedule = "linear";
    r.warmup = 0;
  }
  if (method == "zo-act") {
    r.rank = 1;
    r.alpha = std::numbers::sqrt3;  // A is calibrated, and so orthonormal
    r.queries = 1;
    r.learning_rate = 3e-3;
    r.warmup = 0;
  }
  if (method == "fzoo") r.learning_rate /= 100;  // slopes are relative to losses' spread
  if (adapter == "bias_only") r.learning_rate *= 3;
  if (adapter == "norm_only") r.learning_rate *= 10;  // few parameters, and far from 0
  if (adapter == "prefix") r.learning_rate *= 30;
  if (method == "observed") return r;
  if (adapter == "full") {  // many more parameters, which are not zero at the start
    r.epsilon = 1e-3;
    if (method != "per-example-lozo") r.learning_rate = 1e-5;
  }
  if (objective == "accuracy" || objective == "exact_match")
    r.epsilon *= 10;  // less than that changes few answers, and mostly none
  return r;
}

zoft::schedule schedule_of(const recipe& r) {
  if (r.schedule == "linear") return zoft::linear(r.steps, r.warmup);
  if (r.schedule == "cosine") return zoft::cosine(r.steps, r.warmup);
  return {.warmup = r.warmup};
}

}  // namespace finetune
