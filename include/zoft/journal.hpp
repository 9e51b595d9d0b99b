/// A run that survives its program: a journal of its steps, from which it is made again, bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "core/report.hpp"
#include "journal/append_file.hpp"
#include "journal/contents.hpp"
#include "journal/run.hpp"

namespace zoft::inline ZOFT_ISA {

struct journal_options {
  std::string about = {};          ///< the run's options and data, in any words: who goes on must say the same
  std::size_t sync_every = 1;      ///< steps, after which what was written is put on the disk; 0: when the system likes
  std::size_t check_every = 100;   ///< steps, after which a fingerprint of the parameters is written; 0: never
  std::size_t snapshot_every = 0;  ///< steps, after which a snapshot is written beside the journal; 0: never
};

/// The steps of one run, in a file that grows by 16 + 8·values bytes a step: q values, or as many as losses where the
/// engine's record is of these. If the program is killed, another one goes on from what the file holds:
///
///     zoft::journal log("run.journal", {.about = "mezo on my net, data of May"});
///     log.resume(tuner, std::span(weights));   // the steps in the file, if there are any
///     while (tuner.steps() < 1000)
///       log.append(tuner.step(std::span(weights), loss));
///
/// At resume, weights and tuner must be what they were when the run began: the file has a fingerprint of the weights,
/// the seed, and what else can be told of the run. To make steps again takes no losses. Where directions are made of
/// what the functor shows, it takes one forward at θ: give `resume` the functor, which must know the batch of step
/// tuner.steps(). For an adapter that owns its parameters, leave out the weights. The journal keeps references to both:
/// neither may be moved or copied elsewhere while steps are appended.
///
/// Parameters become what they were, bit for bit, in any program with the same noise version, if the optimizer's
/// arithmetic is the same there; fingerprints on the way prove it. What the tuner was given while it ran is not in the
/// file, but for its rate: a change of ε or of another option must be made again at its step.
///
/// A snapshot spares the steps before it: it is the parameters at one step, and what the engine's policies keep beside
/// them (Adam's moments, say), in the file PATH.snapshot, where the next replaces it. One that is damaged, or of a step
/// that was undone, is left aside. A policy of one's own that keeps something must show it: see
/// zoft::engine::each_state.
///
/// Only one program at a time can write a journal. An adapter whose `restore` is drifting is refused. POSIX systems
/// only.
class journal {
 public:
  /// Opens the file, or makes it. Throws std::invalid_argument with one line if it cannot be read and written, if
  /// another program writes it, if it is no journal, and if it is damaged, with the step. A record that was being
  /// written when its program was killed is cut off.
  explicit journal(const std::string& path, journal_options o = {})
      : options_(std::move(o)),
        file_(path, journals::append_file::mode::write),
        held_(journals::read(file_.read(), path)) {
    // In a text, which a header is, the end of a line ends a value.
    require(options_.about.find('\0') == std::string::npos, "journal: about has a zero byte, and must be text");
  }

  /// Of the run, those not yet written included.
  std::size_t steps() const { return running_ ? steps_ : held_.steps(); }
  std::size_t pending() const { return pending_steps_; }           ///< those that could not be written yet
  const journals::header& header() const { return held_.header; }  ///< of the run; empty before the first resume

  /// Forgets the last `count` steps. Call it before resume.
  void undo(std::size_t count) {
    require(!running_, "journal: undo comes before resume");
    const std::size_t all = held_.steps();
    require(count <= all, file_.path() + ": " + text(count) + " steps are to be undone, and it holds " + text(all));
    while (count > 0) {
      count -= held_.entries.back().kind != journals::kind::check;
      held_.entries.pop_back();
      held_.ends.pop_back();
    }
  }

  /// Makes all steps of the file again, on x and with the engine as they were at the run's start. Of a new file, writes
  /// its header. Throws, and names what differs, if the run in the file is another.
  template <class Engine, class X, class... F>
  requires(!journals::owns<Engine> && journals::journaled<X>) void resume(Engine& engine, X&& x, F&&... functor) {
    begin(engine, x, journals::size_of(x));
    end_of_resume(engine, x, journals::replay(held_, file_.path(), engine, x, functor...));
  }
  template <class Engine, class X, class... F>
  requires(!journals::owns<Engine> && !journals::journaled<X>)
      ZOFT_REFUSED("x must be what the engine's step takes, a std::span or a model: write std::span(x)")
  void resume(Engine&, X&&, F&&...) {}
  /// The same for an engine that owns what it trains.
  template <class Engine, class... F>
  requires journals::owns<Engine>
  void resume(Engine& engine, F&&... functor) {
    const auto x = engine.adapter().parameters();
    begin(engine, x, x.size());
    end_of_resume(engine, x, journals::replay(held_, file_.path(), engine, x, functor...));
  }

  /// Writes the step that the engine has just made. If the file cannot be written, throws, with the step kept in
  /// memory: the next append, or flush, writes it too.
  void append(const step_report& made) {
    require(running_, "journal: a step was appended, and resume comes first");
    const step_record& record = record_();
    require(made.step == record.step, "journal: step " + text(made.step) +
                                          " was appended, and the last of the engine that was resumed is step " +
                                          text(record.step));
    add(record);
    const auto due = [this](std::size_t every) { return every > 0 && steps_ % every == 0; };
    if (due(options_.check_every) || due(options_.snapshot_every)) check(fingerprint_());
    ++pending_steps_;
    flush(due(options_.snapshot_every) ||
          (options_.sync_every > 0 && (unsynced_ + pending_steps_) >= options_.sync_every));
    if (due(options_.snapshot_every)) write_snapshot_(steps_);
  }

  /// Writes what could not be written yet and puts it on the disk.
  void flush() { flush(true); }

 private:
  /// Checks the header, or writes it.
  template <class Engine, class X>
  void begin(const Engine& engine, X& x, std::size_t size) {
    require(!running_, "journal: the run is resumed already");
    require(options_.snapshot_every == 0 || Engine::shows_state,
            "journal: snapshot_every is " + text(options_.snapshot_every) +
                ", and must be 0 for an engine with a policy that keeps something and has no each_state");
    const journals::header now = journals::header_of(engine, x, size, options_.about);
    if (held_.header_size == 0) {
      const std::string bytes = journals::encoded(now);
      file_.write(0, bytes);
      file_.cut(bytes.size());
      file_.sync();
      file_.sync_name();
      held_ = journals::read(bytes, file_.path());
    } else {
      journals::check_same(held_.header, now, file_.path());
      file_.cut(held_.size());
    }
    end_ = held_.size();
    checksum_ = held_.checksum();
  }
  /// What is asked of x and the engine at later steps: trained() returns x.
  template <class Engine, class Trained>
  void remember([[maybe_unused]] Engine& engine, Trained trained) {
    fingerprint_ = [trained] {
      auto&& x = trained();
      return journals::fingerprint_of(x);
    };
    if constexpr (Engine::shows_state)
      write_snapshot_ = [this, trained, &engine](std::size_t step) {
        auto&& x = trained();
        journals::snapshot::write(file_.path(), step, x, engine);
      };
  }
  template <class Engine, class X>
  void end_of_resume(Engine& engine, X& x, std::size_t steps) {
    record_ = [&engine]() -> const step_record& { return engine.record(); };
    if constexpr (requires { x.weights_layout(); })
      remember(engine, [&x]() -> X& { return x; });
    else
      remember(engine, [x] { return x; });
    steps_ = steps;
    held_.entries.clear();
    held_.ends.clear();
    running_ = true;
  }

  void add(const step_record& r) {
    require(r.step == steps_ && r.values.size() == held_.header.number("values"),
            file_.path() + ": step " + text(steps_) + " with " + text(held_.header.number("values")) +
                " values comes next, and the engine's last was step " + text(r.step) + " with " +
                text(r.values.size()));
    put({r.status == status::ok ? journals::kind::applied : journals::kind::rejected, 0, r});
    ++steps_;
  }
  void check(std::uint64_t fingerprint) {
    journals::entry e{journals::kind::check, fingerprint, {}};
    e.step.step = static_cast<std::uint32_t>(steps_);
    e.step.values.assign(held_.header.number("values"), 0.0);
    put(e);
  }
  void put(const journals::entry& e) {
    const std::string bytes = journals::encoded(e, checksum_);
    checksum_ = journals::checksum_in(bytes);
    pending_ += bytes;
  }

  void flush(bool sync) {
    file_.write(end_, pending_);
    end_ += pending_.size();
    unsynced_ += std::exchange(pending_steps_, 0);
    pending_.clear();
    if (!sync) return;
    file_.sync();
    unsynced_ = 0;
  }

  journal_options options_;
  journals::append_file file_;
  journals::contents held_;
  std::size_t end_ = 0;  // of what is in the file
  std::string pending_;  // what could not be written yet
  std::size_t steps_ = 0, pending_steps_ = 0, unsynced_ = 0;
  std::uint32_t checksum_ = 0;                  // of the last record
  std::function<const step_record&()> record_;  // of the engine's last step
  std::function<void(std::size_t)> write_snapshot_;
  std::function<std::uint64_t()> fingerprint_;  // of what it trains
  bool running_ = false;
};

/// Makes the steps of a journal again, which another program may be writing, and returns how many there were. What x
/// and the engine must be, and when a functor is needed, is said at journal. What the run says about itself is not
/// compared.
template <class Engine, class X, class... F>
requires(!journals::owns<Engine> && journals::journaled<X>) std::size_t
    replay(const std::string& path, Engine& engine, X&& x, F&&... functor) {
  const journals::contents held = journals::read_file(path);
  journals::check_same(held.header, journals::header_of(engine, x, journals::size_of(x), held.header.value("about")),
                       path);
  return journals::replay(held, path, engine, x, functor...);
}
template <class Engine, class X, class... F>
requires(!journals::owns<Engine> && !journals::journaled<X>)
    ZOFT_REFUSED("x must be what the engine's step takes, a std::span or a model: write std::span(x)")
std::size_t replay(const std::string&, Engine&, X&&, F&&...) { return 0; }
/// The same for an engine that owns what it trains.
template <class Engine, class... F>
requires journals::owns<Engine> std::size_t replay(const std::string& path, Engine& engine, F&&... functor) {
  const auto x = engine.adapter().parameters();
  const journals::contents held = journals::read_file(path);
  journals::check_same(held.header, journals::header_of(engine, x, x.size(), held.header.value("about")), path);
  return journals::replay(held, path, engine, x, functor...);
}

}  // namespace zoft::inline ZOFT_ISA
