// What the tests of journals share: a folder of their own, and what must hold of any method.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <zoft/journal.hpp>

#include "core_support.hpp"

namespace journal_test {

/// A folder that is removed with all that is in it.
struct folder {
  std::string path;

  folder() : path((std::filesystem::temp_directory_path() / ("zoft-journal-" + std::to_string(::getpid()))).string()) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
};

inline std::string bytes_in(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void put(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// A run of `before` steps is stopped, made again by another engine, and goes on for `behind` steps. All that it has
/// come to must be what it is where nothing was stopped, bit for bit, with snapshots and without. make() -> engine;
/// step(engine, x) makes a step and returns its report.
template <class Make, class T, class Step>
void check_run(Make make, const std::vector<T>& start, Step step, std::uint32_t before = 7, std::uint32_t behind = 5) {
  const folder here;
  std::vector<T> whole = start, first = start, second = start;
  auto never_stopped = make();
  for (std::uint32_t i = 0; i < before + behind; ++i) step(never_stopped, std::span(whole));
  {
    auto tuner = make();
    zoft::journal log(here / "run", {.check_every = 3});
    log.resume(tuner, std::span(first));
    for (std::uint32_t i = 0; i < before; ++i) log.append(step(tuner, std::span(first)));
    CHECK(log.steps() == before);
    CHECK(log.pending() == 0);
  }
  auto tuner = make();
  zoft::journal log(here / "run", {.check_every = 3});
  log.resume(tuner, std::span(second));
  CHECK(tuner.steps() == before);
  CHECK((core_test::bits(second) == core_test::bits(first)));
  for (std::uint32_t i = 0; i < behind; ++i) log.append(step(tuner, std::span(second)));
  CHECK((core_test::bits(second) == core_test::bits(whole)));
  CHECK((core_test::bits(whole) != core_test::bits(start)));
  auto third = make();
  second = start;
  CHECK(zoft::replay(here / "run", third, std::span(second)) == before + behind);
  CHECK((core_test::bits(second) == core_test::bits(whole)));

  if constexpr (decltype(make())::shows_state) {
    first = second = start;
    {
      auto saved = make();
      zoft::journal snapshots(here / "saved", {.snapshot_every = 3});
      snapshots.resume(saved, std::span(first));
      for (std::uint32_t i = 0; i < before; ++i) snapshots.append(step(saved, std::span(first)));
    }
    auto again = make();
    std::span<T> x(second);
    CHECK(zoft::journals::skip_to_snapshot(zoft::journals::read_file(here / "saved"), here / "saved", again, x) > 0);
    CHECK(again.steps() == before / 3 * 3);
    while (again.steps() < before + behind) step(again, x);
    CHECK((core_test::bits(second) == core_test::bits(whole)));
  }
}

}  // namespace journal_test
