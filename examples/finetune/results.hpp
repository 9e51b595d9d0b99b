/// What a run leaves behind beside its adapter: log.csv, and the learning curve as a picture.
#pragma once

#include <memory>
#include <string>
#include <zoft/core/report.hpp>
#include <zoft/io/file/output_file.hpp>

#include "task.hpp"

namespace finetune {

/// log.csv: a line a step, from the state before the first (step 0). Empty fields are what was not looked at;
/// probe_loss is the mean of what --objective minimises, over a step's candidates. Until commit it is log.csv.tmp,
/// where a row comes again once it has its figures; what cannot be written there waits.
class run_log {
 public:
  explicit run_log(const std::string& folder);

  /// Goes on from the rows of the first `steps` steps that an earlier program left in the folder. Those that it did not
  /// write are missing. Returns the seconds that it took for them.
  double go_on(std::size_t steps);

  /// After `steps` steps, with so many losses asked and so many seconds taken in all.
  void step(std::size_t steps, std::size_t evaluations, double seconds, const zoft::step_report& report);
  /// Held-out figures at the state after the last step.
  void heldout(const figures& f);
  void commit();
  void discard();  ///< what was written so far

 private:
  std::string current_row() const;
  void append(const std::string& row) const;
  void begin();
  void write_row();

  std::string path_, earlier_;  // earlier_: what an earlier program left
  std::string written_;         // all rows so far
  std::string row_, status_;    // of the last step, which may yet get its figures
  std::string kept_;            // that row, as it was appended without these
  bool begun_ = false;          // whether the file is this program's
  figures figures_;
};

/// Writes curve.gnuplot into the folder and, where gnuplot is there, curve.png by it, from log.csv. Returns what is to
/// be said of it.
std::string draw_curve(const std::string& folder, const std::string& title, const std::string& share_name,
                       const std::string& objective);

}  // namespace finetune
