#include "run_journal.hpp"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <zoft/core/fingerprint.hpp>
#include <zoft/io/file/memory_map.hpp>

#include "text.hpp"

namespace finetune {

namespace {

namespace journals = zoft::journals;

std::string path_in(const std::string& folder) { return folder + "/run.journal"; }

void remove_journal(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  std::filesystem::remove(journals::snapshot::path_beside(path), ignored);
}

/// An argument in one line.
std::string in_one_line(const std::string& argument) {
  std::string result;
  for (const char c : argument) result += c == '\n' ? "\\n" : c == '\\' ? "\\\\" : std::string(1, c);
  return result;
}
std::string from_one_line(const std::string& line) {
  std::string result;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool escape = line[i] == '\\' && i + 1 < line.size();
    if (escape) ++i;
    result += escape && line[i] == 'n' ? '\n' : line[i];
  }
  return result;
}

/// Of the files that make a model, or data: the file itself, or those of a folder that are no results of a run.
std::string fingerprint_of(const std::string& path) {
  std::vector<std::string> files;
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    for (const auto& entry : std::filesystem::directory_iterator(path))
      if (entry.is_regular_file() && entry.file_size() > 0) files.push_back(entry.path().string());
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(path);
  }
  zoft::fingerprint all;
  for (const std::string& file : files) all.add(zoft::io::memory_map(file).bytes());
  return journals::hexadecimal(all.value());
}

std::string about(const options& o) {
  std::string result =
      "steps " + zoft::text(o.steps) + "\nmodel " + fingerprint_of(o.model) + "\ndata " + fingerprint_of(o.data);
  if (!o.adapter_from.empty()) result += "\nadapter " + fingerprint_of(o.adapter_from);
  for (const std::string& argument : o.arguments) result += "\nargument " + in_one_line(argument);
  return result;
}

/// The lines of what a run says of itself that begin with `name`.
std::vector<std::string> values_of(const journals::header& h, const std::string& name) {
  std::vector<std::string> result;
  std::istringstream lines(h.value("about"));
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(name + " ")) result.push_back(line.substr(name.size() + 1));
  return result;
}

/// Whether there is a run that was stopped before its last step.
bool unfinished(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return false;
  const zoft::journal log(path);
  const auto steps = values_of(log.header(), "steps");
  return log.steps() > 0 && !steps.empty() && zoft::text(log.steps()) != steps[0];
}

}  // namespace

std::vector<std::string> arguments_of_run(const std::string& folder) {
  std::error_code ignored;
  if (!std::filesystem::exists(path_in(folder), ignored))
    refuse("--resume is " + folder + ", and there is no run.journal in it");
  const zoft::journal log(path_in(folder));
  std::vector<std::string> result;
  for (const std::string& line : values_of(log.header(), "argument")) result.push_back(from_one_line(line));
  return result;
}

std::unique_ptr<zoft::journal> open_journal(const options& o, bool with_snapshots) {
  const std::string path = path_in(o.output);
  if (o.resume.empty()) {
    if (unfinished(path))
      refuse(path + " is of a run that was stopped: go on with it by --resume " + o.output +
             ", or remove it, or give another --output");
    remove_journal(path);
  }
  zoft::journal_options kept{.about = about(o)};
  if (with_snapshots) kept.snapshot_every = kept.check_every;
  auto result = std::make_unique<zoft::journal>(path, kept);
  result->undo(o.undo);
  return result;
}

void discard(std::unique_ptr<zoft::journal>& journal, const options& o) {
  journal.reset();
  remove_journal(path_in(o.output));
}

std::string journal_trouble(const std::string& what, const zoft::journal& log) {
  return what + "; " + zoft::text(log.pending()) + " steps wait to be written";
}

}  // namespace finetune
