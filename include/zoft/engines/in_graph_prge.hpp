/// P-RGE whose update is a part of the graph, for engines that keep the parameters to themselves.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/direction.hpp"
#include "../core/number.hpp"
#include "../core/report.hpp"
#include "../prge.hpp"
#include "../sampler/gaussian.hpp"
#include "padded_batch.hpp"

namespace zoft::inline ZOFT_ISA::engines {

/// What a run of the graph is given and gives: views, all row-major.
///
///     n = (B₊ − B₋)/2      u = Σ cᵢnᵢ/ε      B₊′ = B₊ − n − u + εz      B₋′ = B₋ + n − u − εz
///
/// and then the losses at the rows of B₊′, followed by those of B₋′. So a run makes the update of the step before, and
/// then evaluates the points of its own. Before the first step B₊ = B₋ = θ, so n = 0.
struct prge_run {
  std::size_t queries = 0, dimension = 0;  ///< q and D
  std::span<const float> plus, minus;      ///< B₊ and B₋ (q, D)
  std::span<const float> noise;            ///< z (q, D)
  std::span<const float> coefficients;     ///< cᵢ = η·gᵢ/q (q) of the step before, with its slopes g
  std::span<float> next_plus, next_minus;  ///< B₊′ and B₋′ (q, D)
  std::span<float> loss;                   ///< (2q)
};

template <class R>
concept prge_runner = requires(R& run, const padded_batch& batch, const prge_run& with) {
  run(batch, with);
};

/// zoft::prge with the update in the graph. Gao et al. 2024, arXiv:2409.15520, whose form for runtimes that cannot be
/// touched this is. For all q: the points' centre moves by the mean over all queries, and gᵢ counts with q = 1 too,
/// which the program published with the paper leaves out. The host draws z, the same as the tuner's, and computes one
/// number a query. Decay is not a part of it.
template <prge_runner Run>
class in_graph_prge {
 public:
  /// Starts at θ = start (D). ε is that of the graph.
  in_graph_prge(const prge_options& o, std::span<const float> start, Run run)
      : o_(o), run_(std::move(run)), dimension_(start.size()) {
    require(o.queries > 0, "in_graph_prge", "queries", o.queries, "at least 1");
    require(o.epsilon > 0 && is_finite(o.epsilon), "in_graph_prge", "epsilon", o.epsilon, "above 0");
    require(o.learning_rate >= 0 && is_finite(o.learning_rate), "in_graph_prge", "learning_rate", o.learning_rate,
            "at least 0");
    require(o.decay == 0, "in_graph_prge", "decay", o.decay, "0: the graph has none");
    require(!start.empty(), "in_graph_prge: there are no parameters");
    o.schedule.check();
    for (std::size_t i = 0; i < o.queries; ++i) plus_.insert(plus_.end(), start.begin(), start.end());
    minus_ = plus_;
    for (std::vector<float>* v : {&next_plus_, &next_minus_, &noise_}) v->resize(plus_.size());
    coefficients_.resize(o.queries);
    loss_.resize(2 * o.queries);
  }

  /// One run of the graph. A step with a loss that is not finite is reported, and its update left out.
  step_report step(const padded_batch& batch) {
    std::fill(noise_.begin(), noise_.end(), 0.0f);
    for (std::size_t i = 0; i < o_.queries; ++i)
      gaussian{}.axpy(std::span(noise_).subspan(i * dimension_, dimension_), 1.0f,
                      direction{o_.seed, step_, static_cast<std::uint32_t>(i)});
    run(batch);
    plus_.swap(next_plus_);
    minus_.swap(next_minus_);
    step_report r;
    r.step = step_;
    r.learning_rate = o_.learning_rate * o_.schedule(step_);
    r.evaluations = loss_.size();
    for (const float l : loss_) {
      r.probe_loss += static_cast<double>(l) / static_cast<double>(loss_.size());
      if (!is_finite(static_cast<double>(l))) r.status = status::not_finite;
    }
    for (std::size_t i = 0; i < o_.queries; ++i) {
      const double g = (static_cast<double>(loss_[i]) - static_cast<double>(loss_[o_.queries + i])) / (2 * o_.epsilon);
      r.projected_gradients.push_back(g);
      coefficients_[i] =
          r.status == status::ok ? static_cast<float>(r.learning_rate * g / static_cast<double>(o_.queries)) : 0.0f;
    }
    ++step_;
    return r;
  }

  std::uint32_t steps() const { return step_; }  ///< steps made so far

  /// The parameters (D), with the update that is still pending: a run without noise, whose losses are not used.
  /// Training may go on afterwards.
  std::vector<float> flush(const padded_batch& batch) {
    std::fill(noise_.begin(), noise_.end(), 0.0f);
    run(batch);
    return {next_plus_.begin(), next_plus_.begin() + static_cast<std::ptrdiff_t>(dimension_)};
  }

 private:
  void run(const padded_batch& batch) {
    run_(batch, prge_run{o_.queries, dimension_, plus_, minus_, noise_, coefficients_, next_plus_, next_minus_, loss_});
  }

  prge_options o_;
  Run run_;
  std::size_t dimension_;
  std::uint32_t step_ = 0;
  std::vector<float> plus_, minus_, next_plus_, next_minus_, noise_, coefficients_, loss_;
};

}  // namespace zoft::inline ZOFT_ISA::engines
