// Snapshots: a run that goes on from one is the run that was not stopped, and no other file is taken for one.
#include <deque>
#include <map>
#include <optional>
#include <zoft/core/state.hpp>
#include <zoft/journal.hpp>
#include <zoft/lozo.hpp>
#include <zoft/method/mezo_adam.hpp>
#include <zoft/mezo.hpp>
#include <zoft/optimizer/adam.hpp>
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

/// Goes on from step 25 of a run to step 47 beside any file in place of its snapshot: this must come to `truth`.
template <class Make>
auto going_on(Make make, const folder& here, const std::vector<float>& truth) {
  return [make, &here, &truth, run = bytes_in(here / "run")](const std::string& snapshot) {
    put(here / "run", run);
    put(here / "run.snapshot", snapshot);
    CHECK((bits(go_on<float>(make, here / "run", 47)) == bits(truth)));
  };
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
    CHECK(bytes_in(here / "run.snapshot").starts_with("zoft snapshot 2 20 " + zoft::text(700 * sizeof(T)) + " 0\n"));
    CHECK((bits(go_on<T>(make, here / "run", 47)) == bits(truth)));
    CHECK(bytes_in(here / "run.snapshot").starts_with("zoft snapshot 2 40 "));
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
  const std::string good = bytes_in(here / "run.snapshot");
  const auto check = going_on(plain, here, truth);
  check("");
  check("zoft snapshot 2");
  check("zoft snapshot 2 20\n");
  check("zoft snapshot 2 20 0\n");
  check("zoft snapshot 2 20 x 0\n");
  check("zoft snapshot 2 20 0 18446744073709551615\n");
  check("zoft snapshot 2 20 18446744073709551615 18446744073709551609\n");
  check("zoft snapshot 1 20 0\n");
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

namespace {

/// Remembers one number, and does not show it.
struct secretive {
  double learning_rate = 1e-3;
  float last = 0;

  void check() const {}
  double rate(std::uint32_t) const { return learning_rate; }
  template <class T>
  void apply(std::span<T> x, std::span<T> g, const zoft::update::piece& p) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= static_cast<T>(p.rate) * (g[i] + T(last));
    last = static_cast<float>(g[0]);
  }
};

/// A part of each kind.
struct parts {
  std::vector<float> numbers{1, 2, 3};
  std::vector<double> empty;
  std::optional<double> some = 3.5, none;
  std::map<std::uint64_t, std::uint32_t> counts{{7, 1}, {9, 2}};
  std::deque<std::vector<double>> lists{{1}, {}, {2, 3}};
  std::uint8_t last = 9;

  template <class F>
  void each_state(F f) {
    f(numbers), f(empty), f(some), f(none), f(counts), f(lists), f(last);
  }
};

auto with_adam() {
  return zoft::engine{zoft::gaussian{}, zoft::two_point{}, zoft::full{}, zoft::adam{.learning_rate = 1e-3},
                      zoft::seed{1}};
}

}  // namespace

TEST_CASE("journal: an engine that hides what it keeps has no snapshots", "[journal]") {
  const folder here;
  auto x = snapshot_start<float>();
  auto tuner = zoft::engine{zoft::gaussian{}, zoft::two_point{}, zoft::full{}, secretive{}, zoft::seed{1}};
  static_assert(!decltype(tuner)::shows_state && decltype(with_adam())::shows_state);
  zoft::journal log(here / "run", {.snapshot_every = 10});
  CHECK(message([&] { log.resume(tuner, std::span(x)); }) ==
        "zoft: journal: snapshot_every is 10, and must be 0 for an engine with a policy that keeps something and has "
        "no each_state");
  CHECK(bytes_in(here / "run").empty());
}

TEST_CASE("journal: a damaged state is left aside, and nothing of it is taken", "[journal]") {
  const folder here;
  auto truth = snapshot_start<float>();
  auto tuner = with_adam();
  while (tuner.steps() < 47) tuner.step(std::span(truth), trough<float>);
  go_on<float>(with_adam, here / "run", 25);
  const std::string good = bytes_in(here / "run.snapshot");
  const auto check = going_on(with_adam, here, truth);
  check(good);
  const std::size_t begins = good.find('\n') + 1 + 700 * sizeof(float);
  for (std::size_t place = begins; place < good.size(); place += 97) {
    CAPTURE(place - begins);
    std::string flipped = good;
    flipped[place] ^= 4;
    check(flipped);
  }
  // Another method's state, which is whole.
  go_on<float>(
      [] {
        return zoft::engine{zoft::gaussian{}, zoft::two_point{}, zoft::full{}, zoft::momentum{.learning_rate = 1e-3},
                            zoft::seed{1}};
      },
      here / "other", 25);
  const std::string other = bytes_in(here / "other.snapshot");
  const auto state_of = [](const std::string& all) { return all.substr(all.find('\n') + 1 + 700 * sizeof(float)); };
  check("zoft snapshot 2 20 2800 " + zoft::text(state_of(other).size() - 8) + "\n" + good.substr(begins - 2800, 2800) +
        state_of(other));
}

TEST_CASE("state: what is read is what was written", "[journal]") {
  parts before;
  std::vector<std::byte> bytes;
  zoft::state::writer write(
      [&](std::span<const std::byte> part) { bytes.insert(bytes.end(), part.begin(), part.end()); });
  write(before);
  const auto read = [](parts& into, const std::vector<std::byte>& from, bool try_only) {
    std::size_t at = 0;
    zoft::state::reader reader(
        [&](std::byte* to, std::uint64_t n) {
          if (to != nullptr) std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(at), n, to);
          at += n;
        },
        from.size(), try_only);
    reader(into);
    return reader.fits();
  };
  parts other{{0, 0, 0}, {}, std::nullopt, 1.0, {{1, 1}}, {}, 0};
  CHECK(read(other, bytes, true));
  CHECK(other.numbers == std::vector<float>{0, 0, 0});
  CHECK(read(other, bytes, false));
  CHECK(other.numbers == before.numbers);
  CHECK(other.empty.empty());
  CHECK(other.some == before.some);
  CHECK(!other.none);
  CHECK(other.counts == before.counts);
  CHECK(other.lists == before.lists);
  CHECK(other.last == 9);
  parts shorter{{0, 0}, {}, {}, {}, {}, {}, 0};
  CHECK(!read(shorter, bytes, true));
  for (std::size_t n = 0; n < bytes.size(); ++n)
    CHECK(!read(other, {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n)}, true));
  bytes.push_back({});
  CHECK(!read(other, bytes, true));
}
