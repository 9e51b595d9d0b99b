// Snapshots: a run that goes on from one is the run that was not stopped, and no other file is taken for one.
#include <zoft/journal.hpp>
#include <zoft/lozo.hpp>
#include <zoft/method/mezo_adam.hpp>
#include <zoft/mezo.hpp>
#include <zoft/optimizer/momentum.hpp>

#include "journal_support.hpp"

using core_test::bits;
using core_test::message;
using journal_test::bytes_in;
using journal_test::folder;
using journal_test::put;

namespace {

template <class T>
std::vector<T> snapshot_start() {
  std::vector<T> x;
  for (const double v : core_test::cosines(700)) x.push_back(T(static_cast<float>(v)));
  return x;
}

template <class T>
[[gnu::noinline]] double trough(std::span<const T> x) {
  double sum = 0;
  for (const T& v : x) sum += core_test::value(v) * core_test::value(v);
  return sum;
}

auto plain() { return zoft::mezo({.epsilon = 1e-2, .learning_rate = 1e-3, .seed = 5}); }

/// Runs up to `steps` steps with a snapshot each 10, and counts the losses that this takes.
template <class T, class Make>
std::vector<T> go_on(Make make, const std::string& path, std::uint32_t steps, std::size_t undone = 0) {
  auto x = snapshot_start<T>();
  auto tuner = make();
  zoft::journal log(path, {.snapshot_every = 10});
  if (undone > 0) log.undo(undone);
  log.resume(tuner, std::span(x));
  while (tuner.steps() < steps) log.append(tuner.step(std::span(x), trough<T>));
  return x;
}

}  // namespace

TEMPLATE_TEST_CASE("journal: from a snapshot to the bits of a run that was not stopped", "[journal]", float, double,
                   zoft::bfloat16) {
  using T = TestType;
  zoft::layout shape;
  shape.add("a", 20, 30);
  shape.add("b", 100);
  const auto check = [](auto make) {
    const folder here;
    auto truth = snapshot_start<T>();
    auto tuner = make();
    while (tuner.steps() < 47) tuner.step(std::span(truth), trough<T>);
    go_on<T>(make, here / "run", 25);
    CHECK(bytes_in(here / "run.snapshot").starts_with("zoft snapshot 1 20 " + zoft::text(700 * sizeof(T)) + "\n"));
    CHECK((bits(go_on<T>(make, here / "run", 47)) == bits(truth)));
    CHECK(bytes_in(here / "run.snapshot").starts_with("zoft snapshot 1 40 "));
    // It was used: steps before it are not made again, so that an engine of another rate goes on from there.
    auto x = snapshot_start<T>();
    auto other = make();
    CHECK(zoft::replay(here / "run", other, std::span(x)) == 47);
    CHECK(other.steps() == 47);
    CHECK((bits(x) == bits(truth)));
  };
  check(plain);
  check([&] { return zoft::lozo({.interval = 7, .epsilon = 1e-2, .learning_rate = 1e-3, .seed = 5}, shape); });
}

TEST_CASE("journal: a snapshot spares the steps before it", "[journal]") {
  const folder here;
  const auto whole = go_on<float>(plain, here / "run", 25);
  // The first step's coefficient, changed, with all checksums as they would be: only a run that makes it again sees it.
  std::string bytes = bytes_in(here / "run");
  zoft::journals::contents held = zoft::journals::read(bytes, "run");
  std::string changed = bytes.substr(0, held.header_size);
  std::uint32_t before = held.header_checksum;
  for (std::size_t i = 0; i < held.entries.size(); ++i) {
    if (i == 0) held.entries[0].step.values[0] += 1;
    const std::string record = zoft::journals::encoded(held.entries[i], before);
    before = zoft::journals::checksum_in(record);
    changed += record;
  }
  put(here / "run", changed);
  CHECK((bits(go_on<float>(plain, here / "run", 25)) == bits(whole)));
  std::filesystem::remove(here / "run.snapshot");
  CHECK(message([&] {
          go_on<float>(plain, here / "run", 25);
        }).starts_with("zoft: " + (here / "run") + ": the parameters before step 10 are not those of the run"));
}

TEST_CASE("journal: what is no snapshot of the run is left aside", "[journal]") {
  const folder here;
  const auto truth = go_on<float>(plain, here / "whole", 47);
  go_on<float>(plain, here / "run", 25);
  const std::string run = bytes_in(here / "run"), good = bytes_in(here / "run.snapshot");
  const auto check = [&](const std::string& snapshot) {
    put(here / "run", run);
    put(here / "run.snapshot", snapshot);
    CHECK((bits(go_on<float>(plain, here / "run", 47)) == bits(truth)));
  };
  check("");
  check("zoft snapshot 1");
  check("zoft snapshot 1 20\n");
  check("zoft snapshot 1 20 x\n");
  check("zoft snapshot 1 20 18446744073709551615\n");
  check("zoft snapshot 2 20 0\n");
  check(bytes_in(here / "whole.snapshot"));
  for (const std::size_t cut : {1u, 4u, 2799u}) check(good.substr(0, good.size() - cut));
  check(good + "x");
  std::string flipped = good;
  flipped[good.size() - 1000] ^= 1;
  check(flipped);
  std::string moved = good;
  moved.replace(moved.find(" 20 "), 4, " 10 ");
  check(moved);
}

TEST_CASE("journal: steps are undone behind a snapshot, and before it", "[journal]") {
  for (const std::size_t undone : {3u, 12u, 24u}) {
    CAPTURE(undone);
    const folder here;
    go_on<float>(plain, here / "run", 25);
    auto truth = snapshot_start<float>();
    auto tuner = plain();
    while (tuner.steps() < 25 - undone) tuner.step(std::span(truth), trough<float>);
    CHECK((bits(go_on<float>(plain, here / "run", 0, undone)) == bits(truth)));
    while (tuner.steps() < 33) tuner.step(std::span(truth), trough<float>);
    CHECK((bits(go_on<float>(plain, here / "run", 33)) == bits(truth)));
  }
}

TEST_CASE("journal: engines that keep a state have no snapshots", "[journal]") {
  const folder here;
  auto x = snapshot_start<float>();
  auto tuner = zoft::engine{zoft::gaussian{}, zoft::two_point{}, zoft::full{}, zoft::momentum{}, zoft::seed{1}};
  static_assert(decltype(tuner)::keeps_state && !decltype(plain())::keeps_state);
  zoft::journal log(here / "run", {.snapshot_every = 10});
  CHECK(message([&] { log.resume(tuner, std::span(x)); }) ==
        "zoft: journal: snapshot_every is 10, and must be 0 for an engine that keeps more between steps than its "
        "parameters");
  CHECK(bytes_in(here / "run").empty());
}
