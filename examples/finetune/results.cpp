#include "results.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <system_error>

namespace finetune {

namespace {

/// A string in gnuplot's single quotes, in which only the quote itself means anything.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? "''" : std::string(1, static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  return result + "'";
}

/// The script draws the losses and, where there is one, the share of right answers below them. What is no loss in nats
/// has an axis of its own.
std::string script(const std::string& title, const std::string& share_name, const std::string& objective) {
  const bool two = !share_name.empty();
  std::string s =
      "# Draws curve.png from log.csv beside it: gnuplot curve.gnuplot\n"
      "if (!exists('target')) target = 'curve.png'\n"
      "if (strstrt(GPVAL_TERMINALS, 'pngcairo') > 0) {\n"
      "  set terminal pngcairo size 1200," +
      std::string(two ? "900" : "650") +
      " fontscale 1.15\n"
      "} else {\n"
      "  set terminal png size 1200," +
      std::string(two ? "900" : "650") +
      "\n"
      "}\n"
      "set output target\n"
      "set datafile separator ','\n"
      "set border 3 lc rgb '#606060'\n"
      "set tics nomirror textcolor rgb '#303030'\n"
      "set grid lc rgb '#d8d8d8' lt 1 lw 1\n"
      "set key top right samplen 2\n"
      "set lmargin 11\n"
      "set rmargin 4\n"
      "# What is probed is noisy: an exponential mean, over a twentieth of the run and at most 20 steps, shows its "
      "way.\n"
      "stats 'log.csv' every ::1 using 1 nooutput\n"
      "span = STATS_max / 20.0\n"
      "keep = 1 - 1.0 / (span < 2 ? 2 : span > 20 ? 20 : span)\n"
      "total = 0\n"
      "weight = 0\n"
      "smoothed(x) = (total = keep * total + x, weight = keep * weight + 1, total / weight)\n"
      "set title " +
      quoted(title) + " noenhanced\n";
  const bool in_nats = objective == "loss";
  if (!in_nats)
    s += "set border 11\nset y2range [0:1]\nset y2tics\nset rmargin 9\nset y2label " + quoted(objective) +
         " noenhanced\n";
  const std::string axes = in_nats ? "" : "axes x1y2 ";
  const std::string losses =
      "set ylabel 'loss (nats a token)'\n"
      "plot 'log.csv' every ::2 using 1:3 " +
      axes + "with lines lc rgb '#c6d4e8' title " + quoted("probe " + objective + " (of perturbed candidates)") +
      ", \\\n"
      "     '' every ::2 using 1:(smoothed($3)) " +
      axes +
      "with lines lw 2.5 lc rgb '#3366aa' title 'the same, smoothed', \\\n"
      "     '' every ::1 using 1:7 with linespoints lw 2 pt 7 ps 1.2 lc rgb '#d95f02' title 'held-out loss'\n";
  if (!two) return s + "set xlabel 'step'\n" + losses;
  return s + "set multiplot layout 2,1\n" + losses + (in_nats ? "" : "unset y2label\nunset y2tics\nset border 3\n") +
         "unset title\nset xlabel 'step'\nset ylabel " + quoted("held-out " + share_name + " (%)") +
         " noenhanced\nset yrange [0:100]\nset key off\n"
         "plot 'log.csv' every ::1 using 1:(100 * $8) with linespoints lw 2 pt 7 ps 1.2 lc rgb '#d95f02'\n"
         "unset multiplot\n";
}

/// A number in a field, which stays empty where it is not finite.
std::string number(double x) { return std::isfinite(x) ? zoft::text(x) : std::string(); }

/// Runs gnuplot in the folder, without a shell. Returns its exit code, or 127 where there is none.
int run_gnuplot(const std::string& folder) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_RDWR);
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nowhere, stream);
    if (::chdir(folder.c_str()) == 0)
      ::execlp("gnuplot", "gnuplot", "-e", "target='curve.png.tmp'", "curve.gnuplot", static_cast<char*>(nullptr));
    ::_exit(errno == ENOENT ? 127 : 126);
  }
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

}  // namespace

constexpr figures not_looked{.loss = std::numeric_limits<double>::quiet_NaN()};

/// What a run left of its log: while it goes on, under a temporary name.
std::string left_in(const std::string& folder) {
  std::error_code ignored;
  for (const char* name : {"/log.csv.tmp", "/log.csv"})
    if (std::filesystem::exists(folder + name, ignored)) {
      std::ifstream file(folder + name, std::ios::binary);
      return {std::istreambuf_iterator<char>(file), {}};
    }
  return {};
}

run_log::run_log(const std::string& folder)
    : path_(folder + "/log.csv"),
      earlier_(left_in(folder)),
      written_("step,evaluations,probe_loss,learning_rate,gradient_rms,seconds,heldout_loss,heldout_share,status\n"),
      row_("0,0,,,,0,"),
      status_("ok"),
      figures_(not_looked) {}

double run_log::go_on(std::size_t steps) {
  double seconds = 0;
  std::size_t last = 0;
  std::istringstream lines(std::exchange(earlier_, {}));
  std::string line;
  std::getline(lines, line);  // the heading
  while (std::getline(lines, line) && !lines.eof()) {
    std::vector<std::string> fields;
    std::istringstream row(line);
    for (std::string field; std::getline(row, field, ',');) fields.push_back(field);
    if (fields.size() != 9) continue;  // cut when its program was killed
    const std::size_t step = std::strtoull(fields[0].c_str(), nullptr, 10);
    if (step == 0 || step > steps) continue;
    if (step != last) write_row();  // otherwise the same row, which has got its figures
    last = step;
    row_.clear();
    for (std::size_t i = 0; i < 6; ++i) row_ += fields[i] + ",";
    status_ = fields[8];
    const auto value = [](const std::string& field) {
      return field.empty() ? std::numeric_limits<double>::quiet_NaN() : std::strtod(field.c_str(), nullptr);
    };
    figures_ = {.loss = value(fields[6]), .share = value(fields[7])};
    seconds = value(fields[5]);
  }
  begin();
  return seconds;
}

void run_log::step(std::size_t steps, std::size_t evaluations, double seconds, const zoft::step_report& report) {
  write_row();
  double square = 0;
  for (const double g : report.projected_gradients)
    square += g * g / static_cast<double>(report.projected_gradients.size());
  row_ = zoft::text(steps) + "," + zoft::text(evaluations) + "," + number(report.probe_loss) + "," +
         number(report.learning_rate) + "," + number(std::sqrt(square)) + "," + fixed(seconds, 3) + ",";
  status_ = report.status == zoft::status::ok ? "ok" : "not_finite";
  figures_ = not_looked;
  // Now, as the journal has the step from here on.
  if (begun_)
    append(kept_ = current_row());
  else
    begin();
}

void run_log::heldout(const figures& f) { figures_ = f; }

std::string run_log::current_row() const {
  return row_ + number(figures_.loss) + "," + number(figures_.share) + "," + status_ + "\n";
}

void run_log::append(const std::string& row) const {
  std::ofstream(path_ + ".tmp", std::ios::binary | std::ios::app) << row;
}

void run_log::write_row() {
  const std::string row = current_row();
  written_ += row;
  if (begun_ && row != kept_) append(row);
}

/// What an earlier program left stays until then, whole: this one may be killed, too.
void run_log::begin() {
  kept_ = current_row();
  begun_ = true;
  try {
    zoft::io::output_file file(path_ + ".tmp");
    file.write(written_ + kept_);
    file.commit();
  } catch (const std::exception&) {  // it waits for commit, which says so
  }
}

void run_log::commit() {
  write_row();
  zoft::io::output_file file(path_);
  file.write(written_);
  file.commit();
}

void run_log::discard() {
  std::error_code ignored;
  std::filesystem::remove(path_ + ".tmp", ignored);
}

std::string draw_curve(const std::string& folder, const std::string& title, const std::string& share_name,
                       const std::string& objective) {
  zoft::io::output_file file(folder + "/curve.gnuplot");
  file.write(script(title, share_name, objective));
  file.commit();
  const std::string picture = folder + "/curve.png";
  const int code = run_gnuplot(folder);
  std::error_code error;
  if (code == 0) std::filesystem::rename(picture + ".tmp", picture, error);
  if (code == 0 && !error) return picture;
  std::filesystem::remove(picture + ".tmp", error);
  std::filesystem::remove(picture, error);  // of a former run: it would not be this one's
  if (code == 127)
    return "no curve.png, as gnuplot is not installed; it can be drawn from " + folder + "/curve.gnuplot";
  return "no curve.png, as gnuplot failed; see what it says of " + folder + "/curve.gnuplot";
}

}  // namespace finetune
