/// A forward that stops behind each block, to show what linears were given.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "../../core/observations.hpp"
#include "../kernel/thread_pool.hpp"
#include "decoder.hpp"
#include "observed_linears.hpp"
#include "task.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// Shows inputs of the wanted linears, in the same rows for all of them. Only the residual stream of the batch, and the
/// rows of one block, are kept.
template <class Arch = simd::arch>
class input_walk {
 public:
  input_walk(const config& c, const weights& w, const layout& linears, const model_angles& angles,
             const thread_pool& threads, const batch& b, std::size_t rows, direction step,
             std::vector<std::string> wanted)
      : c_(c),
        w_(w),
        linears_(linears),
        angles_(angles),
        threads_(threads),
        rows_(rows),
        step_(step),
        wanted_(std::move(wanted)) {
    for (const std::string& name : wanted_)
      require(std::any_of(linears.begin(), linears.end(), [&](const tensor& t) { return t.name == name; }),
              "transformer: '" + name + "' is to be shown, and is no linear of the model");
    if (!c.causal) fail("transformer: only decoders show their linears, and the model is an encoder");
    for (std::size_t layer = 0; layer < w_.blocks.size(); ++layer)
      if (!wanted_in(w_.blocks[layer]).empty()) end_ = layer + 1;
    const decoder<Arch> run{c_, w_, angles_, decoder<Arch>::none_at_the_ends(), &threads_};
    for (std::size_t i = 0; i < b.size(); ++i) {
      tasks_.emplace_back().add(b[i], true);
      if (!tasks_[i].tokens.empty()) run.run_below(0, tasks_[i].tokens, tasks_[i].ends, space_, tasks_[i].rows());
      streams_.push_back(std::move(space_.stream));
    }
  }

  /// Goes through the next block in which a linear is wanted; false behind the last.
  bool next() {
    while (layer_ < end_) {
      const std::size_t layer = layer_++;
      const std::vector<std::string> names = wanted_in(w_.blocks[layer]);
      seen_.ask_inputs(step_, rows_, names);
      if (names.empty()) {
        run(layer, nullptr, {});
        continue;
      }
      linear_observer<Arch> observer(c_, w_, linears_, seen_);
      run(layer, &observer, observer.choose(tasks_));
      seen_.keep_only(names);  // others read the same inputs
      return true;
    }
    return false;
  }

  observations& shown() { return seen_; }  ///< of the block that next() went through

 private:
  std::vector<std::string> wanted_in(const block& b) const {
    std::vector<std::string> result;
    for (const linear* l : {&b.qkv, &b.output, &b.gate_up, &b.down})
      for (const linear::part& p : l->parts)
        if (std::find(wanted_.begin(), wanted_.end(), p.name) != wanted_.end()) result.push_back(p.name);
    return result;
  }

  void run(std::size_t layer, linear_observer<Arch>* observer, const std::vector<std::vector<std::size_t>>& slots) {
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      if (tasks_[i].tokens.empty()) continue;
      std::vector<std::size_t> wanted;
      observation watch;
      if (observer != nullptr) {
        watch = observer->watch(slots[i]);
        for (std::size_t t = 0; t < slots[i].size(); ++t)
          if (slots[i][t] != shown_block::nowhere) wanted.push_back(t);
      }
      space_.stream = std::move(streams_[i]);
      decoder<Arch>(c_, w_, angles_, decoder<Arch>::none_at_the_ends(), &threads_,
                    observer != nullptr ? &watch : nullptr)
          .run_block(layer, tasks_[i].ends, wanted, space_, tasks_[i].rows());
      streams_[i] = std::move(space_.stream);
    }
  }

  const config& c_;
  const weights& w_;
  const layout& linears_;
  const model_angles& angles_;
  const thread_pool& threads_;
  std::size_t rows_, layer_ = 0, end_ = 0;  // end_: behind the last block in which a linear is wanted
  direction step_;
  std::vector<std::string> wanted_;
  observations seen_;
  std::vector<task> tasks_;
  std::vector<std::vector<float>> streams_;  // of each sequence
  workspace space_;
};

}  // namespace zoft::inline ZOFT_ISA::nn
