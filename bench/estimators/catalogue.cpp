#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <zoft/rate_watch.hpp>
#include <zoft/zoft.hpp>

#include "run.hpp"

namespace estimators {

namespace {

template <class Engine>
class tuner_of : public tuner {
 public:
  explicit tuner_of(Engine engine) : engine_(std::move(engine)) {}

  zoft::step_report step(std::span<double> x, const objective& f) override {
    if constexpr (observes)
      throw std::logic_error("a function shows no linears");
    else if constexpr (of_examples)
      throw std::logic_error("a function has no examples");
    else if constexpr (exact_slopes)
      return engine_.step(x, [&](std::span<const number> at) { return f.slope(at); });
    else
      return engine_.step(x, [&](std::span<const double> at) { return f.value(at); });
  }
  zoft::step_report step(std::span<float> x, const batch_losses& f) override {
    if constexpr (exact_slopes)
      throw std::logic_error("a model gives no exact slopes");
    else
      return engine_.step(x, form_of(f));
  }

  static constexpr bool observes =
      zoft::observing_sampler<std::remove_cvref_t<decltype(std::declval<const Engine&>().sampler())>>;
  using estimator = std::remove_cvref_t<decltype(std::declval<Engine&>().estimator())>;
  static constexpr bool exact_slopes = requires { typename estimator::template argument<double>; };
  static constexpr bool of_examples = zoft::estimator_of_examples<estimator>;

 protected:
  /// The model's losses in the form that the engine takes.
  static auto form_of(const batch_losses& all) {
    const batch_losses::function& f = of_examples ? all.of_examples : all.of_all;
    if constexpr (observes && of_examples)
      return [&f](zoft::candidates<float> c, zoft::example_losses losses, zoft::observations& seen) {
        f(c, losses.values(), seen);
      };
    else if constexpr (observes)
      return
          [&f](zoft::candidates<float> c, std::span<double> losses, zoft::observations& seen) { f(c, losses, seen); };
    else if constexpr (of_examples)
      return [&f](zoft::candidates<float> c, zoft::example_losses losses) {
        zoft::observations none;
        f(c, losses.values(), none);
      };
    else
      return [&f](zoft::candidates<float> c, std::span<double> losses) {
        zoft::observations none;
        f(c, losses, none);
      };
  }

  Engine engine_;
};

/// One whose first step chooses its radius and rate, and moves nothing. A watched one does that again when its losses
/// ask for it, as long as it has 1,000 forwards left; from then on it halves the rate.
template <class Engine, bool watched>
class tuner_of_itself : public tuner_of<Engine> {
 public:
  tuner_of_itself(Engine engine, std::size_t forwards) : tuner_of<Engine>(std::move(engine)), left_(forwards) {}

  zoft::step_report step(std::span<double> x, const objective& f) override {
    if constexpr (!tuner_of<Engine>::of_examples)
      if (tunes_)
        return tuned(zoft::autotune(
            this->engine_, x, [&](std::span<const double> at) { return f.value(at); }, options()));
    return watch(tuner_of<Engine>::step(x, f));
  }
  zoft::step_report step(std::span<float> x, const batch_losses& f) override {
    if (!tunes_) return watch(tuner_of<Engine>::step(x, f));
    zoft::autotune_options o = options();
    o.batch = f.take_batch;
    o.steps = (left_ - std::min(left_, o.evaluations)) / zoft::estimation::forwards(this->engine_.estimator());
    return tuned(zoft::autotune(this->engine_, x, tuner_of<Engine>::form_of(f), o));
  }

 private:
  zoft::autotune_options options() const {
    zoft::autotune_options result;
    if (found_) result.evaluations = left_ / 10;
    return result;
  }

  zoft::step_report tuned(const zoft::autotune_report& found) {
    found_ = found;
    tunes_ = false;
    if constexpr (watched) watch_.emplace(this->engine_, found);
    zoft::step_report report;
    report.evaluations = found.evaluations;
    left_ -= std::min(left_, found.evaluations);
    return report;
  }

  zoft::step_report watch(const zoft::step_report& report) {
    left_ -= std::min(left_, report.evaluations);
    if constexpr (watched)
      if (watch_->too_large(report)) {
        tunes_ = left_ >= 1000;
        if (!tunes_) {
          this->engine_.optimizer().learning_rate /= 2;
          watch_.emplace(this->engine_, *found_);
        }
      }
    return report;
  }

  std::size_t left_;  // forwards
  std::optional<zoft::autotune_report> found_;
  std::optional<zoft::rate_watch> watch_;
  bool tunes_ = true;
};

/// A line of the table. Make: settings -> engine.
template <class Make>
method line(const char* name, Make make) {
  using engine = decltype(make(settings{}));
  return {name, tuner_of<engine>::exact_slopes, tuner_of<engine>::of_examples || tuner_of<engine>::observes, false,
          [make](const settings& s) { return std::make_unique<tuner_of<engine>>(make(s)); }};
}
template <bool watched = false, class Make>
method autotuned(const char* name, Make make) {
  using engine = decltype(make(settings{}));
  return {name, false, tuner_of<engine>::of_examples, true, [make](const settings& s) {
            return std::make_unique<tuner_of_itself<engine, watched>>(make(s), s.forwards);
          }};
}

zoft::full whole(const settings& s) { return {.layout = s.shape}; }

/// A composition with the rate, the radius and the seed of the run, and defaults for the rest: of options that have all
/// three.
template <class Options>
Options given(const settings& s, Options o = {}) {
  o.epsilon = s.epsilon;
  o.learning_rate = s.rate;
  o.seed = s.seed;
  return o;
}

/// Rank 2 and bases of 50 steps, or less where a matrix is smaller.
std::size_t rank(const settings& s, std::size_t most = 2) {
  for (const zoft::tensor& t : s.shape)
    if (t.is_matrix()) most = std::min({most, t.rows, t.columns});
  return most;
}

/// The gradient, by exact slopes along all coordinates: what first-order training would do. A step is counted as three
/// forwards, which is what a forward and a backward pass cost.
struct gradient_slopes : zoft::forward_gradient {
  std::size_t forwards() const { return 3; }
};

}  // namespace

const std::vector<method>& catalogue() {
  using namespace zoft;
  using S = settings;
  // Each is given half a dozen numbers at most; what is not named here is the composition's own default.
  static const std::vector<method> all{
      line("mezo", [](const S& s) { return mezo(given<mezo_options>(s), s.shape); }),
      autotuned("mezo_autotuned", [](const S& s) { return mezo({.seed = s.seed}, s.shape); }),
      autotuned<true>("mezo_watched", [](const S& s) { return mezo({.seed = s.seed}, s.shape); }),
      line("prge", [](const S& s) { return prge(given<prge_options>(s, {.queries = 8}), whole(s)); }),
      line("mezo_momentum", [](const S& s) { return mezo_momentum(given<mezo_momentum_options>(s), s.shape); }),
      line("mezo_adam", [](const S& s) { return mezo_adam(given<mezo_adam_options>(s), s.shape); }),
      line("adamezo", [](const S& s) { return adamezo(given<adamezo_options>(s), s.shape); }),
      line("zo_adamm",
           [](const S& s) {
             const double radius = s.epsilon * std::sqrt(static_cast<double>(s.shape.size()));
             return zo_adamm({.radius = radius, .learning_rate = s.rate, .seed = s.seed}, s.shape.size(), s.shape);
           }),
      line("meazo", [](const S& s) { return meazo(given<meazo_options>(s), s.shape); }),
      line("zo_sign", [](const S& s) { return zo_sign(given<zo_sign_options>(s), s.shape); }),
      line("zo_signsgd", [](const S& s) { return zo_signsgd(given<zo_signsgd_options>(s), s.shape); }),
      line("spsa",
           [](const S& s) {
             // a is such that the first step's rate is the grid's.
             return spsa({.a = s.rate * std::pow(101, 0.602), .c = s.epsilon, .seed = s.seed}, whole(s));
           }),
      line("one_point", [](const S& s) { return one_point(given<one_point_options>(s), whole(s)); }),
      line("fzoo", [](const S& s) { return fzoo(given<fzoo_options>(s), whole(s)); }),
      line("openes", [](const S& s) { return openes(given<openes_options>(s), whole(s)); }),
      line("eggroll", [](const S& s) { return eggroll(given<eggroll_options>(s), s.shape); }),
      line("kerzoo", [](const S& s) { return kerzoo(given<kerzoo_options>(s), whole(s)); }),
      line("zo_conservative", [](const S& s) { return zo_conservative(given<zo_conservative_options>(s), whole(s)); }),
      line("hizoo", [](const S& s) { return hizoo(given<hizoo_options>(s, {.smoothing = 1e-6}), whole(s)); }),
      line("sparse_mezo", [](const S& s) { return sparse_mezo(given<sparse_mezo_options>(s), whole(s)); }),
      line("mezo_bcd", [](const S& s) { return mezo_bcd(given<mezo_bcd_options>(s), s.shape); }),
      line("lozo", [](const S& s) { return lozo(given<lozo_options>(s, {.rank = rank(s)}), s.shape); }),
      line("lozo_m", [](const S& s) { return lozo_m(given<lozo_m_options>(s, {.rank = rank(s)}), s.shape); }),
      line(
          "subzero",
          [](const S& s) { return subzero(given<subzero_options>(s, {.rank = rank(s, 4), .interval = 50}), s.shape); }),
      line("tezo", [](const S& s) { return tezo(given<tezo_options>(s), s.shape); }),
      line("tezo_adam", [](const S& s) { return tezo_adam(given<tezo_options>(s), s.shape); }),
      line("zo_muon", [](const S& s) { return zo_muon(given<zo_muon_options>(s, {.rank = rank(s, 4)}), s.shape); }),
      line("grzo", [](const S& s) { return grzo(given<grzo_options>(s, {.examples = s.examples}), s.shape); }),
      line("agzo",
           [](const S& s) {
             auto o = given<agzo_options>(s);
             o.schedule = linear(static_cast<std::uint32_t>(s.forwards / (o.queries + 1) + 1));
             return agzo(o, whole(s));
           }),
      line("zo_act",
           [](const S& s) {
             auto o = given<zo_act_options>(s);
             o.schedule = linear(static_cast<std::uint32_t>(s.forwards / (o.queries + 1) + 1));
             return zo_act(o, whole(s));
           }),
      // Compositions that no paper names.
      line("per_example_lozo",
           [](const S& s) {
             auto o = given<per_example_lozo_options>(s, {.examples = s.examples});
             o.schedule = linear(static_cast<std::uint32_t>(s.forwards / (o.queries + 1) + 1));
             return per_example_lozo(o, whole(s));
           }),
      autotuned("per_example_lozo_autotuned",
                [](const S& s) {
                  per_example_lozo_options o{.examples = std::max<std::size_t>(s.examples, 1), .seed = s.seed};
                  const std::size_t left = s.forwards - std::min(s.forwards, autotune_options{}.evaluations);
                  o.schedule = linear(static_cast<std::uint32_t>(left / (o.queries + 1) + 1));
                  return per_example_lozo(o, whole(s));
                }),
      line("observed",
           [](const S& s) {
             auto o = given<observed_options>(s, {.examples = s.examples, .rank = s.rows});
             o.epsilon = observed_options{}.epsilon;  // in units of its own
             o.schedule = linear(static_cast<std::uint32_t>(s.forwards / (o.queries + 1) + 1));
             return observed(o, whole(s));
           }),
      line("observed_unguided",
           [](const S& s) {
             auto o =
                 given<observed_options>(s, {.examples = s.examples, .queries = 3, .rank = s.rows, .guided = false});
             o.epsilon = observed_options{}.epsilon;
             o.schedule = linear(static_cast<std::uint32_t>(s.forwards / (o.queries + 1) + 1));
             return observed(o, whole(s));
           }),
      line("per_example+adam",
           [](const S& s) {
             constexpr std::size_t q = 8;
             return engine{gaussian{},
                           per_example<one_sided>{.each = {.epsilon = s.epsilon, .queries = q}, .examples = s.examples},
                           whole(s),
                           adam{.learning_rate = s.rate,
                                .beta1 = 0.8,
                                .schedule = cosine(static_cast<std::uint32_t>(s.forwards / (q + 1) + 1))},
                           seed{s.seed}};
           }),
      line("one_sided+adam",
           [](const S& s) {
             return engine{rademacher{}, one_sided{.epsilon = s.epsilon, .queries = 8}, whole(s),
                           adam{.learning_rate = s.rate}, seed{s.seed}};
           }),
      line("one_sided+momentum",
           [](const S& s) {
             return engine{rademacher{}, one_sided{.epsilon = s.epsilon, .queries = 8}, whole(s),
                           momentum{.learning_rate = s.rate}, seed{s.seed}};
           }),
      line("orthogonal+momentum",
           [](const S& s) {
             return engine{orthogonal{.size = s.shape.size(), .queries = 8},
                           two_point{.epsilon = s.epsilon, .queries = 8}, whole(s), momentum{.learning_rate = s.rate},
                           seed{s.seed}};
           }),
      // With more than losses.
      line("forward_gradient",
           [](const S& s) { return forward_gradient_descent({.learning_rate = s.rate, .seed = s.seed}, whole(s)); }),
      line("gradient",
           [](const S& s) {
             gradient_slopes exact;
             exact.queries = s.shape.empty() ? 1 : s.shape.size();
             return engine{coordinate{.size = exact.queries, .order = order::cyclic}, exact, whole(s),
                           sgd{.learning_rate = s.rate}, seed{s.seed}};
           }),
  };
  return all;
}

}  // namespace estimators
