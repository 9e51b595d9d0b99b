/// Many machines for one run, by MPI: they share the losses of each step, and exchange nothing else.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "concepts.hpp"
#include "engine/estimation/estimation.hpp"
#include "engine/stepper.hpp"
#include "journal/run.hpp"
#include "mpi/agreement.hpp"
#include "mpi/communicator.hpp"
#include "mpi/deal.hpp"
#include "mpi/evaluate.hpp"
#include "mpi/points.hpp"

namespace zoft::inline ZOFT_ISA::mpi {

/// The ranks of a communicator, as the place where a step's losses are evaluated. Each rank has the same parameters and
/// the same engine. It evaluates its share of the losses, all ranks exchange theirs, and each makes the same update:
///
///     MPI_Init(&argc, &argv);
///     zoft::mpi::ranks everyone(MPI_COMM_WORLD);
///     auto tuner = zoft::prge({.queries = 8, .seed = 42});
///     tuner.step(std::span(x), loss, everyone);        // where one machine has tuner.step(std::span(x), loss)
///
/// That deals out candidates. If there are fewer of them than ranks, or if each rank should see only its own part of
/// the data, deal out the batch's examples. The functor is then also given a range of them:
///
///     const auto losses = [&](std::span<const float> w, zoft::mpi::range some, std::span<double> losses) {
///       for (std::size_t i = 0; i < some.count; ++i) losses[i] = net.loss(w, batch[some.first + i]);
///     };
///     tuner.step(std::span(x), losses, everyone.examples(batch.size()));    // all candidates on some examples
///     tuner.step(std::span(x), losses, everyone.pairs(batch.size()));       // any pairs of the two
///
/// Of n candidates, or B examples, or n·B pairs, rank r of N has those from ⌊n·r/N⌋ to ⌊n·(r + 1)/N⌋ − 1: for n < N
/// some ranks have none. Pairs are in the order of the candidates. If each loss is of one example already, as with
/// per_example, only candidates can be dealt out, and the B candidates of a forward stay together, so that candidate i
/// of a call belongs to example i mod B.
///
/// With examples, the loss of a candidate is (l₀ + l₁ + … + l_{B−1}) / B, added in this order. So weight the lᵢ such
/// that their mean is the batch's loss.
///
/// The parameters are the same bits for any N if a loss does not depend on what else is in the same call, nor on the
/// machine. They are those of a plain engine whose functor returns the same losses. If losses do depend on the machine,
/// parameters are still the same on all ranks, as long as all run the same program.
///
/// A step sends 8 bytes for each loss that the rank evaluated, and 8 a round. The first step also compares what the
/// ranks begin with, in 48 bytes. Estimators in zoft have one or two rounds, so a rank sends at most
///
///     8·evaluations + 64             candidates
///     8·evaluations·⌈B/N⌉ + 64       examples, pairs
///
/// Sums over a rank's examples would be shorter, but rounded differently on each number of ranks. To send less, let an
/// "example" be a block of several: B need only be as large as N. If a functor throws, its message is sent as well.
///
/// All ranks must call the same members in the same order, and change the engine in the same way. Make one object for
/// each engine. It copies the communicator, so make it on all ranks, and destroy it before MPI_Finalize. MPI is called
/// on the thread that calls a member.
///
/// A rank that dies takes the run with it. With Open MPI 4, mpirun ends the other ranks in about a second and says
/// which rank died of what signal; with its option --enable-recovery, they may wait for ever. An MPI that reports dead
/// ranks as errors makes the others throw std::runtime_error with MPI's message, before they change parameters. Either
/// way a journal, which rank 0 alone writes, has all steps but the one in progress. Any number of ranks goes on from
/// it, to the same bits. Ranks on another file system take a copy of it:
///
///     std::optional<zoft::journal> log;
///     if (everyone.rank() == 0) log.emplace("run.journal"), log->resume(tuner, std::span(x));
///     MPI_Barrier(MPI_COMM_WORLD);               // now the file has its header
///     if (everyone.rank() > 0) zoft::replay("run.journal", tuner, std::span(x));
///     while (tuner.steps() < 1000) {
///       const zoft::step_report made = tuner.step(std::span(x), loss, everyone);
///       if (log) log->append(made);
///     }
class ranks {
  /// The same ranks, with another deal.
  class dealt {
   public:
    template <class Engine, class X, class F>
    std::vector<double> losses(Engine& tuner, X& x, F& functor) {
      return all_.evaluated<true>(tuner, x, functor, deal_);
    }

   private:
    friend ranks;
    dealt(ranks& all, dealing of, std::size_t examples) : all_(all), deal_{of, examples} {
      require(examples > 0, "mpi: 0 examples are to be dealt out, and must be at least 1");
    }
    ranks& all_;
    deal deal_;
  };

 public:
  /// `most` is what per_call is for an engine, whose own is not used here. Throws std::invalid_argument before
  /// MPI_Init.
  explicit ranks(MPI_Comm of, per_call most = {}) : world_(of), most_(most.value) {}

  std::size_t rank() const { return world_.rank(); }  ///< of this process, from 0
  std::size_t size() const { return world_.size(); }  ///< N

  /// Bytes that this rank gave to MPI in its last step or check, for all others. How often each is sent is MPI's
  /// affair.
  std::size_t bytes() const { return bytes_; }

  /// The third argument of engine::step, if the batch's examples are dealt out, or pairs of candidates and examples.
  /// The functor has one of these forms. Where the second fits, it is shown a copy of x:
  ///
  ///     void(const Candidates&, range, std::span<double>)         losses (candidates, examples) of the range
  ///     void(std::span<const T>, range, std::span<double>)        losses (examples) of the range
  dealt examples(std::size_t count) { return {*this, dealing::examples, count}; }
  /// The same, where pairs of candidates and examples are dealt out.
  dealt pairs(std::size_t examples) { return {*this, dealing::pairs, examples}; }

  /// What engine::step(x, functor, everyone) asks for: the losses of all candidates. The functor has one of the forms
  /// that step takes without ranks: void(candidates, losses), or double(candidate), or double(std::span<const T>). The
  /// last is shown a copy of x, so a step needs memory for one copy.
  ///
  /// If a loss is not finite on any rank, all ranks report status::not_finite. If a functor throws, no parameters are
  /// changed, and the step can be made again: the rank throws its own exception, the others std::runtime_error
  /// "zoft: mpi: rank 2 threw in step 17: WHAT". The first step throws what `check` throws.
  template <class Engine, class X, class F>
  std::vector<double> losses(Engine& tuner, X& x, F& functor) {
    return evaluated<false>(tuner, x, functor, {});
  }

  /// Throws std::invalid_argument on all ranks, with one line that names which differ from rank 0 and in what, unless x
  /// has the same bits on all, and at the last step their engines had the same seed, number of evaluations and steps,
  /// and the same deal. x is a span or a model that keeps its weights. It may also be something that the engine does
  /// not know, such as the base weights that an adapter is for.
  template <class X>
  requires(!journals::owns<X>) void check(X&& x) {
    bytes_ = 0;
    require_same(
        world_, [&] { return journals::fingerprint_of(x); }, seen_, bytes_);
  }
  /// The same for what an engine trains.
  template <class Engine, class X>
  requires(!journals::owns<Engine>) void check(const Engine& tuner, X&& x) {
    bytes_ = 0;
    compare(tuner, x);
  }
  /// The same for an engine that owns what it trains.
  template <class Engine>
  requires journals::owns<Engine>
  void check(const Engine& tuner) {
    bytes_ = 0;
    compare(tuner, tuner);
  }

 private:
  /// x is not looked at where the adapter owns what is trained.
  template <class Engine, class X>
  void compare(const Engine& tuner, [[maybe_unused]] X& x) {
    see(tuner, seen_.dealt);
    const auto print = [&] {
      if constexpr (journals::owns<Engine>) {
        const auto parameters = tuner.adapter().parameters();
        return journals::fingerprint_of(tuner, parameters);
      } else {
        return journals::fingerprint_of(tuner, x);
      }
    };
    require_same(world_, print, seen_, bytes_);
  }
  template <class Engine>
  void see(const Engine& tuner, const deal& how) {
    seen_ = {tuner.direction(0, 0).seed, tuner.evaluations(), tuner.steps(), how};
  }

  template <bool OfExamples, class Engine, class X, class F>
  std::vector<double> evaluated(Engine& tuner, X& x, F& functor, const deal& how) {
    using estimator_type = std::remove_cvref_t<decltype(tuner.estimator())>;
    using T = typename number_of<std::remove_cv_t<X>>::type;
    static_assert(number<T>, "mpi: codes are moved to one point at a time, and ranks evaluate copies: train numbers");
    static_assert(
        !Engine::observes,
        "mpi: the sampler makes its directions of what the functor shows at θ, and ranks exchange losses only: "
        "take a sampler that does not observe");
    static_assert(!tangent_estimator<estimator_type>,
                  "mpi: the estimator takes exact slopes, and ranks exchange losses only: take another estimator");
    bytes_ = 0;
    see(tuner, how);
    if (!compared_) compare(tuner, x);
    compared_ = true;
    const estimator_type& points = std::as_const(tuner).estimator();
    const std::size_t unit = together(points);  // of candidates
    require(!OfExamples || unit == 1,
            "mpi: each loss is of one example already, so only candidates can be dealt out: leave out the examples");
    std::vector<double> losses(tuner.evaluations(), std::numeric_limits<double>::quiet_NaN());
    for (std::size_t told = 0; told < losses.size();) {
      const std::span<const double> known = std::span<const double>(losses).first(told);
      const step_view view{tuner.direction(tuner.steps(), 0), tuner.optimizer().rate(tuner.steps()), known};
      const std::size_t n = estimation::ready(points, view) - told;
      if (told > 0 && !exist<T>(points, told, told + n, view)) break;  // the step is not finite, as it is for an engine
      std::vector<double> mine;
      const failure thrown = caught(
          [&] { evaluate<OfExamples, T>(tuner, x, functor, share(how, n, unit, rank(), size()), known, most_, mine); });
      const std::vector<double> all = exchanged(mine, how, n, unit, thrown);
      std::copy(all.begin(), all.end(), losses.begin() + static_cast<std::ptrdiff_t>(told));
      told += n;
    }
    return losses;
  }

  /// The losses of a round's n candidates, from those that each rank has of its own blocks. Throws if any rank failed.
  std::vector<double> exchanged(std::vector<double> mine, const deal& how, std::size_t n, std::size_t unit,
                                const failure& thrown) {
    std::vector<std::vector<block>> blocks;
    std::vector<std::size_t> counts, codes;
    for (std::size_t r = 0; r < size(); ++r) {
      blocks.push_back(share(how, n, unit, r, size()));
      counts.push_back(1 + size_of(blocks.back()));
    }
    mine.resize(counts[rank()] - 1);  // a rank that failed has fewer
    mine.insert(mine.begin(), static_cast<double>(thrown.code()));
    const std::vector<double> all = world_.gather(mine, counts);
    bytes_ += mine.size() * sizeof(double);
    std::vector<double> losses(n * how.examples);
    auto from = all.begin();
    for (const std::vector<block>& of_rank : blocks) {
      codes.push_back(static_cast<std::size_t>(*from++));
      for (const block& one : of_rank)
        for (std::size_t i = 0; i < one.candidates.count; ++i)
          for (std::size_t e = 0; e < one.examples.count; ++e)
            losses[(one.candidates.first + i) * how.examples + one.examples.first + e] = *from++;
    }
    end_together(world_, thrown, codes, seen_.steps, bytes_);
    return means(losses, n);
  }

  communicator world_;
  std::size_t most_;
  bool compared_ = false;
  common seen_;  // of the engine, at the last step
  std::size_t bytes_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::mpi
