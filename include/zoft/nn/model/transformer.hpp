/// A decoder of the Llama family that evaluates many adapters in one forward.
#pragma once

#include <numeric>
#include <utility>

#include "../../core/examples.hpp"
#include "../../core/layout.hpp"
#include "../../core/weight_points.hpp"
#include "../../io/checkpoint.hpp"
#include "../kernel/start.hpp"
#include "batch.hpp"
#include "criterion.hpp"
#include "decoder.hpp"
#include "generation.hpp"
#include "input_walk.hpp"
#include "layerwise.hpp"
#include "loaded_weights.hpp"
#include "model_additions.hpp"
#include "model_weights.hpp"
#include "observed_linears.hpp"
#include "pooling.hpp"
#include "task.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// RMSNorm, rotary positions, grouped-query attention, SwiGLU; tied or own head; biases if the checkpoint has them.
/// Forwards do not change the weights, so any number of threads may run them on one transformer.
///
/// A loss is the mean of −ln p(label) over all labels of a batch, in nats, or whatever else the criterion says. A
/// batch's loss is the same to the last bit, however many groups are evaluated beside it and on however many threads.
class transformer : public model_weights {
 public:
  transformer(const io::checkpoint& from, const load_options& o) : model_weights(o), c_(from.shape()), angles_(c_) {
    loaded_weights all = load_weights(from, c_, o.weights);
    w_ = std::move(all.values);
    linears_ = std::move(all.linears);
    norms_ = std::move(all.norms);
  }

  const config& shape() const { return c_; }
  const thread_pool& threads() const { return pool_; }

  /// The input of the first adapted block, cached for every sequence that score() and losses() have seen. A sequence
  /// takes tokens·(dim + 1)·4 bytes, where tokens after the last one that predicts a label do not count. The cache is
  /// not used for adapters in block 0, where it gains nothing, or without adapters.
  const activation_cache& activations() const { return kept_; }

  /// The linears that adapters attach to, (out, in): q, k, v, o, gate, up and down of each block, by Hugging Face's
  /// names.
  const zoft::layout& layout() const { return linears_; }

  /// The norms, by Hugging Face's names: two in each block and one before the head. Each has a gain (dim).
  const zoft::layout& norms() const { return norms_; }

  /// The keys and values of the tokens in each block, at positions from 0 on.
  std::vector<attention_state> attention_states(std::span<const std::int32_t> tokens) const {
    check(tokens);
    workspace s;
    const model_additions none = prepare(adapter_stack(1));
    cache made = none.begin(c_, dtype::f32);
    const std::size_t last[] = {tokens.size() - 1};
    run_decoder(none, &pool_).run(tokens, last, {}, {}, s, &made);
    std::vector<attention_state> result;
    const std::size_t width = c_.kv_heads * c_.head_dim;
    for (std::size_t i = 0; i < c_.layers; ++i) {
      result.push_back({w_.blocks[i].attention, std::vector<float>(tokens.size() * width),
                        std::vector<float>(tokens.size() * width)});
      attention_state& one = result.back();
      made.blocks[i].read(0, tokens.size(), {one.keys.data(), width}, {one.values.data(), width});
    }
    return result;
  }

  /// The loss of each group of adapters on the batch, which all groups share: losses (adapters.size()).
  void losses(const batch& b, const adapter_stack& adapters, std::span<double> losses,
              criterion of = criterion::loss) const {
    require(losses.size() == adapters.size(), "transformer: there is room for " + text(losses.size()) +
                                                  " losses, and there are " + text(adapters.size()) + " adapters");
    write_values(of, b, score(b, adapters), losses);
  }

  /// The loss of group g on sequence g mod B alone, where B is the number of sequences, as per_example asks: losses
  /// (adapters.size()), a multiple of B. Each loss is weighted by what the criterion counts in its sequence, so
  /// that the mean over the sequences is the batch's loss.
  void example_losses(const batch& b, const adapter_stack& adapters, std::span<double> losses,
                      criterion of = criterion::loss) const {
    require(losses.size() == adapters.size() && b.size() > 0 && losses.size() % b.size() == 0,
            "transformer: there are " + text(losses.size()) + " losses of " + text(adapters.size()) + " adapters on " +
                text(b.size()) + " sequences, and must be as many of each sequence");
    check(b, 0);
    std::vector<double> own(losses.size() / b.size());
    for_each_example(b, of, [&](std::size_t i, const batch& one, double weight) {
      std::fill(own.begin(), own.end(), 0.0);
      if (one.predicted() > 0) this->losses(one, adapters.every(b.size(), i), own, of);
      for (std::size_t g = 0; g < own.size(); ++g) losses[g * b.size() + i] = own[g] * weight;
    });
  }

  /// The same for an observing sampler: where it asks, all groups are the same, and their linears are shown too (see
  /// linear_observer). In example_losses, each sequence is an example; in losses, all of the batch is one.
  void example_losses(const batch& b, const adapter_stack& adapters, std::span<double> losses, observations& seen,
                      criterion of = criterion::loss) const {
    if (!seen.asked()) return example_losses(b, adapters, losses, of);
    require(losses.size() == b.size() && adapters.size() == b.size() && seen.examples() == b.size(),
            "transformer: " + text(losses.size()) + " losses of " + text(adapters.size()) + " adapters are to show " +
                text(seen.examples()) + " examples, and there are " + text(b.size()) + " sequences");
    const std::vector<std::vector<token_score>> scores = show(b, adapters, seen);
    for_each_example(b, of, [&](std::size_t i, const batch& one, double weight) {
      losses[i] = one.predicted() > 0 ? value_of(of, one, scores[i]) * weight : 0.0;
    });
  }
  void losses(const batch& b, const adapter_stack& adapters, std::span<double> losses, observations& seen,
              criterion of = criterion::loss) const {
    if (!seen.asked()) return this->losses(b, adapters, losses, of);
    require(losses.size() == 1 && adapters.size() == 1 && seen.examples() == 1,
            "transformer: " + text(losses.size()) + " losses of " + text(adapters.size()) + " adapters are to show " +
                text(seen.examples()) + " examples, and the batch is one");
    std::vector<token_score> all;
    for (const std::vector<token_score>& one : show(b, adapters, seen)) all.insert(all.end(), one.begin(), one.end());
    losses[0] = value_of(of, b, all);
  }

  /// The same for where a functor of examples writes its losses. The estimator's batches must be as large as this one.
  template <class... More>
  void example_losses(const batch& b, const adapter_stack& adapters, zoft::example_losses to, More&&... more) const {
    require(to.batch_size() == b.size(), "transformer: the estimator has " + text(to.batch_size()) +
                                             " examples in a batch, and this batch has " + text(b.size()));
    example_losses(b, adapters, to.values(), std::forward<More>(more)...);
  }
  template <class Shown, class... More>
  ZOFT_REFUSED("each loss is of one example here, and losses() writes those of the batch: call example_losses()")
  void losses(const batch&, const Shown&, zoft::example_losses, More&&...) const {}
  template <class Losses, class... More>
  ZOFT_REFUSED("one forward cannot have dense weights of its own for each example: take a sampler of low rank")
  void example_losses(const batch&, const weight_points<float>&, Losses&&, More&&...) const {}

  /// Inputs of the linears named, or of all, in a forward of the batch: so many rows, which `step` chooses. For
  /// zoft::calibrated.
  observations shown(const batch& b, std::size_t rows, direction step = {},
                     std::vector<std::string> linears = {}) const {
    observations result;
    result.ask_inputs(step, rows, linears);
    for (input_walk<> walk = this->walk(b, rows, step, std::move(linears)); walk.next();)
      for (observations::entry& e : walk.shown().entries()) result.entries().push_back(std::move(e));
    return result;
  }
  /// The same, a block at a time. The model must outlive it.
  input_walk<> walk(const batch& b, std::size_t rows, direction step = {},
                    std::vector<std::string> linears = {}) const {
    check(b, 0);
    if (linears.empty())
      for (const tensor& t : linears_) linears.push_back(t.name);
    return {c_, w_, linears_, angles_, pool_, b, rows, step, std::move(linears)};
  }

  double loss(const batch& b, const adapter_stack& adapter = adapter_stack(1), criterion of = criterion::loss) const {
    double result = 0;
    losses(b, adapter, {&result, 1}, of);
    return result;
  }

  /// The loss at each of the points around the weights: losses (points.size()).
  void losses(const batch& b, const weight_points<float>& points, std::span<double> losses,
              criterion of = criterion::loss) const {
    require(losses.size() == points.size(), "transformer: there is room for " + text(losses.size()) +
                                                " losses, and there are " + text(points.size()) + " points");
    write_values(of, b, score(b, points), losses);
  }
  double loss(const batch& b, const weight_points<float>& point, criterion of = criterion::loss) const {
    double result = 0;
    losses(b, point, {&result, 1}, of);
    return result;
  }

  /// Scores (groups, labels that count): each label's −ln p, and the most probable token in its place.
  std::vector<token_score> score(const batch& b, const adapter_stack& adapters = adapter_stack(1)) const {
    const std::size_t groups = adapters.size();
    const model_additions additions = prepare(adapters);
    check(b, additions.prefix_length());
    // A task is some sequences in all groups, with enough rows that weights are read seldom. Threads share the rows of
    // a long sequence; otherwise each takes a task. If there are fewer of these than threads, a task is cut into slices
    // of some of the groups.
    const std::size_t workers = pool_.workers();
    const std::size_t most = std::min(most_rows / groups, (b.tokens() + workers - 1) / workers);
    const std::vector<task> tasks = tasks_of(b, most, c_.causal);
    std::vector<token_score> result(groups * b.predicted());
    const auto score_groups = [&](const task& t, std::size_t from, std::size_t to, workspace& s,
                                  const thread_pool* threads) {
      score(
          t, additions, {from, to - from}, s,
          [&](std::size_t group, std::size_t label) -> token_score& {
            return result[(from + group) * b.predicted() + t.first_label + label];
          },
          threads);
    };
    if (std::any_of(tasks.begin(), tasks.end(), [&](const task& t) { return is_long(t, tasks.size(), groups); })) {
      workspace s;
      for (const task& t : tasks) score_groups(t, 0, groups, s, &pool_);
      return result;
    }
    const std::size_t slices = std::min(groups, (workers + tasks.size() - 1) / tasks.size());
    std::vector<workspace> spaces(workers);
    pool_.run(tasks.size() * slices, [&](std::size_t index, std::size_t worker) {
      const std::size_t slice = index % slices;
      score_groups(tasks[index / slices], slice * groups / slices, (slice + 1) * groups / slices, spaces[worker],
                   nullptr);
    });
    return result;
  }

  /// Scores (points, labels that count), bit for bit those of a model whose weights are the point's, rounded to what
  /// they are kept as. The weights are made half a block at a time, for all points of one direction together.
  std::vector<token_score> score(const batch& b, const weight_points<float>& points) const {
    w_.check_trainable();
    check(b, 0);
    for (std::size_t i = 0; i < b.size(); ++i)
      if (b[i].pattern != nullptr)
        fail("transformer: sequence " + text(i) + " has a token pattern, which goes with adapters only");
    const std::size_t workers = pool_.workers();
    return layerwise<>(c_, w_, angles_, pool_, points)
        .score(tasks_of(b, std::min(most_rows, (b.tokens() + workers - 1) / workers), c_.causal), b.predicted());
  }

  /// tokens -> logits (tokens, vocabulary), with one adapter or none.
  std::vector<float> logits(std::span<const std::int32_t> tokens,
                            const adapter_stack& adapter = adapter_stack(1)) const {
    check_head();
    workspace s;
    run_all(tokens, adapter, s, [&](const decoder<>& run) { run.head().logits(s); });
    return std::move(s.logits);
  }

  /// tokens -> the stream behind the last block and norm (tokens, dim), with one adapter or none.
  std::vector<float> hidden(std::span<const std::int32_t> tokens,
                            const adapter_stack& adapter = adapter_stack(1)) const {
    workspace s;
    run_all(tokens, adapter, s, [&](const decoder<>& run) { run.head().pool(false, {0, 1}, s); });
    return std::move(s.normed);
  }

  /// tokens -> the stream before the first block (tokens, dim).
  std::vector<float> embedded(std::span<const std::int32_t> tokens) const {
    check(tokens);
    workspace s;
    const std::size_t end[] = {tokens.size()};
    run_decoder().run_below(0, tokens, end, s);
    return std::move(s.stream);
  }

  /// Runs all blocks for the tokens, with one adapter or none, and tells what is asked for.
  void observe(std::span<const std::int32_t> tokens, const observation& watch,
               const adapter_stack& adapter = adapter_stack(1)) const {
    if (!c_.causal) fail("transformer: only decoders can be observed, and the model is an encoder");
    check_single(adapter);
    const model_additions additions = prepare(adapter);
    if (additions.prefix_length() > 0) fail("transformer: a model with a prefix cannot be observed");
    check(tokens);
    const std::size_t last[] = {tokens.size() - 1};
    workspace s;
    const decoder<> run{c_, w_, angles_, additions.ends, &pool_, &watch};
    run.run(tokens, last, additions.blocks, {0, 1}, s);
  }

  /// What each block of 64 tokens is worth to the sequence: see observation::key_scores. (layers, blocks)
  std::vector<double> key_scores(std::span<const std::int32_t> tokens,
                                 const adapter_stack& adapter = adapter_stack(1)) const {
    std::vector<double> result;
    observe(tokens,
            {.key_scores = [&](std::size_t,
                               std::span<const double> of) { result.insert(result.end(), of.begin(), of.end()); }},
            adapter);
    return result;
  }

  /// One vector for each sequence of the batch: (groups, sequences, dim). Labels are not used.
  std::vector<float> pooled(const batch& b, pooling how, const adapter_stack& adapters = adapter_stack(1)) const {
    const std::size_t groups = adapters.size(), dim = c_.dim;
    const model_additions additions = prepare(adapters);
    require(b.size() > 0, "transformer: the batch has no sequences");
    if (how == pooling::pooler && w_.pooler.weight.out() == 0) fail("transformer: the model has no pooler");
    for (std::size_t i = 0; i < b.size(); ++i) check(b[i].tokens, additions.prefix_length());
    std::vector<float> result(groups * b.size() * dim);
    std::vector<workspace> spaces(pool_.workers());
    pool_.run(b.size(), [&](std::size_t i, std::size_t worker) {
      workspace& s = spaces[worker];
      const auto [begin, end] = pooled_tokens(how, b[i].tokens.size());
      std::vector<std::size_t> rows(end - begin);
      std::iota(rows.begin(), rows.end(), begin);
      const decoder<> run = run_decoder(additions);
      run.run(b[i].tokens, rows, additions.blocks, {0, groups}, s);
      const std::size_t made = run.head().pool(how == pooling::pooler, {0, groups}, s), size = rows.size() * dim;
      for (std::size_t g = 0; g < groups; ++g)
        mean_of_rows(std::span<const float>(s.normed).subspan(made == 1 ? 0 : g * size, size),
                     std::span(result).subspan((g * b.size() + i) * dim, dim));
    });
    return result;
  }

  /// Continues the prompt until it has how.most new tokens, the context is full, or one of how.stops comes. Returns the
  /// prompt and the new tokens, without the one that stopped it.
  std::vector<std::int32_t> generate(std::span<const std::int32_t> prompt, const generation& how,
                                     const adapter_stack& adapter = adapter_stack(1)) const {
    how.check();
    check_single(adapter);
    if (!c_.causal || !c_.has_head) fail("transformer: an encoder does not generate");
    const model_additions additions = prepare(adapter);
    check(prompt, additions.prefix_length());
    std::vector<std::int32_t> result(prompt.begin(), prompt.end());
    workspace s;
    cache past = additions.begin(c_, w_.blocks[0].qkv.weight.type());
    std::span<const std::int32_t> next(result);
    for (std::size_t made = 0; made < how.most && past.length + next.size() < c_.context; ++made) {
      const std::size_t last[] = {next.size() - 1};
      run_decoder(additions, &pool_).run(next, last, additions.blocks, {0, 1}, s, &past);
      run_decoder(additions).head().logits(s);
      const std::int32_t token = next_token(s.logits, how, static_cast<std::uint32_t>(made));
      if (token < 0 || std::find(how.stops.begin(), how.stops.end(), token) != how.stops.end()) break;
      result.push_back(token);
      next = std::span<const std::int32_t>(result).last(1);
    }
    return result;
  }
  /// The same with the most probable tokens, until `stop`.
  std::vector<std::int32_t> generate(std::span<const std::int32_t> prompt, std::size_t most, std::int32_t stop,
                                     const adapter_stack& adapter = adapter_stack(1)) const {
    return generate(prompt, {.most = most, .stops = {stop}}, adapter);
  }

 private:
  static constexpr std::size_t most_rows = 512;  // of a task, in all groups

  /// Calls f(i, one, weight) for each sequence: a batch of it alone, and its loss's weight, so that the mean over the
  /// sequences is the batch's loss.
  template <class F>
  static void for_each_example(const batch& b, criterion of, F f) {
    const double all = counted(of, b);
    for (std::size_t i = 0; i < b.size(); ++i) {
      batch one;
      one.add(b[i]);
      one.among({b.among().begin(), b.among().end()});
      f(i, one, counted(of, one) * static_cast<double>(b.size()) / all);
    }
  }

  /// The scores of each sequence in group 0, and what is seen of it.
  std::vector<std::vector<token_score>> show(const batch& b, const adapter_stack& adapters, observations& seen) const {
    const model_additions additions = prepare(adapters.every(adapters.size(), 0));
    check(b, additions.prefix_length());
    if (!c_.causal) fail("transformer: only decoders show their linears, and the model is an encoder");
    if (additions.prefix_length() > 0) fail("transformer: a model with a prefix does not show its linears");
    std::vector<task> tasks;
    for (std::size_t i = 0; i < b.size(); ++i) {
      tasks.emplace_back().among = b.among();
      tasks.back().add(b[i], true);
    }
    linear_observer<> observer(c_, w_, linears_, seen);
    const auto slots = observer.choose(tasks);
    std::vector<std::vector<token_score>> result(b.size());
    workspace s;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      const task& t = tasks[i];
      if (t.labels.empty()) continue;
      const observation watch = observer.watch(slots[i]);
      const decoder<> run{c_, w_, angles_, additions.ends, &pool_, &watch};
      run.run(t.tokens, t.ends, t.predicting, additions.blocks, {0, 1}, s, t.rows());
      observer.finish(t, slots[i], s.stream);
      result[i] = run.scores(t.labels, s, {0, 1}, t.among);
    }
    observer.finish(run_decoder(additions, &pool_));
    return result;
  }

  static void write_values(criterion of, const batch& b, std::span<const token_score> scores,
                           std::span<double> values) {
    for (std::size_t g = 0; g < values.size(); ++g)
      values[g] = value_of(of, b, scores.subspan(g * b.predicted(), b.predicted()));
  }

  /// Whether threads share the rows of this task, one of so many, instead of taking whole tasks: a sequence of which
  /// each thread's share is enough rows, where there are fewer tasks than threads or it would need much memory.
  bool is_long(const task& t, std::size_t tasks, std::size_t groups) const {
    const std::size_t rows = t.tokens.size();
    return t.kept || (c_.causal && t.ends.size() == 1 &&
                      (rows * groups > 8 * most_rows || (tasks < pool_.workers() && rows >= 32 * pool_.workers())));
  }

  decoder<> run_decoder() const { return {c_, w_, angles_}; }
  decoder<> run_decoder(const model_additions& additions, const thread_pool* threads = nullptr) const {
    return {c_, w_, angles_, additions.ends, threads};
  }

  /// Runs all blocks for every token, with one adapter or none, and then finish(decoder).
  template <class Finish>
  void run_all(std::span<const std::int32_t> tokens, const adapter_stack& adapter, workspace& s, Finish finish) const {
    check_single(adapter);
    const model_additions additions = prepare(adapter);
    check(tokens, additions.prefix_length());
    std::vector<std::size_t> rows(tokens.size());
    std::iota(rows.begin(), rows.end(), std::size_t{0});
    const decoder<> run = run_decoder(additions, &pool_);
    run.run(tokens, rows, additions.blocks, {0, 1}, s);
    finish(run);
  }

  template <class Place>
  void score(const task& t, const model_additions& additions, group_range g, workspace& s, Place place,
             const thread_pool* threads) const {
    if (t.labels.empty()) return;
    const std::size_t first = c_.causal ? additions.first_adapted() : 0;  // the cache holds beginnings of sequences
    if (first > 0 && kept_.most_bytes() > 0 && !t.kept) {
      kept_.complete(first, t.tokens, t.ends, c_.dim, s.entering, [&](const auto& tokens, const auto& ends) {
        run_decoder(additions, threads).run_below(first, tokens, ends, s);
        return std::span<const float>(s.stream);
      });
      s.stream.swap(s.entering);
      run_decoder(additions, threads).run_from(first, t.ends, t.predicting, additions.blocks, g, s);
    } else {
      run_decoder(additions, threads).run(t.tokens, t.ends, t.predicting, additions.blocks, g, s, t.rows());
    }
    const std::vector<token_score> scores = run_decoder(additions, threads).scores(t.labels, s, g, t.among);
    const bool shared = scores.size() == t.labels.size();
    for (std::size_t group = 0; group < g.count; ++group)
      for (std::size_t i = 0; i < t.labels.size(); ++i)
        place(group, i) = scores[(shared ? 0 : group) * t.labels.size() + i];
  }

  void check_head() const {
    if (!c_.has_head) fail("transformer: the model has no head, so there are no logits of tokens");
  }
  /// Checks tokens that come after a prefix of that length.
  void check(std::span<const std::int32_t> tokens, std::size_t prefix = 0) const {
    if (tokens.empty()) fail("transformer: a sequence has no tokens");
    if (tokens.size() + prefix > c_.context)
      fail("transformer: a sequence has " + text(tokens.size()) + " tokens" +
           (prefix > 0 ? " behind a prefix of " + text(prefix) : "") + ", and the context is " + text(c_.context));
    for (const std::int32_t token : tokens) check_token(token);
  }
  void check(const batch& b, std::size_t prefix) const {
    check_head();
    if (b.predicted() == 0)
      fail(
          "transformer: the batch has no labels, and must have at least one "
          "that is not ignored");
    for (const std::int32_t token : b.among()) check_token(token);
    for (std::size_t i = 0; i < b.size(); ++i) {
      check(b[i].tokens, prefix);
      if (b[i].pattern != nullptr) check_pattern(*b[i].pattern, b[i].tokens.size());
      for (const std::int32_t label : b[i].labels.subspan(1))
        if (label != ignored) check_label(label, b.among());
    }
  }
  void check_pattern(const token_pattern& pattern, std::size_t tokens) const {
    if (!c_.causal) fail("transformer: a token pattern goes with decoders, and the model is an encoder");
    pattern.check(c_.layers, tokens);
    for (std::size_t i = 0; i < c_.layers; ++i)
      if (pattern.dropped == dropped_tokens::unseen && c_.layer(i).window > 0)
        fail("transformer: layer " + text(i) +
             " has a sliding window, which counts dropped tokens: take a token pattern " +
             "whose dropped tokens are seen");
  }
  static void check_single(const adapter_stack& adapter) {
    if (adapter.size() != 1) fail("transformer: there are " + text(adapter.size()) + " adapters, and must be 1");
  }
  void check_label(std::int32_t label, std::span<const std::int32_t> among) const {
    check_token(label);
    if (!among.empty() && !std::binary_search(among.begin(), among.end(), label))
      fail("transformer: label " + text(label) + " is not among the " + text(among.size()) +
           " tokens that labels compete with");
  }
  void check_token(std::int32_t token) const {
    if (token < 0 || static_cast<std::size_t>(token) >= c_.vocabulary)
      fail("transformer: token " + text(token) + " is not in the vocabulary of " + text(c_.vocabulary));
  }

  model_additions prepare(const adapter_stack& stack) const { return {w_, linears_, norms_, stack}; }

  config c_;
  model_angles angles_;
  zoft::layout linears_, norms_;
};

}  // namespace zoft::inline ZOFT_ISA::nn
