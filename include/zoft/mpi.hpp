/// Many machines for one run, by MPI: they share the candidates of each step, and exchange losses only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "concepts.hpp"
#include "engine/estimation/estimation.hpp"
#include "engine/functors.hpp"
#include "engine/stepper.hpp"
#include "journal/run.hpp"
#include "mpi/agreement.hpp"
#include "mpi/communicator.hpp"
#include "mpi/points.hpp"

namespace zoft::inline ZOFT_ISA::mpi {

/// The ranks of a communicator, as the place where a step's candidates are evaluated. Each rank has the same parameters
/// and the same engine. It evaluates its range of the candidates, all ranks exchange their losses, and each makes the
/// same update:
///
///     MPI_Init(&argc, &argv);
///     zoft::mpi::ranks all(MPI_COMM_WORLD);
///     auto tuner = zoft::prge({.queries = 8, .seed = 42});
///     all.step(tuner, std::span(x), f);          // where one machine has tuner.step(std::span(x), f)
///
/// Of n candidates, rank r of N has those from ⌊n·r/N⌋ to ⌊n·(r + 1)/N⌋ − 1: for n < N some ranks have none. So a step
/// should have at least as many candidates as there are ranks. Where each loss is of one example only, as with
/// per_example, the B candidates of a forward stay together, so that candidate i of a call belongs to example i mod B.
///
/// The parameters are the same bits for any N, 1 and a plain engine included, if the loss of a candidate does not
/// depend on which others are in the same call, nor on the machine. If it does depend on the machine, they are still
/// the same on all ranks, as long as all run the same program.
///
/// A step sends 8 bytes for each of the rank's losses, and 8 a round. The first step also compares what the ranks begin
/// with, in 40 bytes. So a rank sends at most 8·evaluations + 64 bytes for up to three rounds; estimators in zoft have
/// one or two. If a functor throws, its message is sent as well.
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
///     if (all.rank() == 0) log.emplace("run.journal"), log->resume(tuner, std::span(x));
///     MPI_Barrier(MPI_COMM_WORLD);               // now the file has its header
///     if (all.rank() > 0) zoft::replay("run.journal", tuner, std::span(x));
///     while (tuner.steps() < 1000) {
///       const zoft::step_report made = all.step(tuner, std::span(x), f);
///       if (all.rank() == 0) log->append(made);
///     }
class ranks {
 public:
  /// `most` is what per_call is for an engine, whose own is not used here. Throws std::invalid_argument before
  /// MPI_Init.
  explicit ranks(MPI_Comm of, per_call most = {}) : world_(of), most_(most.value) {}

  std::size_t rank() const { return world_.rank(); }  ///< of this process, from 0
  std::size_t size() const { return world_.size(); }  ///< N

  /// Bytes that this rank gave to MPI in its last step or check, for all others. How often each is sent is MPI's
  /// affair.
  std::size_t bytes() const { return bytes_; }

  /// One step on x. The functor is that of engine::step: void(candidates, losses), or double(candidate), or
  /// double(std::span<const T>). The last is shown a copy of x, so a step needs memory for one copy. If an estimator's
  /// points come in rounds, a later round needs memory for all its candidates from the rank's first on.
  ///
  /// If a loss is not finite on any rank, all ranks report status::not_finite. If a functor throws, no parameters are
  /// changed, and the step can be made again: the rank throws its own exception, the others std::runtime_error
  /// "zoft: mpi: rank 2 threw in step 17: WHAT". The first step throws what `check` throws.
  template <class Engine, class X, class F>
  requires(!journals::owns<Engine>) step_report step(Engine& tuner, X&& x, F&& functor) {
    return step_on(tuner, x, functor);
  }
  /// The same for an adapter that owns its parameters.
  template <class Engine, class F>
  requires journals::owns<Engine> step_report step(Engine& tuner, F&& functor) {
    own x;
    return step_on(tuner, x, functor);
  }

  /// Throws std::invalid_argument on all ranks, with one line that names which differ from rank 0 and in what, unless x
  /// has the same bits on all, and their engines had the same seed, number of evaluations and steps at the last step. x
  /// is a span or a model that keeps its weights. It may also be something that the engine does not know, such as the
  /// base weights that an adapter is for.
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
    own x;
    compare(tuner, x);
  }

 private:
  /// In place of x, where the adapter owns what is trained.
  struct own {};

  template <class Engine, class X>
  void compare(const Engine& tuner, X& x) {
    seen_ = {tuner.direction(0, 0).seed, tuner.evaluations(), tuner.steps()};
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

  /// x is the user's, or `own`.
  template <class Engine, class X, class F>
  step_report step_on(Engine& tuner, X& x, F& functor) {
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
    if (!compared_) compare(tuner, x);
    compared_ = true;
    seen_ = {tuner.direction(0, 0).seed, tuner.evaluations(), tuner.steps()};
    const estimator_type& points = std::as_const(tuner).estimator();
    const std::size_t unit = together(points);
    std::vector<double> losses(tuner.evaluations(), std::numeric_limits<double>::quiet_NaN());
    for (std::size_t told = 0; told < losses.size();) {
      const step_view view{tuner.direction(tuner.steps(), 0), tuner.optimizer().rate(tuner.steps()),
                           std::span<const double>(losses).first(told)};
      const std::size_t end = estimation::ready(points, view);
      if (told > 0 && !exist<T>(points, told, end, view)) break;  // the step is not finite, as it is for an engine
      const range mine = part(told, end - told, unit, rank(), size());
      const failure thrown = caught([&] { evaluate<T>(tuner, x, functor, mine, told, losses); });
      exchange(std::span(losses).subspan(told, end - told), unit, thrown);
      told = end;
    }
    if constexpr (journals::owns<Engine>)
      return tuner.tell(losses);
    else
      return tuner.tell(x, losses);
  }

  /// Writes the losses of the rank's own candidates; `told` are those of earlier rounds.
  template <class T, class Engine, class X, class F>
  void evaluate(Engine& tuner, X& x, F& functor, range mine, std::size_t told, std::span<double> losses) const {
    const auto ask = [&](auto... which) {
      if constexpr (journals::owns<Engine>)
        return tuner.ask(which...);
      else
        return tuner.ask(x, which...);
    };
    using shown = decltype(ask(std::size_t{}, std::size_t{}));
    using E = std::remove_cvref_t<decltype(tuner.estimator())>;
    constexpr bool spans = !journals::owns<Engine> && std::is_same_v<shown, candidates<T>> &&
                           functors::takes_one<E, F, std::span<const T>>() && !functors::takes_all<E, F, shown>();
    constexpr bool batches = !spans && functors::takes_all<E, F, shown>();
    static_assert(spans || batches || functors::takes_one<E, F, shown>(),
                  "mpi: the functor must be one that the engine's step takes: void(shown, std::span<double>) or "
                  "double(shown), with zoft::example_losses or a zoft::example where each loss is of one example");
    const E& points = std::as_const(tuner).estimator();
    // A later round's candidates are asked for by how many losses are told: all before the first that is wanted.
    const auto at = [&](std::size_t first, std::size_t count) {
      if (told == 0) return ask(first, count);
      if constexpr (divisible<shown>)
        return leading(ask(std::span<const double>(losses.first(first))), count);
      else
        fail("mpi: the estimator's points come in rounds, and what the adapter shows cannot be divided between ranks");
    };
    const std::size_t most = !batches ? 1 : most_ == 0 ? mine.count : most_;
    for (std::size_t done = 0; done < mine.count;) {
      const std::size_t first = mine.first + done, count = std::min(most, mine.count - done);
      if constexpr (spans)
        losses[first] = functors::call_one(points, functor, at(first, count)[0], first);
      else if constexpr (batches)
        functors::call_all(points, functor, at(first, count), losses.subspan(first, count), first);
      else
        losses[first] = functors::call_one(points, functor, at(first, count), first);
      done += count;
    }
  }

  /// Makes the losses of a round known to all ranks, each of which has those of its own part. Throws if any failed.
  void exchange(std::span<double> losses, std::size_t unit, const failure& thrown) {
    std::vector<std::size_t> counts, codes;
    for (std::size_t r = 0; r < size(); ++r) counts.push_back(1 + part(0, losses.size(), unit, r, size()).count);
    const range part_here = part(0, losses.size(), unit, rank(), size());
    std::vector<double> mine{static_cast<double>(thrown.code())};
    for (const double loss : losses.subspan(part_here.first, part_here.count)) mine.push_back(loss);
    const std::vector<double> all = world_.gather(mine, counts);
    bytes_ += mine.size() * sizeof(double);
    auto from = all.begin();
    auto to = losses.begin();
    for (const std::size_t n : counts) {
      codes.push_back(static_cast<std::size_t>(*from));
      to = std::copy(from + 1, from + static_cast<std::ptrdiff_t>(n), to);
      from += static_cast<std::ptrdiff_t>(n);
    }
    end_together(world_, thrown, codes, seen_.steps, bytes_);
  }

  communicator world_;
  std::size_t most_;
  bool compared_ = false;
  common seen_;  // of the engine, at the last step
  std::size_t bytes_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::mpi
