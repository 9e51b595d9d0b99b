/// Chooses a tuner's ε and η by measurements on the loss that is to be trained.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "engine.hpp"
#include "tuning/brief.hpp"
#include "tuning/chosen.hpp"
#include "tuning/noise_level.hpp"
#include "tuning/radius.hpp"
#include "tuning/rate.hpp"
#include "tuning/subject.hpp"
#include "tuning/subject_of.hpp"

namespace zoft::inline ZOFT_ISA {

struct autotune_options {
  /// About how many losses to spend; at most a tenth more. The least that it takes is about 70, and those of 100 steps.
  std::size_t evaluations = 1000;

  /// batch(i) makes f the loss of batch i = 0, 1, …, with the same examples each time. It is called before f is
  /// evaluated on that batch. If it is not given, f is one function.
  std::function<void(std::uint32_t)> batch = {};
  std::size_t steps = 0;  ///< length of the planned run on batches: η goes as 1/∛steps; 0: no longer than a trial
  bool keep_epsilon = false;        ///< leaves ε as it is, and measures η for it
  bool keep_learning_rate = false;  ///< leaves η as it is
};

/// What was chosen, and from which measurements. Derivatives are those of φ(t) = L(x + tz), over a few directions z.
struct autotune_report {
  double loss = 0;               ///< at x
  noise_level noise = {};        ///< σ of the loss
  double slope = 0;              ///< rms of φ′
  double curvature = 0;          ///< mean of φ″: the trace of the Hessian if E zzᵀ = I
  bool central = true;           ///< whether the estimator's points come in mirrored pairs
  double higher_derivative = 0;  ///< the one that limits ε: φ‴ if central, else φ″; 0 if none was seen
  double epsilon = 0;            ///< chosen
  epsilon_limit limited_by = epsilon_limit::unchanged;  ///< what determined epsilon
  double learning_rate = 0;                             ///< chosen
  std::size_t steps = 0;                                ///< of the run that η was lowered for; 0: it was not lowered
  std::vector<rate_trial> rates = {};                   ///< all trials, in order
  std::size_t evaluations = 0;                          ///< all losses evaluated
  zoft::status status = zoft::status::ok;  ///< no_improvement: no rate lowered the loss, and η is as it was

  /// The whole report in a few plain lines.
  std::string why() const;
};

namespace tuning {

inline autotune_report run(subject& subject, const autotune_options& o) {
  autotune_report r;
  r.epsilon = subject.epsilon();
  r.learning_rate = subject.learning_rate();
  r.status = status::no_improvement;
  // A loss may not be finite once in a while, as of a simulation.
  const auto look = [&] {
    std::vector<double> all = subject.losses();
    for (int i = 0; i < 2 && !is_finite(estimation::mean(all)); ++i) all = subject.losses();
    return all;
  };
  std::vector<double> losses = look();
  r.loss = estimation::mean(losses);
  if (!is_finite(r.loss)) fail("autotune: f is " + text(r.loss) + " at the start, and must be finite");

  // At a spacing of the root of the rounding error, a smooth loss's second differences are as small as its rounding.
  const double size = subject.size();
  const double spacing = std::sqrt(subject.roundoff()) * (size > 0 ? size : 1);
  r.noise = measure_noise([&](double t) { return subject.along(0, t); }, std::exp2(std::round(std::log2(spacing))));
  r.evaluations = subject.evaluations();
  if (r.noise.constant()) return r;

  const double sigma = std::max(r.noise.value, 0x1p-53 * r.noise.magnitude);
  const bool sampled = sigma > 1e-6 * r.noise.magnitude;  // as opposed to rounding
  const int looks = subject.has_batches() ? 8 : sampled ? 4 : 1;
  for (int n = 2; sampled && n <= 4; ++n) {
    const std::vector<double> again = look();
    for (std::size_t i = 0; i < losses.size(); ++i) losses[i] += (again[i] - losses[i]) / n;
  }
  r.loss = estimation::mean(losses);
  const stencil points = subject.points();
  r.central = points.central;
  const radius found = radius_search(subject, losses, sigma, points.central).run();
  r.limited_by = found.limited_by;
  r.slope = found.slope;
  r.curvature = found.curvature;
  r.higher_derivative = found.higher_derivative;
  if (o.keep_epsilon) r.limited_by = epsilon_limit::kept;
  if (found.limited_by != epsilon_limit::unchanged && !o.keep_epsilon) r.epsilon = found.epsilon / points.reach;
  if (o.keep_learning_rate) r.status = status::ok;
  if (found.limited_by != epsilon_limit::unchanged && !o.keep_learning_rate) {
    rate_search search(subject, found, r.epsilon, r.loss, looks);
    const std::size_t spent = subject.evaluations();
    const std::optional<double> rate = search.run(o.evaluations > spent ? o.evaluations - spent : 0);
    r.loss = search.start();
    r.rates = search.trials();
    if (rate) {
      const double share = search.share_for(o.steps);
      r.learning_rate = *rate * share;
      if (share < 1) r.steps = o.steps;
      r.status = status::ok;
    }
  }
  r.evaluations = subject.evaluations();
  return r;
}

template <class Engine, number T, class F>
autotune_report tune(Engine& tuner, std::span<T> x, F& f, const autotune_options& o) {
  subject_of measured(tuner, x, refer<Engine, T>(f), o.batch);
  const autotune_report r = run(measured, o);
  radiused(tuner.estimator()).epsilon = r.epsilon;
  rated(tuner.optimizer()).learning_rate = r.learning_rate;
  return r;
}

/// What is wrong with the policies, or with x or f.
template <class Estimator, class Optimizer>
constexpr composition::fault fault_of_tuned() {
  using composition::fault;
  if constexpr (!requires(Estimator & e) { radiused(e).epsilon = 1.0; })
    return fault::no_epsilon;
  else
    return requires(Optimizer & o) { rated(o).learning_rate = 1.0; }
  ? fault::none : fault::no_rate;
}
/// Whether f's losses are of the examples that the estimator wants.
template <class Estimator, class F, class Shown, class One>
constexpr bool fits_examples = functors::takes_all<Estimator, F, Shown>() || functors::takes_one<Estimator, F, One>();
template <class Estimator, class Adapter, class Optimizer, class X, class F>
constexpr composition::fault fault_of_autotune() {
  if (owning_adapter<Adapter>) return composition::fault::owned;
  constexpr composition::fault of_tuned = fault_of_tuned<Estimator, Optimizer>();
  if constexpr (of_tuned != composition::fault::none) {
    return of_tuned;
  } else if constexpr (!estimator_of_examples<Estimator>) {
    return composition::fault_of_loss_at<X, F>();
  } else if constexpr (composition::fault_of_buffer<X>() == composition::fault::none) {
    using T = typename std::remove_cvref_t<X>::value_type;
    return fits_examples<Estimator, F, candidates<T>, std::span<const T>> ? composition::fault::none
                                                                          : composition::fault::example;
  } else {
    return composition::fault_of_buffer<X>();
  }
}
template <class Engine, class Estimator, class Optimizer, class F>
constexpr composition::fault fault_of_owning_autotune() {
  constexpr composition::fault of_tuned = fault_of_tuned<Estimator, Optimizer>();
  if constexpr (of_tuned == composition::fault::none) {
    using shown = decltype(std::declval<Engine&>().ask());
    if (estimator_of_examples<Estimator>)
      return fits_examples<Estimator, F, shown, shown> ? composition::fault::none : composition::fault::example;
    return objective<F, shown> || batch_objective<F, shown> ? composition::fault::none : composition::fault::shown;
  } else {
    return of_tuned;
  }
}

}  // namespace tuning

/// Chooses the tuner's ε and η for the loss f at x, and reports why. f is a functor as the tuner's step takes it: of
/// one point, or of candidates.
///
/// The noise of f along a direction comes from a difference table (see noise_of), ε from this noise and f's derivatives
/// (see tuning::radius_search), and η from short trials (see tuning::rate_search). All of this runs on a copy of the
/// tuner; the tuner itself only gets the two numbers. x comes back bit for bit, even if f throws. Memory: a copy of x,
/// and one of the tuner with its optimizer's state. If f is deterministic, the same seed gives the same result.
///
/// If f is the loss of a batch, give `batch`. Trials then make step i with batch i, and end with the mean loss of 8
/// batches that no step used. Noise and derivatives are measured on batch 0, so the noise is its rounding, as it is
/// between the points of one step. Afterwards f may be left at any batch. If f draws another batch or random number in
/// each call, that counts as noise: it is measured, and makes ε larger.
///
/// If the estimator's losses are of one example each, so are those that ε is chosen by, and an evaluation is one of the
/// whole batch. A functor of candidates is then shown one point as often as the batch has examples.
///
/// ε and η fit the loss around x and over the trials. If the curvature grows many times over on the way (from
/// Rosenbrock's plateau at 0 into the valley), η becomes too large. A rate_watch tells when to tune again.
///
/// Throws std::invalid_argument if f(x) is not finite. No improvement is a result, not an error: see status.
template <class Sampler, class Estimator, class Adapter, class Optimizer, number T, std::size_t N, class F>
requires(tuning::fault_of_autotune<Estimator, Adapter, Optimizer, std::span<T, N>, F>() ==
         composition::fault::none) autotune_report autotune(engine<Sampler, Estimator, Adapter, Optimizer>& tuner,
                                                            std::span<T, N> x, F&& f, const autotune_options& o = {}) {
  return tuning::tune(tuner, std::span<T>(x), f, o);
}

/// The same for parameters that an attached adapter owns; f takes what the adapter shows.
template <class Sampler, class Estimator, owning_adapter Adapter, class Optimizer, class F>
requires(tuning::fault_of_owning_autotune<engine<Sampler, Estimator, Adapter, Optimizer>, Estimator, Optimizer, F>() ==
         composition::fault::none) autotune_report
    autotune(engine<Sampler, Estimator, Adapter, Optimizer>& tuner, F&& f, const autotune_options& o = {}) {
  return tuning::tune(tuner, std::span<float>(), f, o);
}

// For calls that are wrong.
template <class Sampler, class Estimator, class Adapter, class Optimizer, class X, class F>
requires(tuning::fault_of_autotune<Estimator, Adapter, Optimizer, X, F>() == composition::fault::no_epsilon)
    ZOFT_REFUSED("the estimator must have epsilon, as data, to be chosen")
autotune_report autotune(engine<Sampler, Estimator, Adapter, Optimizer>&, X&&, F&&, const autotune_options& = {}) {
  return {};
}
template <class Sampler, class Estimator, class Adapter, class Optimizer, class X, class F>
requires(tuning::fault_of_autotune<Estimator, Adapter, Optimizer, X, F>() == composition::fault::no_rate)
    ZOFT_REFUSED("the optimizer must have learning_rate, as data, to be chosen")
autotune_report autotune(engine<Sampler, Estimator, Adapter, Optimizer>&, X&&, F&&, const autotune_options& = {}) {
  return {};
}
template <class Sampler, class Estimator, class Adapter, class Optimizer, class X, class F>
requires(tuning::fault_of_autotune<Estimator, Adapter, Optimizer, X, F>() == composition::fault::example) ZOFT_REFUSED(
    "the functor's losses must each be of one example: take zoft::example_losses in place of a span, or a "
    "zoft::example beside one point")
autotune_report autotune(engine<Sampler, Estimator, Adapter, Optimizer>&, X&&, F&&, const autotune_options& = {}) {
  return {};
}
template <class Sampler, class Estimator, class Adapter, class Optimizer, class X, class F>
requires(tuning::fault_of_autotune<Estimator, Adapter, Optimizer, X, F>() == composition::fault::no_span)
    ZOFT_REFUSED("x must be a std::span: write std::span(x)")
autotune_report autotune(engine<Sampler, Estimator, Adapter, Optimizer>&, X&&, F&&, const autotune_options& = {}) {
  return {};
}
template <class Sampler, class Estimator, class Adapter, class Optimizer, class X, class F>
requires(tuning::fault_of_autotune<Estimator, Adapter, Optimizer, X, F>() == composition::fault::read_only)
    ZOFT_REFUSED("x is moved, and must be a std::span of numbers that are not const")
autotune_report autotune(engine<Sampler, Estimator, Adapter, Optimizer>&, X&&, F&&, const autotune_options& = {}) {
  return {};
}
template <class Sampler, class Estimator, class Adapter, class Optimizer, class X, class F>
requires(tuning::fault_of_autotune<Estimator, Adapter, Optimizer, X, F>() == composition::fault::no_numbers)
    ZOFT_REFUSED("x must be a std::span of float, double, zoft::bfloat16 or zoft::half")
autotune_report autotune(engine<Sampler, Estimator, Adapter, Optimizer>&, X&&, F&&, const autotune_options& = {}) {
  return {};
}
template <class Sampler, class Estimator, class Adapter, class Optimizer, class X, class F>
requires(tuning::fault_of_autotune<Estimator, Adapter, Optimizer, X, F>() == composition::fault::nothing_returned)
    ZOFT_REFUSED("the functor must return its loss, a number, and returns something else")
autotune_report autotune(engine<Sampler, Estimator, Adapter, Optimizer>&, X&&, F&&, const autotune_options& = {}) {
  return {};
}
template <class Sampler, class Estimator, class Adapter, class Optimizer, class X, class F>
requires(tuning::fault_of_autotune<Estimator, Adapter, Optimizer, X, F>() == composition::fault::buffer) ZOFT_REFUSED(
    "the functor must be double(std::span<const T>), or void(zoft::candidates<T>, std::span<double>); x is of T")
autotune_report autotune(engine<Sampler, Estimator, Adapter, Optimizer>&, X&&, F&&, const autotune_options& = {}) {
  return {};
}
template <class Sampler, class Estimator, owning_adapter Adapter, class Optimizer, class F>
requires(tuning::fault_of_owning_autotune<engine<Sampler, Estimator, Adapter, Optimizer>, Estimator, Optimizer, F>() ==
         composition::fault::no_epsilon) ZOFT_REFUSED("the estimator must have epsilon, as data, to be chosen")
autotune_report autotune(engine<Sampler, Estimator, Adapter, Optimizer>&, F&&, const autotune_options& = {}) {
  return {};
}
template <class Sampler, class Estimator, owning_adapter Adapter, class Optimizer, class F>
requires(tuning::fault_of_owning_autotune<engine<Sampler, Estimator, Adapter, Optimizer>, Estimator, Optimizer, F>() ==
         composition::fault::no_rate) ZOFT_REFUSED("the optimizer must have learning_rate, as data, to be chosen")
autotune_report autotune(engine<Sampler, Estimator, Adapter, Optimizer>&, F&&, const autotune_options& = {}) {
  return {};
}
template <class Sampler, class Estimator, owning_adapter Adapter, class Optimizer, class F>
requires(tuning::fault_of_owning_autotune<engine<Sampler, Estimator, Adapter, Optimizer>, Estimator, Optimizer, F>() ==
         composition::fault::example)
    ZOFT_REFUSED(
        "the functor's losses must each be of one example: take zoft::example_losses in place of a span, or a "
        "zoft::example beside one point")
autotune_report autotune(engine<Sampler, Estimator, Adapter, Optimizer>&, F&&, const autotune_options& = {}) {
  return {};
}
template <class Sampler, class Estimator, owning_adapter Adapter, class Optimizer, class F>
requires(tuning::fault_of_owning_autotune<engine<Sampler, Estimator, Adapter, Optimizer>, Estimator, Optimizer, F>() ==
         composition::fault::shown)
    ZOFT_REFUSED(
        "the functor must be void(const auto& shown, std::span<double> losses) or double(const auto& shown); shown is "
        "what ask returns")
autotune_report autotune(engine<Sampler, Estimator, Adapter, Optimizer>&, F&&, const autotune_options& = {}) {
  return {};
}

inline std::string autotune_report::why() const {
  using tuning::brief;
  std::string s = "loss: " + brief(loss) + " at the start\nnoise: ";
  const std::string differences =
      "differences of order " + text(noise.order) + ", of points " + brief(noise.spacing) + " apart";
  switch (noise.verdict) {
    case table_verdict::noise:
      s += brief(noise.value) + ", by " + differences;
      break;
    case table_verdict::exact:
      s += "none, as all are 0 of the " + differences;
      break;
    case table_verdict::too_far:
      s += "at most about " + brief(noise.value) + ", by " + differences;
      break;
    case table_verdict::too_close:
      s += "none, as the loss is the same wherever it was looked at";
      break;
  }
  s += "\nepsilon: " + brief(epsilon) + ", ";
  const std::string order = central ? "third" : "second";
  switch (limited_by) {
    case epsilon_limit::unchanged:
      s += "as it was, as nothing was seen that it could follow from";
      break;
    case epsilon_limit::kept:
      s += "as it was given";
      break;
    case epsilon_limit::balance:
      s += "where noise and truncation balance: the " + order + " derivative along z is " + brief(higher_derivative);
      break;
    case epsilon_limit::range:
      s += "the largest that was looked at, as no " + order + " derivative limits it";
      break;
    case epsilon_limit::resolution:
      s += "the least that the parameters' type does not round away";
      break;
  }
  s += "\nlearning_rate: " + brief(learning_rate) + ", ";
  if (rates.empty())
    s += "as it was";
  else if (status != zoft::status::ok)
    s += "as it was, as none of " + text(rates.size()) + " that were tried lowered the loss";
  else
    s += "of " + text(rates.size()) + " that were tried" + (steps == 0 ? "" : ", less as 1/∛steps for " + text(steps)) +
         "; slope " + brief(slope) + " and curvature " + brief(curvature) + " along z";
  for (const rate_trial& t : rates)
    s += "\n  " + brief(t.learning_rate) + ": " + brief(t.loss) + " after " + text(t.steps) + " steps";
  return s + "\nevaluations: " + text(evaluations) + "\n";
}

}  // namespace zoft::inline ZOFT_ISA
