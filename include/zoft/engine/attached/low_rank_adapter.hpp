/// lora and lora_fa attached to a model: the additions to its linears, and the trained buffer.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "../../core/candidates.hpp"
#include "../../core/layout.hpp"
#include "../../core/low_rank.hpp"
#include "../../core/observations.hpp"
#include "../../random/orthonormal.hpp"
#include "../../random/symmetric.hpp"
#include "targets.hpp"

namespace zoft::inline ZOFT_ISA {

/// One pair of matrices per linear. A (r, in) starts from Kaiming's uniform distribution with a = √5, which is
/// U(−1/√in, 1/√in). B (out, r) starts from 0, so the adapted model starts as the model.
class low_rank_adapter {
 public:
  struct options {
    const char* name;                    ///< for messages
    std::size_t rank;                    ///< r, at most in and out of every target
    double alpha;                        ///< the addition is scaled by s = α/r
    std::vector<std::string> targets;    ///< linears by name or part of it ("q_proj", "layers.5"); empty: all
    std::vector<low_rank_values> start;  ///< what A and B begin with, of these linears only; empty: as above
    bool train_a;                        ///< LoRA trains A and B, LoRA-FA only B
  };

  /// One adapted linear: views of its current A (rank, in) and B (out, rank).
  struct pair {
    std::string linear;
    std::size_t out, in;
    std::span<const float> a, b;
  };

  low_rank_adapter(const layout& linears, seed run, const options& o)
      : rank_(o.rank), alpha_(o.alpha), train_a_(o.train_a) {
    const std::string who = o.name;
    require(o.rank > 0, who + ": rank is 0, and must be at least 1");
    require(o.alpha > 0 && o.alpha < 1e30, who + ": alpha is " + text(o.alpha) + ", and must be above 0");
    require(o.start.empty() || o.targets.empty(),
            who + ": there are targets and values to begin with, which have theirs");
    for (const tensor& weight :
         o.start.empty() ? targeted(linears, o.targets, who, "linear") : named(linears, o.start, who)) {
      const std::size_t most = std::min(weight.rows, weight.columns);
      require(o.rank <= most, who + ": rank is " + text(o.rank) + ", and must be at most " + text(most) + " for '" +
                                  weight.name + "', which is " + text(weight.rows) + " by " + text(weight.columns));
      add(weight, run);
    }
    parameters_.resize(trained_.size(), 0.0f);
    if (train_a_)
      for (std::size_t i = 0; i < linears_.size(); ++i)
        initialise(std::span(parameters_).subspan(linears_[i].a, rank_ * linears_[i].in), run, i, linears_[i].in);
    for (std::size_t i = 0; i < o.start.size(); ++i) begin_with(o.start[i], linears_[i], who);
  }

  std::size_t rank() const { return rank_; }
  double alpha() const { return alpha_; }

  /// The trained buffer and its layout.
  std::span<float> parameters() { return parameters_; }
  std::span<const float> parameters() const { return parameters_; }
  const zoft::layout& layout() const { return trained_; }

  /// The current additions, as one group.
  low_rank_stack stack() const { return show(candidates<float>(parameters_.data(), 1, parameters_.size())); }
  operator low_rank_stack() const { return stack(); }

  /// Each candidate's additions, as one group per candidate. This adapter must stay alive, and so must candidates that
  /// have no owner.
  low_rank_stack show(const candidates<float>& c) const {
    low_rank_stack result(c.size());
    result.keep(c.owner());
    for (const linear& l : linears_) {
      const float* trained = c.stack().data();
      result.add(l.name, {.a = train_a_ ? trained + l.a : frozen_.data() + l.a,
                          .b = trained + l.b,
                          .a_stride = train_a_ ? c.dimension() : 0,
                          .b_stride = c.dimension(),
                          .rank = rank_,
                          .in = l.in,
                          .out = l.out,
                          .scale = static_cast<float>(alpha_ / static_cast<double>(rank_))});
    }
    return result;
  }

  /// What a forward showed of the model's linears -> what that shows of B: its input is s·xAᵀ, and its output is the
  /// linear's. Of A it shows nothing.
  observations observed(observations seen) const {
    seen.measure();
    observations result = seen.unanswered();
    const std::vector<pair> all = pairs();
    for (std::size_t l = 0; l < all.size(); ++l) {
      const observations::found shown = seen.find(all[l].linear);
      if (!shown) continue;
      const observations::part& p = *shown.which;
      observations::entry of_b{rank_, shown.of->out,      {{trained_name_of_b(l), p.first, p.out, p.square}}, {},
                               {},    shown.of->gradients};
      of_b.inputs.resize(seen.slots() * rank_);
      const float s = static_cast<float>(alpha_ / static_cast<double>(rank_));
      for (std::size_t slot = 0; slot < seen.slots(); ++slot)
        for (std::size_t r = 0; r < rank_; ++r)
          of_b.input(slot)[r] = s * static_cast<float>(random::dot(shown.of->inputs.data() + slot * shown.of->in,
                                                                   all[l].a.data() + r * all[l].in, all[l].in));
      result.entries().push_back(std::move(of_b));
    }
    return result;
  }

  /// The adapted linears and their matrices.
  std::vector<pair> pairs() const {
    std::vector<pair> result;
    const std::span<const float> trained(parameters_), of_a = train_a_ ? trained : std::span<const float>(frozen_);
    for (const linear& l : linears_)
      result.push_back({l.name, l.out, l.in, of_a.subspan(l.a, rank_ * l.in), trained.subspan(l.b, l.out * rank_)});
    return result;
  }

 private:
  std::string trained_name_of_b(std::size_t l) const { return linears_[l].name + ".lora_B"; }

  struct linear {
    std::string name;
    std::size_t out, in;
    std::size_t a, b;  // where A and B start: B in the trained buffer, A in that or in the frozen one
  };

  void add(const tensor& t, seed run) {
    linear l{t.name, t.rows, t.columns, 0, 0};
    if (train_a_) {
      l.a = trained_.size();
      trained_.add(t.name + ".lora_A", rank_, t.columns);
    } else {
      l.a = frozen_.size();
      frozen_.resize(frozen_.size() + rank_ * t.columns);
      initialise(std::span(frozen_).subspan(l.a), run, linears_.size(), t.columns);
    }
    l.b = trained_.size();
    trained_.add(t.name + ".lora_B", t.rows, rank_);
    linears_.push_back(std::move(l));
  }

  /// The linears of those names, in their order.
  static std::vector<tensor> named(const zoft::layout& linears, const std::vector<low_rank_values>& start,
                                   const std::string& who) {
    std::vector<tensor> result;
    for (const low_rank_values& values : start) {
      const auto found =
          std::find_if(linears.begin(), linears.end(), [&](const tensor& t) { return t.name == values.linear; });
      require(found != linears.end(),
              who + ": it begins with values for '" + values.linear + "', and the model has no linear of that name");
      result.push_back(*found);
    }
    return result;
  }

  void begin_with(const low_rank_values& values, const linear& l, const std::string& who) {
    const std::size_t a = rank_ * l.in, b = l.out * rank_;
    require(values.a.size() == a && values.b.size() == b,
            who + ": '" + l.name + "' begins with " + text(values.a.size()) + " and " + text(values.b.size()) +
                " numbers, and must with " + text(a) + " and " + text(b) + " at rank " + text(rank_));
    std::copy(values.a.begin(), values.a.end(), (train_a_ ? parameters_ : frozen_).data() + l.a);
    std::copy(values.b.begin(), values.b.end(), parameters_.data() + l.b);
  }

  /// Draws a from U(−1/√in, 1/√in) by the run's own words, with the linear's number `index` as the direction's query.
  static void initialise(std::span<float> a, seed run, std::size_t index, std::size_t in) {
    const float bound = static_cast<float>(1.0 / std::sqrt(static_cast<double>(in)));
    const direction d{run.value, 0, static_cast<std::uint32_t>(index)};
    random::drawn<random::symmetric>(d, random::stream::initialisation).axpy(a, bound);
  }

  std::size_t rank_;
  double alpha_;
  bool train_a_;
  std::vector<linear> linears_;
  zoft::layout trained_;
  std::vector<float> frozen_;
  std::vector<float> parameters_;
};

}  // namespace zoft::inline ZOFT_ISA
