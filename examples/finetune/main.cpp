/// finetune: adapts a language model to a task, with forward passes only.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <new>
#include <stdexcept>
#include <thread>
#include <utility>

#include "adapter_files.hpp"
#include "beginning.hpp"
#include "cost.hpp"
#include "memory.hpp"
#include "model.hpp"
#include "report.hpp"
#include "results.hpp"
#include "run_journal.hpp"
#include "terminal.hpp"
#include "token_chooser.hpp"

namespace finetune {

namespace {

constexpr int all_well = 0, diverged = 1, bad_input = 2, no_better = 3, interrupted_code = 130;
constexpr std::size_t most_rejected = 10;  // steps in a row, after which the run is given up

/// The held-out figures of the best state so far, which the trainer keeps if it can.
struct best_state {
  std::uint32_t step = 0;
  figures heldout = {};
  bool kept = false;

  void see(std::uint32_t now, const figures& f, trainer& tuner) {
    if (!(f.loss < heldout.loss)) return;
    step = now;
    heldout = f;
    kept = tuner.keep();
  }
};

/// Trains for o.steps steps, or until it is interrupted or no loss is finite any more. Returns false for the last.
bool train(const options& o, const zoft::nn::transformer& model, const task& t, token_chooser& tokens, trainer& tuner,
           zoft::journal& journal, run_log& log, best_state& best, outcome& done) {
  progress bar(o.steps, objective_text(o));
  std::size_t rejected_in_a_row = 0;
  bool troubled = false;
  while (done.steps < o.steps && !interrupted()) {
    const auto start = std::chrono::steady_clock::now();
    const zoft::step_report report = tuner.step(tokens.chosen(t.batch(done.steps), done.steps, tuner.current()));
    done.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    done.evaluations += report.evaluations;
    log.step(++done.steps, done.evaluations, done.seconds, report);
    try {
      journal.append(report);
      troubled = false;
    } catch (const std::invalid_argument& error) {
      bar.clear();
      if (!std::exchange(troubled, true)) say("note", shown(journal_trouble(error.what(), journal)));
    }

    const bool rejected = report.status != zoft::status::ok;
    done.rejected += rejected;
    rejected_in_a_row = rejected ? rejected_in_a_row + 1 : 0;
    if (rejected_in_a_row == most_rejected) return false;

    std::string line;
    if (o.evaluate_every > 0 && done.steps % o.evaluate_every == 0 && done.steps < o.steps && !interrupted()) {
      bar.busy("step " + zoft::text(done.steps) + ": evaluating what is held out …");
      const figures heldout = t.evaluate(model, tuner.current());
      log.heldout(heldout);
      best.see(done.steps, heldout, tuner);
      line = "held-out " + text_of(heldout, t);
    }
    bar.show(done.steps, report.probe_loss, done.seconds, line);
  }
  return true;
}

/// Waits until the journal has all steps, or the user gives up.
void wait_for_room(zoft::journal& journal) {
  for (bool told = false;; std::this_thread::sleep_for(std::chrono::milliseconds(500))) {
    try {
      return journal.flush();
    } catch (const std::invalid_argument& error) {
      if (!std::exchange(told, true))
        say("waiting",
            shown(journal_trouble(error.what(), journal)) + ": make room, or press Ctrl-C to leave these out");
      if (interrupted()) return;
    }
  }
}

/// Says how a model, with an adapter or without, does on what is held out.
int evaluate_only(const options& o, const zoft::nn::transformer& model, const task& t) {
  say("model", shown(o.model) + (o.adapter_from.empty() ? "" : " with the adapter in " + shown(o.adapter_from)));
  say("data", shown(o.data) + ": " + t.description());
  const auto evaluated = [&](const zoft::adapter_stack& adapter) {
    say("now", "held-out " + text_of(t.evaluate(model, adapter), t));
    for (const sample& one : t.samples(model, adapter)) {
      say("prompt", shown(one.prompt, true));
      say("text", shown(one.text, true));
    }
    return all_well;
  };
  if (o.adapter_from.empty()) return evaluated(zoft::adapter_stack(1));
  const saved_adapter adapter(o.adapter_from, model);
  return evaluated(adapter.stack());
}

int run(int argc, char** argv) {
  options o;
  if (!parse(argc, argv, o)) return all_well;

  check_memory(o);
  const zoft::io::tokenizer tokens = load_tokenizer(o);
  zoft::nn::transformer model = load_model(o, tokens);
  const std::unique_ptr<task> t =
      o.kind == data_kind::text ? make_text_task(o, tokens, room(o, model)) : make_item_task(o, tokens, room(o, model));
  if (o.evaluate_only) return evaluate_only(o, model, *t);

  const bool by_itself = begin_peak();
  evaluate(model, t->batch(0), zoft::nn::criterion::loss);
  const std::size_t plain_bytes = peak_bytes();
  begin_peak();

  const std::vector<zoft::low_rank_values> start = beginning_of(o, model, tokens, *t);
  const std::unique_ptr<trainer> tuner = make_trainer(o, model, start);
  zoft::io::make_folder(o.output);
  check_output(o.output, tuner->files());
  std::unique_ptr<zoft::journal> journal = open_journal(o, tuner->has_snapshots());
  run_log log(o.output);
  introduce(o, model, *t, *tuner);
  token_chooser chooser(o, model, *t);
  const double trial = trial_seconds(o, model, *t, chooser, start);
  say("cost", "about " + duration(trial) + " a step and " + duration(trial * o.steps) + " in all, " +
                  fixed(static_cast<double>(weight_bytes(model.shape(), o.weights)) / 1e6, 1) + " MB of weights and " +
                  fixed(static_cast<double>(working_bytes(o, model.shape(), model.threads().workers())) / 1e6, 1) +
                  " MB to work in");

  const figures before = t->evaluate(model, tuner->current());
  if (!std::isfinite(before.loss))
    refuse(o.model + ": its held-out loss is " + zoft::text(before.loss) + ", and must be finite");
  const std::vector<sample> samples_before = t->samples(model, tuner->current());
  log.heldout(before);
  say("before", "held-out " + text_of(before, *t));

  best_state best{.heldout = before};
  outcome done;
  const bool goes_on = journal->steps() > 0;
  tuner->resume(*journal, [&](std::uint32_t step) { return chooser.chosen(t->batch(step), step, tuner->current()); });
  done.steps = tuner->steps();
  done.evaluations = done.steps * tuner->forwards();
  if (goes_on) {
    done.seconds = log.go_on(done.steps);
    say("resumed", "behind step " + zoft::text(done.steps) + " of " + zoft::text(o.steps) + ", from " +
                       shown(o.output) + "/run.journal");
  }
  catch_interrupt();
  const bool finite = o.undo > 0 || train(o, model, *t, chooser, *tuner, *journal, log, best, done);
  if (done.steps == 0) {
    log.discard();
    discard(journal, o);
    std::fprintf(stderr, "finetune: stopped before the first step; nothing was written\n");
    return interrupted_code;
  }
  wait_for_room(*journal);
  if (interrupted() || o.undo > 0)
    say("stopped", "after step " + zoft::text(done.steps) + " of " + zoft::text(o.steps) +
                       "; to go on: finetune --resume " + shown(o.output));
  figures after = finite ? t->evaluate(model, tuner->current()) : figures{.loss = std::nan("")};
  if (!std::isfinite(after.loss)) {
    const bool was_better = best.step > 0;
    if (!was_better) {
      log.discard();
      discard(journal, o);
    }
    const std::string left = was_better ? "its best state is had back by finetune --resume " + o.output + " --undo " +
                                              zoft::text(done.steps - best.step)
                                        : "nothing was written";
    std::fprintf(stderr,
                 "finetune: by step %u the losses are no longer finite: the run has diverged, and %s; "
                 "--learning-rate was %s, try %s\n",
                 done.steps, shown(left).c_str(), zoft::text(o.learning_rate).c_str(),
                 zoft::text(o.learning_rate / 10).c_str());
    return diverged;
  }
  log.heldout(after);
  const bool by_loss = criterion_of(o) == zoft::nn::criterion::loss;
  const bool best_is_earlier = by_loss && best.step > 0 && best.heldout.loss < after.loss;
  if (best_is_earlier)
    say("best", "step " + zoft::text(best.step) + ", where the held-out loss was " + fixed(best.heldout.loss, 4) +
                    " and not " + fixed(after.loss, 4) +
                    (best.kept ? "; its state is what is kept"
                               : "; to have that back: finetune --resume " + shown(o.output) + " --undo " +
                                     zoft::text(done.steps - best.step)));
  if (best_is_earlier && best.kept) {
    tuner->take_kept();
    after = best.heldout;
  }
  try {
    tuner->save(o.output);
    log.commit();
  } catch (const std::invalid_argument& error) {
    refuse(std::string(error.what()) + "; all steps are in " + o.output +
           "/run.journal: make room, and finetune --resume " + o.output);
  }
  say("after", "held-out " + text_of(after, *t));
  const bool worse = by_loss && !(after.loss < before.loss);
  if (worse) say("note", "the loss did not fall: try a --learning-rate below " + zoft::text(o.learning_rate));
  compare(samples_before, t->samples(model, tuner->current()));
  std::printf("\n");
  account(done, plain_bytes, peak_bytes(), by_itself);

  std::string files;
  for (const std::string& name : tuner->files()) files += o.output + "/" + name + ", ";
  say("written", files + o.output + "/log.csv");
  if (tuner->files().empty())
    say("note", "no file format is known for " + o.adapter + ": what was trained is not saved");
  say("curve", draw_curve(o.output, o.method + ", " + o.adapter + ": held-out " + change(before, after, *t),
                          t->share_name(), objective_text(o)));
  return interrupted() ? interrupted_code : worse ? no_better : all_well;
}

}  // namespace
}  // namespace finetune

int main(int argc, char** argv) {
  try {
    return finetune::run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("finetune: there is not enough memory; smaller are --queries, --batch, --length, --method mezo\n",
               stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "finetune: %s\n", finetune::shown(error.what()).c_str());  // one line, whatever it quotes
  }
  return finetune::bad_input;
}
