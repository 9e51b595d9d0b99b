#include "options.hpp"

#include <filesystem>

#include "command_line.hpp"
#include "trainer.hpp"

// The folder of the task that ships with the program.
#ifndef ZOFT_DEFAULT_TASK
#define ZOFT_DEFAULT_TASK (std::filesystem::path(__FILE__).parent_path() / "default").string()
#endif

namespace finetune {

namespace {

constexpr std::size_t many = 65536;  // more queries, or sequences a step, are a slip of the hand
constexpr std::uint32_t most_steps = options::unset - 1;

void add_model(command_line& c) {
  c.group("Model");
  c.path("--model", &options::model, "PATH", "a folder of Hugging Face's, or a file of llama2.c's");
  c.path("--tokenizer", &options::tokenizer, "FILE", "tokenizer.bin of llama2.c's (the one beside the model)");
  c.add("--weights", &options::weights, "NAME", "f32, bf16, i8, i4 or nf4: how matrices are kept in memory (f32)",
        [](const std::string& option, const std::string& value) {
          using zoft::nn::dtype;
          const std::vector<std::string> names{"f32", "bf16", "i8", "i4", "nf4"};
          constexpr dtype types[] = {dtype::f32, dtype::bf16, dtype::i8, dtype::i4, dtype::nf4};
          const std::string name = one_of(option, value, names);
          return types[std::find(names.begin(), names.end(), name) - names.begin()];
        });
  c.whole("--threads", &options::threads, "of the forwards; 0: as many as the machine has (0)", 0, 1024);
}

void add_data(command_line& c) {
  c.group("Data (one of --text, --labelled and --pairs)");
  c.path("--text", &options::text, "FILE", "plain text to model; the last 5 % are held out");
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
      "--objective", &options::objective, {"loss", "accuracy", "exact_match"},
      "what is minimised: loss; accuracy: 1 - the share of the data's tokens, or exact_match: of its answers, that\n"
      "the model would write (loss)");
  c.choice("--adapter", &options::adapter, adapter_names(), adapter_help() + "(lora_fa)");
  c.whole("--rank", &recipe::rank, "of lora and lora_fa *", 1, many);
  c.real("--alpha", &recipe::alpha, "what they add is scaled by alpha / rank *");
  c.add("--targets", &options::targets, "NAMES", "linears, or norms, to adapt, as q_proj,v_proj (all)", comma_list);
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
  c.text("--prompt", &options::prompt, "of the samples (from what is held out)");
  c.whole("--sample-tokens", &options::sample_tokens, "of a sample at most (64)", 1);
  c.path("--output", &options::output, "FOLDER",
         "adapter_config.json and adapter_model.safetensors of lora and lora_fa for Python's peft, or of full "
         "weights.safetensors; log.csv, curve.png (zoft-output)");
}

/// Where the tokenizer of a model is looked for: with it.
std::string tokenizer_beside(const std::string& model) {
  std::error_code ignored;
  const std::filesystem::path path(model);
  const auto folder = std::filesystem::is_directory(path, ignored) ? path : path.parent_path();
  const std::string result = (folder / "tokenizer.bin").string();
  if (!std::filesystem::exists(result, ignored))
    refuse("--tokenizer is not given, and there is no " + result + " with the model");
  return result;
}

/// What to train, on what: the options that say so, checked against each other.
void settle(options& o) {
  const int given = !o.text.empty() + !o.labelled.empty() + !o.pairs.empty();
  o.is_default = given == 0;
  o.kind = !o.text.empty() ? data_kind::text : !o.labelled.empty() ? data_kind::labelled : data_kind::pairs;
  if (given > 1) refuse("--text, --labelled and --pairs are different tasks: give one of them");
  if (o.is_default && !o.model.empty()) refuse("--model is given without data: give --text, --labelled or --pairs");
  if (o.is_default && !o.heldout.empty()) refuse("--heldout is given without data: give --labelled or --pairs too");
  if (o.kind == data_kind::text && !o.heldout.empty())
    refuse("--heldout goes with --labelled or --pairs; of --text the last 5 % are held out");
  if (o.kind != data_kind::labelled && !o.words.empty()) refuse("--words goes with --labelled only");
  if (o.kind == data_kind::labelled && o.words.empty())
    refuse("--words is missing, and must give a word for each label of --labelled, such as 'negative,positive'");
  if ((o.adapter == "full" || o.adapter == "prefix") && !o.targets.empty())
    refuse("--targets goes with --adapter lora, lora_fa, bias_only or norm_only");
  if (o.objective == "exact_match" && o.kind == data_kind::text)
    refuse("--objective exact_match goes with --labelled or --pairs: a text has no answers to be right as a whole");
  if (o.adapter == "full" && zoft::nn::bits_of(o.weights) < 16)
    refuse("--adapter full goes with --weights f32 or bf16: fewer bits would round the perturbations away");
  if (o.adapter == "full" && o.method == "per-example")
    refuse("--method per-example goes with adapters; with --adapter full take per-example-lozo");
  if (o.adapter == "full" && o.method == "per-example-lozo" && o.weights != zoft::nn::dtype::f32)
    refuse(
        "--method per-example-lozo goes with --weights f32 where --adapter is full: a sequence's own weights are "
        "made beside those of the model, and what is added to these must not be rounded away");
  if (!o.tokenizer.empty() && o.model.empty()) refuse("--tokenizer is given without --model");

  const std::string folder = ZOFT_DEFAULT_TASK;
  if (o.model.empty()) o.model = folder;
  if (o.tokenizer.empty()) o.tokenizer = tokenizer_beside(o.model);
  o.data = o.is_default ? folder + "/train.pairs" : o.text + o.labelled + o.pairs;
  if (o.is_default) o.heldout = folder + "/heldout.pairs";
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
      "Fine-tunes a language model of the Llama family with forward passes only. Without options: a small model that\n"
      "ships with the program learns to write dates, times, sums of money and numbers the British way. Defaults stand\n"
      "in brackets; those marked * depend on the task, and are printed at the start.");
  add_model(c);
  add_data(c);
  add_training(c);
  add_output(c);
  if (!c.parse(argc, argv)) return false;

  c.apply(o);
  settle(o);
  const std::uint32_t warmup = o.warmup;
  static_cast<recipe&>(o) = recipe_for(o.kind, o.is_default, o.method, o.adapter, o.objective);
  c.apply(o);
  if (warmup > o.steps)
    refuse("--warmup is " + zoft::text(warmup) + ", and must be at most --steps, which is " + zoft::text(o.steps));
  if (warmup == 0) o.warmup = std::min(o.warmup, o.steps / 10);  // the recipe's suits its own number of steps
  if (o.evaluate_every == options::unset) o.evaluate_every = std::max(1u, o.steps / 10);
  return true;
}

}  // namespace finetune
