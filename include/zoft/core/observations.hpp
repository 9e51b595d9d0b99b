/// What a forward at θ showed of a model's linears: some rows of what each was given and gave, and how the loss would
/// have these change.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "config.hpp"
#include "direction.hpp"

namespace zoft::inline ZOFT_ISA {

/// For each of B examples, n rows (tokens, say) of each linear y = xWᵀ. Row i of example b has the place slot(b, i), so
/// that rows i = k·n/q … (k + 1)·n/q − 1, which direction k of the example is made of, lie side by side.
///
/// Whoever evaluates the candidates fills it in the call at θ, where asked() holds. An example that has fewer rows
/// leaves the others 0. A linear that was added needs some rows of its inputs, and of its gradients if it has these.
class observations {
 public:
  /// One of the linears that read the same input: outputs first … first + out − 1.
  struct part {
    std::string name;                ///< as the model's layout() has it: its weight's name without ".weight"
    std::size_t first = 0, out = 0;  ///< its outputs among the entry's
    double square = 0;  ///< mean of y² over all rows, once measure() was called; −0 if no outputs were noted
  };
  /// Linears that read the same input.
  struct entry {
    std::size_t in = 0, out = 0;                         ///< inputs, and outputs of all parts
    std::vector<part> parts;                             ///< the linears
    std::vector<float> inputs;                           ///< x (B·n, in)
    std::vector<double> squares;                         ///< Σ y² of each part (B·n, parts)
    std::shared_ptr<std::vector<float>> gradients = {};  ///< ∂L/∂y or what stands for it (B·n, out), of any length;
                                                         ///< null: not known. Entries may share it

    /// The input of the row that has this slot: x (in).
    std::span<float> input(std::size_t slot) { return std::span(inputs).subspan(slot * in, in); }
    /// The gradient of that row: ∂L/∂y (out).
    std::span<float> gradient(std::size_t slot) { return std::span(*gradients).subspan(slot * out, out); }
    /// Takes note of outputs first, first + 1, … of a row; of these, whole parts.
    void note_outputs(std::size_t slot, std::span<const float> y, std::size_t first_output = 0) {
      for (std::size_t p = 0; p < parts.size(); ++p) {
        if (parts[p].first < first_output || parts[p].first + parts[p].out > first_output + y.size()) continue;
        double& sum = squares[slot * parts.size() + p] = 0;
        for (const float value : y.subspan(parts[p].first - first_output, parts[p].out))
          sum += double{value} * double{value};
      }
    }
  };
  /// Whether nothing was written over what add() begins with: −0, which is 0 in every sum.
  template <class T>
  static bool is_untouched(std::span<const T> values) {
    using bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    return std::all_of(values.begin(), values.end(),
                       [](T v) { return std::bit_cast<bits>(v) == std::bit_cast<bits>(T(-0.0)); });
  }

  /// A linear by its name.
  struct found {
    const entry* of = nullptr;                                ///< null: there is none of that name
    const part* which = nullptr;                              ///< of the entry
    explicit operator bool() const { return of != nullptr; }  ///< whether it was found
  };

  /// Asks for n = queries·rows rows of each of so many examples. `wanted` names the tensors that a step moves.
  void ask(direction step, std::size_t examples, std::size_t queries, std::size_t rows,
           std::vector<std::string> wanted) {
    *this = {};
    asked_ = true;
    wants_gradients_ = true;
    step_ = step;
    examples_ = examples;
    queries_ = queries;
    rows_ = rows;
    wanted_ = std::move(wanted);
  }

  /// Asks for n rows of the inputs of linears, and for nothing else.
  void ask_inputs(direction step, std::size_t rows, std::vector<std::string> wanted) {
    ask(step, 1, 1, rows, std::move(wanted));
    wants_gradients_ = false;
  }

  /// The same questions, with nothing shown.
  observations unanswered() const {
    observations result;
    result.ask(step_, examples_, queries_, rows_, wanted_);
    result.wants_gradients_ = wants_gradients_;
    return result;
  }

  bool asked() const { return asked_; }                      ///< whether this call is to show anything
  bool wants_gradients() const { return wants_gradients_; }  ///< or what stands for them
  direction step() const { return step_; }                   ///< names the step: seed and step
  std::size_t examples() const { return examples_; }         ///< B; 1: all of the batch is one example
  std::size_t queries() const { return queries_; }           ///< q, directions of an example
  std::size_t rows() const { return queries_ * rows_; }      ///< n, of an example
  std::size_t rows_of_query() const { return rows_; }        ///< n/q
  std::size_t slots() const { return examples_ * rows(); }   ///< B·n
  /// The place of a row of an example.
  std::size_t slot(std::size_t example, std::size_t row) const {
    return (row / rows_ * examples_ + example) * rows_ + row % rows_;
  }

  /// Whether the step moves the linear, or what is added to it.
  bool wants(std::string_view linear) const {
    return std::any_of(wanted_.begin(), wanted_.end(), [&](const std::string& name) {
      return name.starts_with(linear) && (name.size() == linear.size() || name[linear.size()] == '.');
    });
  }

  /// A place for linears that read the same input, all 0, to be filled in. `with_gradients` makes room for these. It
  /// is valid until the next call.
  entry& add(std::size_t in, std::vector<part> parts, bool with_gradients = false) {
    entry one{in, 0, std::move(parts), std::vector<float>(slots() * in, -0.0f), {}};
    for (const part& p : one.parts) one.out = std::max(one.out, p.first + p.out);
    one.squares.resize(slots() * one.parts.size(), -0.0);
    if (with_gradients) one.gradients = std::make_shared<std::vector<float>>(slots() * one.out, -0.0f);
    entries_.push_back(std::move(one));
    return entries_.back();
  }
  /// The same for one linear.
  entry& add(std::string name, std::size_t in, std::size_t out, bool with_gradients = false) {
    return add(in, {{std::move(name), 0, out}}, with_gradients);
  }

  /// Throws std::invalid_argument if no row was filled in of some linear's inputs or, where it has them and they are
  /// asked for, of its gradients.
  void check() const {
    for (const entry& e : entries_) {
      const auto filled = [&](const std::vector<float>& rows, std::size_t width, const char* what, const char* how) {
        const bool fits = rows.size() == slots() * width;
        if (fits && !is_untouched(std::span(rows))) return;
        const std::string of = std::string("observations: the ") + what + " of '" +
                               (e.parts.empty() ? std::string() : e.parts.front().name) + "' ";
        require(fits,
                of + "are " + text(rows.size()) + " numbers, and must be " + text(slots()) + " rows of " + text(width));
        fail(of + "were filled in for 0 of " + text(slots()) + " rows, and must be for at least 1: see entry::" + how);
      };
      filled(e.inputs, e.in, "inputs", "input()");
      if (wants_gradients_ && e.gradients != nullptr)
        filled(*e.gradients, e.out, "gradients", "gradient(), or add it without gradients");
    }
  }

  /// Forgets what was shown of all linears but these.
  void keep_only(const std::vector<std::string>& linears) {
    for (entry& e : entries_)
      std::erase_if(e.parts,
                    [&](const part& p) { return std::find(linears.begin(), linears.end(), p.name) == linears.end(); });
    std::erase_if(entries_, [](const entry& e) { return e.parts.empty(); });
  }

  /// Takes the mean squares of outputs.
  void measure() {
    for (entry& e : entries_) {
      if (e.squares.empty()) continue;
      for (std::size_t p = 0; p < e.parts.size(); ++p) {
        double sum = -0.0;
        for (std::size_t s = 0; s < slots(); ++s) sum += e.squares[s * e.parts.size() + p];
        e.parts[p].square = sum / static_cast<double>(slots() * e.parts[p].out);
      }
      e.squares = {};
    }
  }

  /// What was shown.
  std::vector<entry>& entries() { return entries_; }
  /// What was shown.
  const std::vector<entry>& entries() const { return entries_; }

  /// The linear of that name, or of a weight of that name.
  found find(std::string_view name) const {
    for (const std::string_view suffix : {std::string_view{}, std::string_view{".weight"}}) {
      if (!name.ends_with(suffix)) continue;
      const std::string_view linear = name.substr(0, name.size() - suffix.size());
      for (const entry& e : entries_)
        for (const part& p : e.parts)
          if (p.name == linear) return {&e, &p};
    }
    return {};
  }

 private:
  bool asked_ = false, wants_gradients_ = false;
  direction step_{};
  std::size_t examples_ = 0, queries_ = 0, rows_ = 0;
  std::vector<std::string> wanted_;
  std::vector<entry> entries_;
};

}  // namespace zoft::inline ZOFT_ISA
