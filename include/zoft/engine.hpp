/// The engine: four policies, and between ask and tell the user's forward functor.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "adapter/in_place.hpp"
#include "concepts.hpp"
#include "number.hpp"
#include "report.hpp"
#include "sampler/at.hpp"

namespace zoft::inline ZOFT_ISA {

/// How many candidates a functor is handed in one call, at most; 0: all of a step. Memory for copies grows with it.
struct per_call {
  std::size_t value = 0;
};

/// θ ← optimizer(θ, Σ cᵢz(seed, step, i)), where the estimator turns losses at points around θ into the cᵢ.
///
/// The engine never sees a model. `ask` hands out candidates, `tell` takes their losses and updates, `step` is the two
/// with the functor between them. A functor takes either one point and returns its loss, or all candidates of a call
/// and a span for their losses; which of the two is seen from its type. Both give the same parameters, bit for bit.
///
/// A step one of whose losses is not finite is reported and not applied. The policies are checked when the engine is
/// made, and an adapter when it is attached: what is wrong throws std::invalid_argument.
template <class Sampler, estimator Estimator, adapter Adapter, optimizer Optimizer>
requires sampler<Sampler, float>
class engine {
  static constexpr bool owning = owning_adapter<Adapter>;
  template <class A>
  struct made_by {
    using type = decltype(std::declval<const A&>().attach(std::declval<const layout&>(), seed{}));
  };
  using attached = std::conditional_t<owning, made_by<Adapter>, std::type_identity<Adapter>>;

 public:
  engine(Sampler sampler, Estimator estimator, Adapter adapter, Optimizer optimizer, zoft::seed run = {},
         zoft::per_call limit = {})
      : sampler_(std::move(sampler)),
        estimator_(std::move(estimator)),
        policy_(std::move(adapter)),
        optimizer_(std::move(optimizer)),
        seed_(run),
        limit_(limit.value) {
    estimator_.check();
    optimizer_.check();
  }

  /// Makes the adapter's parameters for whatever has a layout() of linears.
  template <class Model>
  requires owning void attach(const Model& model) { adapter_.emplace(policy_.attach(model.layout(), seed_)); }

  /// What is trained: to look at, to save, to generate with.
  const auto& adapter() const {
    if constexpr (owning) {
      require(adapter_.has_value(), "engine: the adapter is not attached to a model yet: call attach first");
      return *adapter_;
    } else {
      return policy_;
    }
  }

  const Sampler& sampler() const { return sampler_; }
  const Estimator& estimator() const { return estimator_; }
  const Optimizer& optimizer() const { return optimizer_; }
  std::uint32_t steps() const { return step_; }                         ///< steps told so far, rejected ones included
  std::size_t evaluations() const { return estimator_.evaluations(); }  ///< losses a step

  /// The name of the direction of any step and query: sampler().axpy(x, a, direction(step, query)) makes it again.
  zoft::direction direction(std::uint32_t step, std::uint32_t query) const { return {seed_.value, step, query}; }

  // The user's own buffer.

  /// Candidates first … first + count − 1 of the coming step around x, as copies that live until the next ask. Without
  /// a count, all. Ranges let several callers share a step; x is not written.
  template <class T, std::size_t N>
  requires(!owning && number<std::remove_const_t<T>>)
      candidates<std::remove_const_t<T>> ask(std::span<T, N> x, std::size_t first = 0, std::size_t count = all_points) {
    return copies<std::remove_const_t<T>>(x, first, count);
  }

  /// Updates x by the losses of all points of the step, in the order of the points.
  template <number T, std::size_t N>
  requires(!owning) step_report tell(std::span<T, N> x, std::span<const double> losses) { return update<T>(x, losses); }

  /// One step on x. F: double(std::span<const T>), which sees x itself at each point in turn; or
  /// void(candidates<T>, std::span<double>), which sees copies. x comes back exactly as it was if F throws.
  template <number T, std::size_t N, class F>
  requires(!owning && (objective<F, std::span<const T>> || batch_objective<F, candidates<T>>)) step_report
      step(std::span<T, N> parameters, F&& functor) {
    const std::span<T> x = parameters;
    check<T>(x.size());
    std::vector<double> losses(evaluations(), std::numeric_limits<double>::quiet_NaN());
    if constexpr (batch_objective<F, candidates<T>>) {
      evaluate_copies<T>(x, losses, functor, [](const candidates<T>& c) -> const candidates<T>& { return c; });
    } else {
      in_place<T>& buffer = std::get<in_place<T>>(moved_);
      struct guard {
        in_place<T>& buffer;
        std::span<T> x;
        const Sampler& sampler;
        ~guard() { buffer.restore(x, sampler); }
      } back{buffer, x, sampler_};
      for (std::size_t i = 0; i < losses.size(); ++i) {
        const point p = estimator_.at(i);
        buffer.move(x, sampler_, p, direction(step_, static_cast<std::uint32_t>(p.query)));
        losses[i] = static_cast<double>(functor(std::span<const T>(x)));
      }
    }
    return update<T>(x, losses);
  }

  // Parameters that the adapter owns.

  /// Candidates of the coming step as the adapter shows them, which live until the next ask.
  auto ask(std::size_t first = 0, std::size_t count = all_points) requires owning {
    return own().show(copies<float>(own().parameters(), first, count));
  }

  step_report tell(std::span<const double> losses) requires owning { return update<float>(own().parameters(), losses); }

  /// One step. F: void(shown, std::span<double>) for all candidates of a call, or double(shown) for one; shown is what
  /// the adapter shows, for lora and lora_fa a low_rank_stack.
  template <class F>
  requires owning step_report step(F&& functor) {
    const auto show = [this](const candidates<float>& c) { return own().show(c); };
    using shown = decltype(show(std::declval<candidates<float>>()));
    static_assert(batch_objective<F, shown> || objective<F, shown>,
                  "the functor must take (shown, std::span<double>), or (shown) and return its loss");
    std::vector<double> losses(evaluations(), std::numeric_limits<double>::quiet_NaN());
    if constexpr (batch_objective<F, shown>) {
      evaluate_copies<float>(own().parameters(), losses, functor, show);
    } else {
      for (std::size_t i = 0; i < losses.size(); ++i)
        losses[i] = static_cast<double>(functor(show(copies<float>(own().parameters(), i, 1))));
    }
    return tell(losses);
  }

 private:
  static constexpr std::size_t all_points = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t chunk = 2048;  // elements of z, and of ĝ, that exist at a time

  auto& own() {
    require(adapter_.has_value(), "engine: the adapter is not attached to a model yet: call attach first");
    return *adapter_;
  }

  /// z of a query of the coming step.
  auto z(std::size_t query) const { return zoft::at(sampler_, direction(step_, static_cast<std::uint32_t>(query))); }

  const layout& shape() const {
    if constexpr (owning)
      return adapter_->layout();
    else
      return policy_.layout;
  }

  template <number T>
  void check(std::size_t size) {
    for (std::size_t i = 0; i < evaluations(); ++i) {
      const double scale = estimator_.at(i).scale;
      const auto rounded = static_cast<arithmetic_t<T>>(scale);
      if ((scale != 0 && rounded == 0) || !is_finite(static_cast<double>(rounded)))
        fail("engine: the radius is " + text(scale) +
             ", and must be neither 0 nor infinite in the parameters' arithmetic");
    }
    if (size == 0) fail("engine: the parameters are an empty span, and must be at least one number");
    if (!shape().empty() && shape().size() != size)
      fail("engine: the parameters are " + text(size) + " numbers, and the layout has " + text(shape().size()));
    if (size_ != 0 && size_ != size)
      fail("engine: the parameters are " + text(size) + " numbers, and were " + text(size_) + " before");
    size_ = size;
  }

  template <number T, class F, class Show>
  void evaluate_copies(std::span<const T> x, std::span<double> losses, F& functor, Show show) {
    const std::size_t most = limit_ == 0 ? losses.size() : limit_;
    for (std::size_t first = 0; first < losses.size(); first += most) {
      const std::size_t count = std::min(most, losses.size() - first);
      functor(show(copies<T>(x, first, count)), losses.subspan(first, count));
    }
  }

  /// The points' copies, made a chunk at a time so that each direction's noise is made once for all its points.
  template <number T>
  candidates<T> copies(std::span<const T> x, std::size_t first, std::size_t count) {
    check<T>(x.size());
    if (first >= evaluations())
      fail("engine: candidate " + text(first) + " was asked, and a step has " + text(evaluations()));
    count = std::min(count, evaluations() - first);
    std::vector<T>& stack = stacks_.template of<T>();
    stack.resize(count * x.size());
    using A = arithmetic_t<T>;
    for (std::size_t query = 0; query < estimator_.queries; ++query) {
      std::optional<decltype(z(query))> of_query;
      for (std::size_t from = 0; from < x.size(); from += chunk) {
        const std::size_t n = std::min(chunk, x.size() - from);
        A piece[chunk];
        bool made = false;
        for (std::size_t i = 0; i < count; ++i) {
          const point p = estimator_.at(first + i);
          if (p.query != query) continue;
          const std::span<T> copy(stack.data() + i * x.size() + from, n);
          std::copy_n(x.data() + from, n, copy.data());
          if (p.scale == 0) continue;
          if (!made) {
            if (!of_query) of_query.emplace(z(query));
            std::fill_n(piece, n, A{0});
            of_query->axpy(std::span<A>(piece, n), A{1}, from);
            made = true;
          }
          random::axpy<T>(copy, static_cast<A>(p.scale), piece);
        }
      }
    }
    return {stack.data(), count, x.size()};
  }

  template <number T>
  step_report update(std::span<T> x, std::span<const double> losses) {
    check<T>(x.size());
    if (losses.size() != evaluations())
      fail("engine: " + text(losses.size()) + " losses were told, and a step has " + text(evaluations()));
    step_report report;
    report.step = step_;
    report.learning_rate = optimizer_.rate(step_);
    report.evaluations = losses.size();
    for (const double loss : losses) report.probe_loss += loss / static_cast<double>(losses.size());
    const std::size_t queries = estimator_.queries;
    std::vector<double> c(queries);
    estimator_.coefficients(losses, c);
    for (const double value : c) report.projected_gradients.push_back(value * static_cast<double>(queries));

    // A slope that a double can hold may be infinite in the arithmetic of the update.
    using A = arithmetic_t<T>;
    const bool finite =
        std::all_of(losses.begin(), losses.end(), [](double v) { return is_finite(v); }) &&
        std::all_of(c.begin(), c.end(), [](double v) { return is_finite(static_cast<double>(static_cast<A>(v))); });
    if (finite) {
      if constexpr (requires { optimizer_.template prepare<T>(x.size()); }) optimizer_.template prepare<T>(x.size());
      std::vector<decltype(z(0))> of_query;
      for (std::size_t i = 0; i < queries; ++i) of_query.push_back(z(i));
      for_each_piece(x.size(), [&](std::uint64_t first, std::size_t n, const tensor* owner) {
        const std::span<T> part = x.subspan(first, n);
        A g[chunk];
        std::fill_n(g, n, A{0});
        for (std::size_t i = 0; i < queries; ++i) of_query[i].axpy(std::span<A>(g, n), static_cast<A>(c[i]), first);
        optimizer_.template apply<T>(part, std::span<A>(g, n), {first, owner, report.learning_rate});
      });
    } else {
      report.status = status::not_finite;
    }
    ++step_;
    return report;
  }

  /// Pieces of at most a chunk, each within one tensor.
  template <class F>
  void for_each_piece(std::size_t size, F f) const {
    const auto cut = [&](std::size_t first, std::size_t end, const tensor* owner) {
      for (; first < end; first += chunk) f(first, std::min(chunk, end - first), owner);
    };
    if (shape().empty()) return cut(0, size, nullptr);
    for (const tensor& t : shape()) cut(t.offset, t.offset + t.size(), &t);
  }

  Sampler sampler_;
  Estimator estimator_;
  Adapter policy_;
  Optimizer optimizer_;
  zoft::seed seed_;
  std::size_t limit_;
  std::uint32_t step_ = 0;
  std::size_t size_ = 0;
  std::optional<typename attached::type> adapter_;
  update::buffers stacks_;
  std::tuple<in_place<float>, in_place<double>, in_place<bfloat16>, in_place<half>> moved_;
};

}  // namespace zoft::inline ZOFT_ISA
