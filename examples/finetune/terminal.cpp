#include "terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <zoft/io/file/utf8.hpp>

#include "options.hpp"

namespace finetune {

namespace {

volatile std::sig_atomic_t stop = 0;

std::string coloured(const char* code, const std::string& text) {
  static const bool wanted = on_terminal() && (std::getenv("NO_COLOR") == nullptr || *std::getenv("NO_COLOR") == '\0');
  return wanted ? "\x1b[" + std::string(code) + "m" + text + "\x1b[0m" : text;
}

/// 75 -> 1:15, 4000 -> 1:06:40
std::string clock_time(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::min(seconds, 1e9) + 0.5);
  char buffer[40];
  if (whole >= 3600)
    std::snprintf(buffer, sizeof buffer, "%llu:%02llu:%02llu", static_cast<unsigned long long>(whole / 3600),
                  static_cast<unsigned long long>(whole / 60 % 60), static_cast<unsigned long long>(whole % 60));
  else
    std::snprintf(buffer, sizeof buffer, "%llu:%02llu", static_cast<unsigned long long>(whole / 60),
                  static_cast<unsigned long long>(whole % 60));
  return buffer;
}

}  // namespace

bool on_terminal() {
  static const bool result = [] {
    const char* const term = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
  }();
  return result;
}

std::string bold(const std::string& text) { return coloured("1", text); }
std::string dim(const std::string& text) { return coloured("2", text); }
std::string green(const std::string& text) { return coloured("32", text); }

std::string shown(std::string_view text, bool keep_lines) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = zoft::io::code_point_length(text, at);
    const auto byte = static_cast<unsigned char>(text[at]);
    // C1 controls are 0xc2 0x80 … 0xc2 0x9f.
    const bool control =
        byte < 0x20 || byte == 0x7f || (byte == 0xc2 && length == 2 && static_cast<unsigned char>(text[at + 1]) < 0xa0);
    if (text[at] == '\n' || text[at] == '\t')
      result += text[at] == '\n' && keep_lines ? '\n' : ' ';
    else if (length == 0 || control)
      result += '?';
    else
      result += text.substr(at, length);
    at += std::max<std::size_t>(length, 1);
  }
  return result;
}

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u; }));
}

std::string cut(const std::string& text, std::size_t columns) {
  if (columns_of(text) <= columns) return text;
  std::string result;
  for (std::size_t at = 0, column = 0; column + 1 < columns; ++column) {
    const std::size_t length = std::max<std::size_t>(zoft::io::code_point_length(text, at), 1);
    result += text.substr(at, length);
    at += length;
  }
  return result + "…";
}

std::size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return on_terminal() ? 80 : 120;
}

void catch_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction before {};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);  // a shell's background jobs ignore Ctrl-C
  }
}

bool interrupted() { return stop != 0; }

void progress::show(std::uint32_t done, double probe_loss, double seconds, const std::string& heldout) {
  const double rate = seconds > 0 ? done / seconds : 0;
  const std::string of = std::to_string(done) + "/" + std::to_string(steps_),
                    loss = "probe " + objective_ + " " + fixed(probe_loss, 4),
                    speed = fixed(rate, rate < 10 ? 2 : 1) + " steps/s";
  const auto tenth = static_cast<std::uint32_t>(std::uint64_t{done} * 10 / steps_);
  if (!heldout.empty() || (!on_terminal() && tenth > told_)) {
    clear();
    std::printf("step %s  %s  %s\n", of.c_str(), loss.c_str(), heldout.empty() ? speed.c_str() : heldout.c_str());
    std::fflush(stdout);
    told_ = tenth;
  }
  if (!on_terminal()) return;

  const auto now = std::chrono::steady_clock::now();
  if (drawn_ && now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  std::string words = of + "  " + loss + "  " + speed;
  if (rate > 0) words += "  " + clock_time((steps_ - done) / rate) + " left";
  // What does not fit would begin a second line, and no \r comes back from there.
  const std::size_t columns = terminal_columns();
  const std::size_t room = columns > words.size() + 8 ? std::min<std::size_t>(columns - words.size() - 3, 40) : 0;
  std::string bar;
  for (std::size_t i = 0; i < room; ++i) bar += i < room * done / steps_ ? "█" : "░";
  std::printf("\r%s%s\x1b[K", room > 0 ? (green(bar) + "  ").c_str() : "", cut(words, columns - 1).c_str());
  std::fflush(stdout);
  drawn_ = true;
}

void progress::busy(const std::string& what) {
  if (!on_terminal()) return;
  std::printf("\r%s\x1b[K", dim(cut(what, terminal_columns() - 1)).c_str());
  std::fflush(stdout);
  drawn_ = true;
  last_ = {};
}

void progress::clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stdout);
  std::fflush(stdout);
  drawn_ = false;
}

}  // namespace finetune
