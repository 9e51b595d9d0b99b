/// What the program shows while it works: lines, colours, a progress bar; and how it is told to stop.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace finetune {

/// Whether standard output is a terminal that can rewrite a line.
bool on_terminal();

/// The text in colour on a terminal, unless NO_COLOR is set; otherwise as it is.
std::string bold(const std::string& text);
std::string dim(const std::string& text);
std::string green(const std::string& text);

/// A model's or a file's text made safe to print: no control characters, nothing that is not UTF-8. Line breaks stay,
/// or become spaces.
std::string shown(std::string_view text, bool keep_lines = false);

/// At most so many columns, taking a column a code point; what is longer ends in "…".
std::string cut(const std::string& text, std::size_t columns);
std::size_t columns_of(std::string_view text);
std::size_t terminal_columns();

/// From then on Ctrl-C, or SIGTERM, sets a flag; the second ends the program as it always does.
void catch_interrupt();
bool interrupted();

/// Tells how far a run is: on a terminal one line that is rewritten, at most ten times a second; otherwise a line at
/// every tenth of the way.
class progress {
 public:
  /// Of a run that minimises the objective of that name.
  progress(std::uint32_t steps, std::string objective) : steps_(steps), objective_(std::move(objective)) {}
  ~progress() { clear(); }
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  /// After `done` steps, which took so many seconds; with held-out figures, a line of its own.
  void show(std::uint32_t done, double probe_loss, double seconds, const std::string& heldout = {});
  /// That something else than training is going on, where a line can be rewritten.
  void busy(const std::string& what);
  void clear();

 private:
  std::uint32_t steps_;
  std::string objective_;
  std::uint32_t told_ = 0;  // tenths
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace finetune
