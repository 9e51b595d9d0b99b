// finetune's task on the ranks of MPI, which share the losses of each step and exchange nothing else:
//
//     mpirun -n 2 ranks candidates|examples|pairs [OPTION of finetune...]
//
// It trains as finetune does with --method prge and --adapter lora_fa. All ranks make the same steps; rank 0 alone
// prints, keeps the journal, and saves. A run that was stopped goes on by --resume, on any number of ranks.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>
#include <zoft/mpi.hpp>
#include <zoft/prge.hpp>

#include "finetune/adapter_files.hpp"
#include "finetune/model.hpp"
#include "finetune/recipe.hpp"
#include "finetune/report.hpp"
#include "finetune/run_journal.hpp"
#include "finetune/task.hpp"
#include "finetune/text.hpp"

namespace {

using zoft::nn::batch;

/// Some of the batch's sequences.
batch part_of(const batch& b, zoft::mpi::range some) {
  batch result;
  for (std::size_t i = 0; i < some.count; ++i) result.add(b[some.first + i]);
  return result;
}

/// The losses of all adapters on some sequences (adapters, sequences), weighted by how many labels these have, so that
/// the mean over the sequences of the batch is its loss.
void losses_on(const zoft::nn::transformer& model, const batch& b, const zoft::adapter_stack& adapters,
               zoft::mpi::range some, std::span<double> losses) {
  const batch own = part_of(b, some);
  const double weight = static_cast<double>(b.size()) / static_cast<double>(b.predicted());
  const std::vector<zoft::nn::token_score> scores = model.score(own, adapters);
  auto score = scores.begin();
  for (std::size_t g = 0; g < adapters.size(); ++g)
    for (std::size_t i = 0; i < own.size(); ++i) {
      double sum = 0;
      for (std::size_t t = 1; t < own[i].labels.size(); ++t)
        if (own[i].labels[t] != zoft::nn::ignored) sum += (score++)->nll;
      losses[g * own.size() + i] = weight * sum;
    }
}

template <class Engine>
zoft::step_report step(Engine& tuner, const std::string& deal, const zoft::nn::transformer& model, const batch& b,
                       zoft::mpi::ranks& everyone) {
  const auto on_some = [&](const auto& adapters, zoft::mpi::range some, std::span<double> losses) {
    losses_on(model, b, adapters, some, losses);
  };
  if (deal == "examples") return tuner.step(on_some, everyone.examples(b.size()));
  if (deal == "pairs") return tuner.step(on_some, everyone.pairs(b.size()));
  return tuner.step([&](const auto& adapters, std::span<double> losses) { model.losses(b, adapters, losses); },
                    everyone);
}

void run(int argc, char** argv) {
  const std::string deal = argc > 1 ? argv[1] : "";
  if (deal != "candidates" && deal != "examples" && deal != "pairs")
    finetune::refuse("what is dealt out is '" + deal + "', and must be candidates, examples or pairs");
  finetune::options o;
  if (!finetune::parse(argc - 1, argv + 1, o)) return;
  if (o.method != "prge" || o.adapter != "lora_fa" || o.objective != "loss" || o.keep < 1)
    finetune::refuse("ranks train by --method prge, --adapter lora_fa and --objective loss, with all tokens");

  const zoft::io::tokenizer tokens = finetune::load_tokenizer(o);
  const zoft::nn::transformer model = finetune::load_model(o, tokens);
  const auto task = o.kind == finetune::data_kind::text ? make_text_task(o, tokens, room(o, model))
                                                        : make_item_task(o, tokens, room(o, model));
  auto tuner = zoft::prge({.queries = o.queries,
                           .epsilon = o.epsilon,
                           .learning_rate = o.learning_rate,
                           .decay = o.decay,
                           .schedule = finetune::schedule_of(o),
                           .seed = o.seed},
                          zoft::lora_fa{.rank = o.rank, .alpha = o.alpha, .targets = o.targets});
  tuner.attach(model);

  zoft::mpi::ranks everyone(MPI_COMM_WORLD);
  const bool first = everyone.rank() == 0;
  std::unique_ptr<zoft::journal> log;
  if (first) {
    zoft::io::make_folder(o.output);
    log = finetune::open_journal(o, true);
    log->resume(tuner);
    finetune::say("ranks", zoft::text(everyone.size()) + " of " + zoft::text(model.threads().workers()) +
                               " threads share the " + deal + ", from step " + zoft::text(tuner.steps()));
    finetune::say("before", "held-out " + text_of(task->evaluate(model, tuner.adapter()), *task));
  }
  MPI_Barrier(MPI_COMM_WORLD);
  if (!first) zoft::replay(o.output + "/run.journal", tuner);

  std::size_t sent = 0;
  const std::uint32_t from = tuner.steps();
  const auto begin = std::chrono::steady_clock::now();
  while (tuner.steps() < o.steps) {
    const zoft::step_report made = step(tuner, deal, model, task->batch(tuner.steps()), everyone);
    sent = std::max(sent, everyone.bytes());
    if (first) log->append(made);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  everyone.check(tuner);
  if (!first) return;

  finetune::say("after", "held-out " + text_of(task->evaluate(model, tuner.adapter()), *task));
  finetune::say("took", finetune::fixed(seconds, 2) + " s for " + zoft::text(o.steps - from) + " steps, of " +
                            zoft::text(sent) + " bytes a rank at most");
  const auto trained = tuner.adapter().parameters();
  finetune::say("bits", zoft::journals::hexadecimal(zoft::journals::fingerprint_of(trained)));
  std::vector<zoft::io::low_rank_tensor> tensors;
  for (const auto& p : tuner.adapter().pairs())
    tensors.push_back({p.linear, p.out, p.in, tuner.adapter().rank(), p.a, p.b});
  finetune::save_adapter(o.output, tensors, tuner.adapter().alpha(), model.shape(), o.model);
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  try {
    run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ranks: %s\n", error.what());
    MPI_Abort(MPI_COMM_WORLD, 2);
  }
  MPI_Finalize();
}
