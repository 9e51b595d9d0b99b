#include "options.hpp"

#include <algorithm>
#include <filesystem>
#include <zoft/io/chat.hpp>
#include <zoft/io/data/tasks.hpp>
#include <zoft/io/peft.hpp>

#include "command_line.hpp"
#include "run_journal.hpp"
#include "trainer.hpp"

// The folder of the task that ships with the program.
#ifndef ZOFT_DEFAULT_TASK
#define ZOFT_DEFAULT_TASK (std::filesystem::path(__FILE__).parent_path() / "default").string()
#endif

namespace finetune {

namespace {

constexpr std::size_t many = 65536;  // more queries, or sequences a step, are a slip of the hand
constexpr std::uint32_t most_steps = options::unset - 1;

std::string listed(const std::vector<std::string>& names) {
  std::string result;
  for (const std::string& name : names) result += (result.empty() ? "" : ", ") + name;
  return result;
}

void add_model(command_line& c) {
  c.group("Model");
  c.path("--model", &options::model, "PATH", "a folder of Hugging Face's, a GGUF file, or a file of llama2.c's");
  c.path("--tokenizer", &options::tokenizer, "PATH", "a tokenizer's file or folder (the one that came with the model)");
  c.path("--adapter-from", &options::adapter_from, "FOLDER",
         "an adapter of peft's or of an earlier run, to begin with");
  c.add("--weights", &options::weights, "NAME", "f32, bf16, i8, i4 or nf4: how matrices are kept in memory (f32)",
        [](const std::string& option, const std::string& value) {
          using zoft::nn::dtype;
          const std::vector<std::string> names{"f32", "bf16", "i8", "i4", "nf4"};
          constexpr dtype types[] = {dtype::f32, dtype::bf16, dtype::i8, dtype::i4, dtype::nf4};
          const std::string name = one_of(option, value, names);
          return types[std::find(names.begin(), names.end(), name) - names.begin()];
        });
  c.whole("--threads", &options::threads, "of the forwards; 0: as many as the machine has (0)", 0, 1024);
  c.whole("--activation-cache", &options::activation_cache,
          "MB that keep what enters the first adapted block, for each sequence: with --targets layers.28,layers.29\n"
          "the blocks below are computed once (0)",
          0, 1u << 20);
}

void add_data(command_line& c) {
  c.group("Data (one of --text, --examples, --task, --labelled and --pairs)");
  c.path("--text", &options::text, "FILE", "plain text to model; the last 5 % are held out");
  c.path("--examples", &options::examples, "FILE",
         "JSON lines or a list of JSON: text; prompt and completion; messages, conversations: answers are learned");
  c.text("--chat-format", &options::chat_format,
         "how chats are written: " + listed(zoft::io::chat_format_names()) + " (the model's own template)");
  c.text("--system", &options::system, "a message put before chats that do not begin with one of the system");
  c.choice("--task", &options::task, zoft::io::task_names(),
           "a classification task by name: " + listed(zoft::io::task_names()));
  c.path("--task-data", &options::task_data, "FOLDER", "where the files of --task are");
  c.whole("--train-items", &options::train_items, "train on so many examples of --task; 0: all (0)", 0);
  c.path("--labelled", &options::labelled, "FILE", "lines of 'label text', classified by a word behind the text");
  c.path("--words", &options::words, "WORDS", "a word a label: 'bad,good' for 0 and 1, or 'neg=bad,pos=good'");
  c.text("--template", &options::prompt_template, "how text and word are put together ('{text} It was {word}')");
  c.path("--pairs", &options::pairs, "FILE", "lines of prompt, tab, answer; the answer and its end are learned");
  c.text("--separator", &options::separator, "what stands between prompt and answer ('\\n', a line break)");
  c.path("--heldout", &options::heldout, "FILE", "more such lines, to be held out (every tenth line of the data)");
  c.whole("--heldout-items", &options::heldout_items, "look at so many of the held-out lines at most; 0: all (1000)",
          0);
  c.whole("--heldout-tokens", &options::heldout_tokens, "look at the first so many held-out tokens; 0: all (50000)", 0);
}

void add_training(command_line& c) {
  c.group("Training");
  c.choice("--method", &options::method, method_names(), method_help() + "(prge)");
  c.choice(
      "--objective", &options::objective, {"loss", "choice", "accuracy", "exact_match"},
      "what is minimised: loss; choice: the loss among the words of the labels alone; accuracy: 1 - the share of the\n"
      "data's tokens, or exact_match: of its answers, that the model would write (loss)");
  c.choice("--adapter", &options::adapter, adapter_names(), adapter_help() + "(lora_fa)");
  c.whole("--rank", &recipe::rank, "of lora and lora_fa *", 1, many);
  c.real("--alpha", &recipe::alpha, "what they add is scaled by alpha / rank *");
  c.add("--targets", &options::targets, "NAMES", "linears, or norms, to adapt, as q_proj,v_proj (all)", comma_list);
  c.real("--keep", &options::keep, "share of the tokens, in blocks of 64, that layers keep in a step; 1: all (1)");
  c.choice(
      "--keep-by", &options::keep_by, {"seed", "scores", "predictor", "thresholds"},
      "what chooses them: the seed, anew in each step; attention's scores, in one forward more; a predictor of\n"
      "scores, which is trained first; scores above thresholds that are searched for first, to keep --keep (seed)");
  c.whole("--rows", &options::rows,
          "tokens that a direction of --method observed is made of; memory grows with it (16)", 1, many);
  c.whole("--keep-from", &options::keep_from, "layers before this one keep all tokens (0)", 0, many);
  c.choice("--dropped", &options::dropped, {"unseen", "seen"},
           "whether kept tokens see the keys and values of dropped ones (unseen)");
  c.flag("--calibrated", &options::calibrated,
         "A of lora and lora_fa begins with the principal directions of linears' inputs on the first batch");
  c.path("--spare", &options::spare, "FILE",
         "text, or examples, on which lora and lora_fa should change nothing: A is where inputs of the data are,\n"
         "and those of the file are not");
  c.whole("--prefix-length", &recipe::prefix_length, "tokens that prefix takes of the context *", 1, many);
  c.whole("--queries", &recipe::queries, "directions a step *", 1, many);
  c.real("--epsilon", &recipe::epsilon, "how far parameters are perturbed along them *");
  c.real("--learning-rate", &recipe::learning_rate, "at the peak of the schedule *");
  c.choice("--schedule", &recipe::schedule, {"constant", "linear", "cosine"}, "constant, linear or cosine *");
  c.whole("--warmup", &recipe::warmup, "steps over which the rate rises *", 0, most_steps);
  c.real("--decay", &recipe::decay, "of weights, decoupled *", true);
  c.whole("--batch", &recipe::batch, "sequences a step *", 1, many);
  c.whole("--length", &recipe::length, "tokens of a sequence; of lines at most *", 2);
  c.whole("--steps", &recipe::steps, "updates *", 1, most_steps);
  c.whole("--seed", &options::seed, "names the run: same seed, same bits (0)", 0);
}

void add_output(command_line& c) {
  c.group("Output");
  c.whole("--evaluate-every", &options::evaluate_every,
          "steps between held-out figures; 0: only before and after (a tenth of the steps)", 0, most_steps);
  c.flag("--evaluate", &options::evaluate_only, "only look at what is held out, and write nothing");
  c.text("--prompt", &options::prompt, "of the samples (from what is held out)");
  c.real("--temperature", &options::temperature, "of the samples; 0: always the likeliest token (0)", true);
  c.whole("--sample-tokens", &options::sample_tokens, "of a sample at most (64)", 1);
  c.path("--output", &options::output, "FOLDER",
         "of lora and lora_fa an adapter in peft's files, and adapter.gguf for llama.cpp; of full, norm_only and\n"
         "bias_only the whole model as Hugging Face's folder; log.csv, curve.png (zoft-output)");
  c.path("--resume", &options::resume, "FOLDER",
         "goes on with the run in that folder where it was stopped or killed, with the options it had; only --undo\n"
         "and --threads go with it");
  c.whole("--undo", &options::undo,
          "forgets the last so many steps of the run that --resume names, and saves what was there (0)", 0, most_steps);
  c.flag("--merge", &options::merge, "of lora and lora_fa too, write the whole model, and not the adapter");
}

/// Where the tokenizer of a model is looked for: in it, or beside it.
std::string tokenizer_of(const std::string& model) {
  std::error_code ignored;
  const std::filesystem::path path(model);
  if (model.ends_with(".gguf")) return model;
  const bool is_folder = std::filesystem::is_directory(path, ignored);
  const auto folder = is_folder ? path : path.parent_path();
  for (const char* name : {"tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt"})
    if (is_folder && std::filesystem::exists(folder / name, ignored)) return model;
  const std::string result = (folder / "tokenizer.bin").string();
  if (!std::filesystem::exists(result, ignored))
    refuse("--tokenizer is not given, and there is none with the model: neither " +
           (folder / "tokenizer.json").string() + " nor " + result);
  return result;
}

/// A folder with an adapter in place of a model means the adapter's model, with that adapter.
void settle_model(options& o) {
  std::error_code ignored;
  const std::filesystem::path folder(o.model);
  if (!std::filesystem::exists(folder / "adapter_config.json", ignored) ||
      std::filesystem::exists(folder / "config.json", ignored))
    return;
  if (!o.adapter_from.empty())
    refuse("--model is " + o.model + ", which is an adapter, and --adapter-from names another");
  const zoft::io::peft_adapter adapter = zoft::io::read_peft(o.model);
  if (adapter.base_model.empty()) refuse(o.model + ": does not say what model it belongs to: give it by --model");
  o.adapter_from = o.model;
  o.model = adapter.base_model;
}

/// What to train, on what: the options that say so, checked against each other.
void settle(options& o) {
  const int given = !o.text.empty() + !o.labelled.empty() + !o.pairs.empty() + !o.examples.empty() + !o.task.empty();
  o.is_default = given == 0;
  o.kind = !o.text.empty()       ? data_kind::text
           : !o.labelled.empty() ? data_kind::labelled
           : !o.examples.empty() ? data_kind::examples
           : !o.task.empty()     ? data_kind::task
                                 : data_kind::pairs;
  const std::string kinds = "--text, --examples, --task, --labelled";
  if (given > 1) refuse(kinds + " and --pairs are different tasks: give one of them");
  if (o.is_default && !o.model.empty()) refuse("--model is given without data: give " + kinds + " or --pairs");
  if (o.is_default && !o.heldout.empty())
    refuse("--heldout is given without data: give --examples, --labelled or --pairs too");
  if (o.kind == data_kind::text && !o.heldout.empty())
    refuse("--heldout goes with --examples, --labelled or --pairs; of --text the last 5 % are held out");
  if (o.kind == data_kind::task && !o.heldout.empty())
    refuse("--heldout goes with --examples, --labelled or --pairs; a --task has a test set of its own");
  if (o.kind == data_kind::task && o.task_data.empty())
    refuse("--task-data is missing, and must name the folder of the files of " + o.task);
  if (o.kind != data_kind::task && (!o.task_data.empty() || o.train_items > 0))
    refuse("--task-data and --train-items go with --task only");
  if (o.kind != data_kind::examples && (!o.chat_format.empty() || !o.system.empty()))
    refuse("--chat-format and --system go with --examples only");
  if (o.kind != data_kind::labelled && !o.words.empty()) refuse("--words goes with --labelled only");
  if (o.kind == data_kind::labelled && o.words.empty())
    refuse("--words is missing, and must give a word for each label of --labelled, such as 'negative,positive'");
  if ((o.adapter == "full" || o.adapter == "prefix") && !o.targets.empty())
    refuse("--targets goes with --adapter lora, lora_fa, bias_only or norm_only");
  if (o.objective == "exact_match" && o.kind == data_kind::text)
    refuse("--objective exact_match goes with answers: a text has none to be right as a whole");
  if (o.objective == "choice" && o.kind != data_kind::task && o.kind != data_kind::labelled)
    refuse("--objective choice goes with --task or --labelled: other answers are no choice among words");
  if (!o.adapter_from.empty() && o.adapter != "lora" && o.adapter != "lora_fa" && !o.evaluate_only)
    refuse("--adapter-from goes with --adapter lora or lora_fa");
  if (!o.adapter_from.empty() && !o.targets.empty())
    refuse("--targets are those of the adapter that --adapter-from names");
  if (o.method == "zo-act") {
    if (o.adapter != "lora_fa") refuse("--method zo-act goes with --adapter lora_fa, whose A it calibrates");
    o.calibrated = o.spare.empty() && o.adapter_from.empty();
  }
  const std::string begins = o.calibrated ? "--calibrated" : !o.spare.empty() ? "--spare" : "";
  if (!begins.empty() && o.adapter != "lora" && o.adapter != "lora_fa")
    refuse(begins + " goes with --adapter lora or lora_fa");
  if (o.calibrated && !o.spare.empty()) refuse("--calibrated and --spare both say what A begins with");
  if (!begins.empty() && !o.adapter_from.empty()) refuse(begins + " and --adapter-from both say what A begins with");
  if (o.adapter == "full" && zoft::nn::bits_of(o.weights) < 16)
    refuse("--adapter full goes with --weights f32 or bf16: fewer bits would round the perturbations away");
  if (o.adapter == "full" && o.method == "per-example")
    refuse("--method per-example goes with adapters; with --adapter full take per-example-lozo");
  if (o.adapter == "full" && (o.method == "per-example-lozo" || o.method == "observed") &&
      o.weights != zoft::nn::dtype::f32)
    refuse("--method " + o.method +
           " goes with --weights f32 where --adapter is full: a sequence's own weights are "
           "made beside those of the model, and what is added to these must not be rounded away");
  if (o.method == "observed" && o.adapter != "full" && o.adapter != "lora" && o.adapter != "lora_fa")
    refuse("--method observed goes with --adapter lora_fa, lora or full, whose linears a forward shows");
  if (o.merge && o.adapter != "lora" && o.adapter != "lora_fa")
    refuse("--merge goes with --adapter lora or lora_fa: what others leave is no adapter");
  if (!(o.keep > 0 && o.keep <= 1)) refuse("--keep is " + zoft::text(o.keep) + ", and must be in (0, 1]");
  if (o.keep < 1 && (o.adapter == "full" || o.adapter == "prefix"))
    refuse("--keep goes with --adapter lora, lora_fa, bias_only or norm_only");
  if (!o.tokenizer.empty() && o.model.empty()) refuse("--tokenizer is given without --model");

  const std::string folder = ZOFT_DEFAULT_TASK;
  if (o.model.empty()) o.model = folder;
  settle_model(o);
  if (o.tokenizer.empty()) o.tokenizer = tokenizer_of(o.model);
  o.data = o.is_default ? folder + "/train.pairs" : o.text + o.labelled + o.pairs + o.examples + o.task_data;
  if (o.is_default) o.heldout = folder + "/heldout.pairs";
}

/// The options of the run that --resume names, from its journal; o has those that were given beside it.
bool parse_of_journal(const std::vector<std::string>& given, options& o) {
  for (const std::string& name : given)
    if (name != "--resume" && name != "--undo" && name != "--threads")
      refuse(name + " does not go with --resume: the run in " + o.resume + " has its options");
  options of_run;
  std::vector<std::string> arguments = arguments_of_run(o.resume);
  arguments.insert(arguments.begin(), "finetune");
  std::vector<char*> argv;
  for (std::string& a : arguments) argv.push_back(a.data());
  parse(static_cast<int>(argv.size()), argv.data(), of_run);
  of_run.output = of_run.resume = o.resume;
  of_run.undo = o.undo;
  if (std::find(given.begin(), given.end(), "--threads") != given.end()) of_run.threads = o.threads;
  if (of_run.keep < 1 && of_run.keep_by == "scores" && of_run.method != "observed")
    refuse("--resume does not go with --keep-by scores, whose choice depends on all steps before it");
  o = of_run;
  return true;
}

}  // namespace

zoft::nn::criterion criterion_of(const options& o) {
  using zoft::nn::criterion;
  return o.objective == "accuracy"      ? criterion::accuracy
         : o.objective == "exact_match" ? criterion::exact_match
                                        : criterion::loss;
}

std::string objective_text(const options& o) {
  return o.objective == "accuracy" ? "1 - accuracy" : o.objective == "exact_match" ? "1 - exact match" : "loss";
}

bool parse(int argc, char** argv, options& o) {
  command_line c(
      "Fine-tunes a language model with forward passes only. Without options: a small model that\n"
      "ships with the program learns to write dates, times, sums of money and numbers the British way. Defaults stand\n"
      "in brackets; those marked * depend on the task, and are printed at the start.");
  add_model(c);
  add_data(c);
  add_training(c);
  add_output(c);
  if (!c.parse(argc, argv)) return false;

  o.steps = 0;  // as many as the recipe says
  c.apply(o);
  if (!o.resume.empty()) return parse_of_journal(c.names(), o);
  if (o.undo > 0) refuse("--undo goes with --resume, which names the run");
  o.arguments.assign(argv + 1, argv + argc);
  settle(o);
  const std::uint32_t warmup = o.warmup;
  static_cast<recipe&>(o) = recipe_for(o.kind, o.is_default, o.method, o.adapter, o.objective, o.steps);
  c.apply(o);
  if (warmup > o.steps)
    refuse("--warmup is " + zoft::text(warmup) + ", and must be at most --steps, which is " + zoft::text(o.steps));
  if (warmup == 0) o.warmup = std::min(o.warmup, o.steps / 10);  // the recipe's suits its own number of steps
  if (o.evaluate_every == options::unset) o.evaluate_every = std::max(1u, o.steps / 10);
  return true;
}

}  // namespace finetune
