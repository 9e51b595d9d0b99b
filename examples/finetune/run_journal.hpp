/// The journal of a run, run.journal in its folder: what --resume goes on from.
#pragma once

#include <memory>
#include <string>
#include <vector>
#include <zoft/journal.hpp>

#include "options.hpp"

namespace finetune {

/// Opens the journal in o.output: of the run that --resume names, without its last --undo steps, or a new one. A run
/// that was not ended is not overwritten: throws, and says how to go on.
std::unique_ptr<zoft::journal> open_journal(const options& o, bool with_snapshots);

/// Removes it.
void discard(std::unique_ptr<zoft::journal>& journal, const options& o);

/// The arguments that the run in the folder was begun with.
std::vector<std::string> arguments_of_run(const std::string& folder);

/// A message where the step could not be written; it is kept, and written as soon as it can be.
std::string journal_trouble(const std::string& what, const zoft::journal& log);

}  // namespace finetune
