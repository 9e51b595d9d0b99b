#include "report.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "terminal.hpp"

namespace finetune {

namespace {

/// Text and spaces behind it, to so many columns.
std::string padded(const std::string& text, std::size_t columns) {
  const std::size_t used = columns_of(text);
  return text + std::string(used < columns ? columns - used : 0, ' ');
}

struct column {
  const char* name;
  std::vector<std::string> cells;
  std::size_t width() const {
    std::size_t result = columns_of(name);
    for (const std::string& cell : cells) result = std::max(result, columns_of(cell));
    return result;
  }
};

/// A row a prompt where the terminal is wide enough, otherwise a block a prompt.
void print_table(const std::vector<column>& columns, const std::vector<bool>& right) {
  std::size_t width = 0;
  for (const column& c : columns) width += c.width() + 3;
  const bool wide = width <= terminal_columns();
  if (wide) {
    std::string head;
    for (const column& c : columns) head += padded(c.name, c.width() + 3);
    std::printf("%s\n", bold(head).c_str());
  }
  for (std::size_t row = 0; row < right.size(); ++row)
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const column& c = columns[i];
      std::string cell = wide ? padded(c.cells[row], c.width() + 3) : c.cells[row];
      if (right[row] && c.name == std::string_view("after")) cell = green(cell);
      if (wide)
        std::printf("%s%s", cell.c_str(), i + 1 == columns.size() ? "\n" : "");
      else
        std::printf("%s%s\n", i == 0 ? "" : ("  " + padded(c.name, 8)).c_str(), cell.c_str());
    }
}

}  // namespace

void say(const std::string& what, const std::string& text) {
  std::printf("%s  %s\n", bold(padded(what, 7)).c_str(), text.c_str());
  std::fflush(stdout);
}

std::string text_of(const figures& f, const task& t) {
  std::string result = "loss " + fixed(f.loss, 4) + " nats a token";
  if (!std::isnan(f.share)) result += ", " + std::string(t.share_name()) + " " + fixed(100 * f.share, 1) + " %";
  return result;
}

std::string change(const figures& before, const figures& after, const task& t) {
  if (std::isnan(before.share))
    return "loss from " + fixed(before.loss, 3) + " to " + fixed(after.loss, 3) + " nats a token";
  return t.share_name() + std::string(" from ") + fixed(100 * before.share, 1) + " to " + fixed(100 * after.share, 1) +
         " %";
}

void introduce(const options& o, const zoft::nn::transformer& model, const task& t, const trainer& tuner) {
  const zoft::nn::config& c = model.shape();
  say("model", shown(o.model) + ": " + grouped(model.weights_layout().size()) + " parameters in " +
                   std::string(zoft::nn::name_of(o.weights)) + ", " + zoft::text(c.layers) + " layers of " +
                   zoft::text(c.dim) + ", " + grouped(c.vocabulary) + " tokens, context " + grouped(c.context));
  say("data", shown(o.data) + ": " + t.description());
  say("adapter", tuner.description() + ": " + grouped(tuner.parameters()) + " parameters");
  say("method", o.method + " on " + objective_text(o) + ": " + zoft::text(o.queries) + " queries of epsilon " +
                    zoft::text(o.epsilon) + ", learning rate " + zoft::text(o.learning_rate) + " " + o.schedule +
                    (o.warmup > 0 ? ", warm-up of " + grouped(o.warmup) : "") +
                    (o.decay > 0 ? ", decay " + zoft::text(o.decay) : ""));
  say("run", grouped(o.steps) + " steps of batch " + zoft::text(o.batch) + ", seed " + zoft::text(o.seed) + ", " +
                 zoft::text(model.threads().workers()) + " threads");
  if (!t.remark().empty()) say("note", t.remark());
}

void compare(const std::vector<sample>& before, const std::vector<sample>& after) {
  std::printf("\n");
  if (before.size() == 1 && before[0].wanted.empty()) {
    say("prompt", shown(before[0].prompt, true));
    say("before", shown(before[0].text, true));
    say("after", shown(after[0].text, true));
    return;
  }
  constexpr std::size_t widest = 60;
  std::vector<column> columns{{"prompt", {}}, {"before", {}}, {"after", {}}, {"wanted", {}}};
  std::vector<bool> right;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::array<const std::string*, 4> cells{&before[i].prompt, &before[i].text, &after[i].text,
                                                  &before[i].wanted};
    for (std::size_t j = 0; j < cells.size(); ++j) columns[j].cells.push_back(cut(shown(*cells[j]), widest));
    right.push_back(after[i].text == before[i].wanted);
  }
  print_table(columns, right);
}

void account(const outcome& done, std::size_t plain_bytes, std::size_t run_bytes, bool by_itself) {
  const auto megabytes = [](std::size_t bytes) { return fixed(static_cast<double>(bytes) / 1e6, 1) + " MB"; };
  say("time",
      fixed(done.seconds, 1) + " s in " + grouped(done.steps) + " steps (" +
          fixed(done.steps / std::max(done.seconds, 1e-9), 1) + " a second) of " + grouped(done.evaluations) +
          " forwards in all" +
          (done.rejected > 0 ? "; " + grouped(done.rejected) + " steps were not applied, as a loss was not finite"
                             : ""));
  const double ratio = static_cast<double>(run_bytes) / static_cast<double>(std::max<std::size_t>(plain_bytes, 1));
  say("memory", megabytes(run_bytes) + " at the peak of the run, " + fixed(ratio, 2) + " times the " +
                    megabytes(plain_bytes) + " of one plain forward over a batch (whole process" +
                    (by_itself ? ")" : ", what reading the data took included)"));
}

}  // namespace finetune
