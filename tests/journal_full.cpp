// Journals where they cannot be written: on a file system that is full or read-only, or that of another program or
// model. Each is refused in one clear line, and no step is lost.
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cstdlib>
#include <iostream>
#include <zoft/mezo.hpp>

#include "journal_support.hpp"

using core_test::bits, core_test::message;
using journal_test::bytes_in, journal_test::folder, journal_test::put;

namespace {

constexpr const char* no_refusal = "no std::invalid_argument was thrown";

/// A run of 200 steps on as many numbers as are given: more than a page of records.
struct full_run {
  std::vector<float> x;
  decltype(zoft::mezo({})) tuner = zoft::mezo({.epsilon = 1e-2, .learning_rate = 1e-3, .queries = 2, .seed = 11});

  explicit full_run(std::size_t size = 300) {
    for (const double v : core_test::cosines(size)) x.push_back(static_cast<float>(v));
  }
  zoft::step_report step() {
    return tuner.step(std::span(x), [](std::span<const float> at) {
      double sum = 0;
      for (const float v : at) sum += double{v} * double{v};
      return sum;
    });
  }
  /// Goes on with what the journal holds, up to `steps`.
  void make(zoft::journal& log, std::uint32_t steps) {
    log.resume(tuner, std::span(x));
    while (tuner.steps() < steps) log.append(step());
  }
};
constexpr std::uint32_t full_steps = 200;

/// Runs f() -> what is wrong, in a program of its own.
template <class F>
std::string in_child(F f) {
  int ends[2];
  if (::pipe(ends) != 0) return "there is no pipe";
  const ::pid_t child = ::fork();
  if (child < 0) return "there is no other program";
  if (child == 0) {
    std::string said;
    try {
      said = f();
    } catch (const std::exception& error) {
      said = error.what();
    }
    for (std::size_t done = 0; done < said.size();) {
      const ssize_t n = ::write(ends[1], said.data() + done, said.size() - done);
      if (n <= 0) ::_exit(1);
      done += static_cast<std::size_t>(n);
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string result;
  char buffer[1 << 10];
  for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) result.append(buffer, static_cast<std::size_t>(n));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? result : result + " (and the program broke off)";
}

#if defined(__linux__)

constexpr const char* no_mount = "no file system can be mounted here";

/// Mounts a tmpfs of so many kilobytes that only this program and its children see: as root, or as root of its own
/// namespace.
bool mount_small(const std::string& path, int kilobytes) {
  const std::string user = std::to_string(::getuid()), group = std::to_string(::getgid());
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    put("/proc/self/setgroups", "deny");
    put("/proc/self/uid_map", "0 " + user + " 1");
    put("/proc/self/gid_map", "0 " + group + " 1");
  }
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  return ::mount("none", path.c_str(), "tmpfs", 0, ("size=" + std::to_string(kilobytes) + "k").c_str()) == 0;
}

/// Changes what mount_small has mounted.
void mount_again(const std::string& path, int kilobytes, unsigned long flags = 0) {
  const std::string size = "size=" + std::to_string(kilobytes) + "k";
  if (::mount("none", path.c_str(), "tmpfs", MS_REMOUNT | flags, size.c_str()) != 0)
    throw std::runtime_error("the tmpfs cannot be mounted again");
}

/// Runs f(path of a tmpfs of 4 kB) -> what is wrong. Says so if there can be no tmpfs.
template <class F>
void on_small_tmpfs(F f) {
  const folder here;
  const std::string wrong = in_child([&] { return mount_small(here.path, 4) ? f(here.path) : std::string(no_mount); });
  if (wrong == no_mount)
    std::cout << "SKIPPED: a full tmpfs, as " << wrong << " (it takes root, or namespaces of users)\n";
  else
    CHECK(wrong == "");
}

#endif

}  // namespace

#if defined(__linux__)

TEST_CASE("journal: a tmpfs that is full keeps no step from being made, and gets them all when it has room",
          "[journal]") {
  const folder whole_run;
  full_run truth;
  {
    zoft::journal log(whole_run / "run");
    truth.make(log, full_steps);
  }
  const std::string whole = bytes_in(whole_run / "run");
  REQUIRE(whole.size() > 4096);
  on_small_tmpfs([&](const std::string& path) -> std::string {
    const std::string file = path + "/run", full = "zoft: " + file + ": cannot be written: No space left on device";
    full_run run;
    zoft::journal log(file);
    log.resume(run.tuner, std::span(run.x));
    std::size_t refused = 0;
    while (run.tuner.steps() < full_steps) {
      if (run.tuner.steps() == 180) {  // a program that goes on from the file has what fitted
        const std::string held = bytes_in(file);
        if (refused == 0) return "nothing was refused";
        if (held != whole.substr(0, held.size()) || held.size() + 48 < 4096) return "the file is not what fitted";
        if ((whole.size() - held.size()) % (16 + 8 * 2) != 0) return "a part of a record was left";
        mount_again(path, 64);
      }
      const zoft::step_report made = run.step();
      const std::string said = message([&] { log.append(made); });
      if (said == no_refusal) continue;
      if (said != full) return said;
      if (log.pending() != ++refused) return "other steps wait than were refused";
    }
    if (log.pending() != 0) return "steps still wait to be written";
    if (bytes_in(file) != whole) return "the file is not that of a run with room";
    return bits(run.x) == bits(truth.x) ? "" : "the parameters are others";
  });
}

TEST_CASE("journal: on a tmpfs that is full from the beginning, a run begins when there is room", "[journal]") {
  on_small_tmpfs([&](const std::string& path) -> std::string {
    put(path + "/other", std::string(4096, 'x'));
    const std::string file = path + "/run";
    full_run run;
    {
      zoft::journal log(file);
      const std::string said = message([&] { run.make(log, 5); });
      if (said != "zoft: " + file + ": cannot be written: No space left on device") return said;
    }
    if (!bytes_in(file).empty()) return "a part of the header was left";
    mount_again(path, 64);
    zoft::journal log(file);
    run.make(log, 5);
    return log.pending() == 0 && log.steps() == 5 ? "" : "steps were not written";
  });
}

TEST_CASE("journal: in a read-only file system it can be made again, not gone on with", "[journal]") {
  on_small_tmpfs([&](const std::string& path) -> std::string {
    const std::string file = path + "/run";
    full_run run, again;
    {
      zoft::journal log(file);
      run.make(log, 5);
    }
    mount_again(path, 4, MS_RDONLY);
    for (const std::string& name : {file, path + "/new"}) {
      const std::string said = message([&] { zoft::journal log(name); });
      if (said != "zoft: " + name + ": cannot be opened: Read-only file system") return said;
    }
    if (zoft::replay(file, again.tuner, std::span(again.x)) != 5) return "steps are lost";
    return bits(again.x) == bits(run.x) ? "" : "the parameters are others";
  });
}

#endif

TEST_CASE("journal: a folder that may not be written is named", "[journal]") {
  if (::getuid() == 0) {
    std::cout << "SKIPPED: a folder without permission to write, which root needs none for\n";
    return;
  }
  const folder here;
  std::filesystem::permissions(here.path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  const std::string said = message([&] { zoft::journal log(here / "run"); });
  std::filesystem::permissions(here.path, std::filesystem::perms::owner_all);
  CHECK(said == "zoft: " + (here / "run") + ": cannot be opened: Permission denied");
}

TEST_CASE("journal: that of another model is refused and left to its own", "[journal]") {
  const folder here;
  full_run own, other(299), truth;
  {
    zoft::journal log(here / "run", {.about = "one\nand a second line"});
    own.make(log, 5);
  }
  const std::string before = bytes_in(here / "run");
  const std::string refusal = "zoft: " + (here / "run") + ": is of another run: its ";
  {
    zoft::journal log(here / "run", {.about = "one\nand a second line"});
    CHECK(message([&] { other.make(log, 5); }) == refusal + "'parameters' is '300', and here is '299'");
  }
  {
    full_run same;
    zoft::journal log(here / "run", {.about = "two\nlines"});
    CHECK(message([&] { same.make(log, 5); }) ==
          refusal + "'about' is 'one and a second line', and here is 'two lines'");
  }
  CHECK((bytes_in(here / "run") == before));
  full_run again;
  zoft::journal log(here / "run", {.about = "one\nand a second line"});
  again.make(log, 10);
  for (int i = 0; i < 10; ++i) truth.step();
  CHECK((bits(again.x) == bits(truth.x)));
}

TEST_CASE("journal: of two programs one writes, and the other is refused", "[journal]") {
  const folder here;
  full_run run, truth;
  for (int i = 0; i < 10; ++i) truth.step();
  {
    zoft::journal log(here / "run");
    run.make(log, 5);
    const std::string said = in_child([&] { return message([&] { zoft::journal second(here / "run"); }); });
    CHECK(said == "zoft: " + (here / "run") + ": another program is writing this journal");
    // To read what is there is no writing.
    CHECK(in_child([&] {
            full_run reader;
            const std::size_t steps = zoft::replay(here / "run", reader.tuner, std::span(reader.x));
            return std::string(steps == 5 && bits(reader.x) == bits(run.x) ? "" : "steps are lost");
          }) == "");
    for (int i = 0; i < 5; ++i) log.append(run.step());
  }
  CHECK((bits(run.x) == bits(truth.x)));
  // The second program goes on where the first has ended.
  CHECK(in_child([&] {
          full_run second;
          zoft::journal log(here / "run");
          second.make(log, 10);
          return std::string(bits(second.x) == bits(truth.x) ? "" : "the parameters are others");
        }) == "");
}

TEST_CASE("journal: a header that no program writes is damaged", "[journal]") {
  const folder here;
  const auto said = [&](const std::string& fields) {
    const std::string lines = "zoft journal 1\n" + fields;
    put(here / "run", lines + "end " + zoft::journals::hexadecimal(zoft::journals::checksum(lines, 0)) + "\n" +
                          std::string(64, '\0'));
    return message([&] { zoft::journal log(here / "run"); });
  };
  const std::string damaged = "zoft: " + (here / "run") + ": its header is damaged";
  CHECK(said("values: 2\nno value\nseed: 1\n") == damaged);
  CHECK(said("values: 2\nno value\n") == damaged);
  for (const char* values : {"", "-1", "2 ", "x", "18446744073709551616"})
    CHECK(said("values: " + std::string(values) + "\n") == damaged);
  CHECK(said("seed: 1\n") == damaged);
  // So many values a record that its size does not fit into 64 bits, or that no file has room for one.
  for (const char* values :
       {"2305843009213693950", "2305843009213693951", "2305843009213693952", "18446744073709551615", "1000000"})
    CHECK(said("values: " + std::string(values) + "\n") == no_refusal);
}
