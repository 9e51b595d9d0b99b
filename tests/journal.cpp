// The journal's file: what it holds, how it is cut and damaged, and who may write it.
#include <sys/resource.h>

#include <csignal>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/mezo.hpp>
#include <zoft/optimizer/momentum.hpp>
#include <zoft/sampler/rademacher.hpp>

#include "journal_support.hpp"

using core_test::bits, core_test::message;
using journal_test::bytes_in, journal_test::folder, journal_test::put;

namespace {

std::vector<float> kept_start() {
  std::vector<float> x;
  for (const double v : core_test::cosines(300)) x.push_back(static_cast<float>(v));
  return x;
}

auto kept_tuner(std::uint64_t seed = 11, std::size_t queries = 2) {
  return zoft::mezo({.epsilon = 1e-2, .learning_rate = 1e-3, .queries = queries, .seed = seed});
}

double bowl(std::span<const float> x) {
  double sum = 0;
  for (const float v : x) sum += double{v} * double{v};
  return sum;
}

/// Goes on until `steps` steps are made. Returns the parameters.
std::vector<float> kept_run(const std::string& path, std::uint32_t steps, const zoft::journal_options& o = {}) {
  std::vector<float> x = kept_start();
  auto tuner = kept_tuner();
  zoft::journal log(path, o);
  log.resume(tuner, std::span(x));
  while (tuner.steps() < steps) log.append(tuner.step(std::span(x), bowl));
  return x;
}

/// The parameters after `steps` steps that nothing wrote down.
std::vector<float> kept_truth(std::uint32_t steps) {
  std::vector<float> x = kept_start();
  auto tuner = kept_tuner();
  while (tuner.steps() < steps) tuner.step(std::span(x), bowl);
  return x;
}

std::size_t first_record(const std::string& bytes) { return bytes.find('\n', bytes.find("\nend ") + 1) + 1; }

/// While it lives, files can grow to `bytes` and no further, as on a disk that is full.
struct full_disk {
  explicit full_disk(std::size_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before);
    signal = std::signal(SIGXFSZ, SIG_IGN);
    rlimit now = before;
    now.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  full_disk(const full_disk&) = delete;
  full_disk& operator=(const full_disk&) = delete;
  ~full_disk() {
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, signal);
  }
  rlimit before;
  void (*signal)(int);
};

}  // namespace

TEST_CASE("journal: a step takes 16 + 8·q bytes", "[journal]") {
  for (const std::size_t queries : {1u, 2u, 8u}) {
    const folder here;
    std::vector<float> x = kept_start();
    auto tuner = kept_tuner(11, queries);
    zoft::journal log(here / "run", {.check_every = 0});
    log.resume(tuner, std::span(x));
    const std::size_t header = bytes_in(here / "run").size();
    for (int i = 0; i < 10; ++i) log.append(tuner.step(std::span(x), bowl));
    CHECK(bytes_in(here / "run").size() == header + 10 * (16 + 8 * queries));
  }
}

TEST_CASE("journal: the header says in text what the run was", "[journal]") {
  const folder here;
  kept_run(here / "run", 1, {.about = "weights of May\nand a second line"});
  const std::string bytes = bytes_in(here / "run");
  CHECK(bytes.starts_with("zoft journal 1\nnoise: 1\nseed: 11\nparameters: 300\n"));
  CHECK(bytes.find("\nabout: weights of May\nabout: and a second line\nend ") != bytes.npos);
}

TEST_CASE("journal: a rejected step is one, too", "[journal]") {
  const folder here;
  std::vector<float> x = kept_start(), again = kept_start();
  auto tuner = kept_tuner(), other = kept_tuner();
  {
    zoft::journal log(here / "run");
    log.resume(tuner, std::span(x));
    for (int i = 0; i < 6; ++i) {
      log.append(tuner.step(std::span(x), [&](std::span<const float> at) { return i == 3 ? HUGE_VAL : bowl(at); }));
      CHECK((tuner.record().status == zoft::status::ok) == (i != 3));
    }
  }
  CHECK(zoft::replay(here / "run", other, std::span(again)) == 6);
  CHECK((bits(again) == bits(x)));
}

TEST_CASE("journal: cut at any byte of its last three records, it goes on from what is whole", "[journal]") {
  const folder here;
  const std::vector<float> truth = kept_run(here / "run", 20, {.check_every = 0});
  const std::string whole = bytes_in(here / "run");
  constexpr std::size_t record = 16 + 8 * 2;
  for (std::size_t size = whole.size() - 3 * record; size < whole.size(); ++size) {
    CAPTURE(size);
    put(here / "cut", whole.substr(0, size));
    std::vector<float> x = kept_start();
    auto tuner = kept_tuner();
    {
      zoft::journal log(here / "cut", {.check_every = 0});
      log.resume(tuner, std::span(x));
      CHECK(tuner.steps() == 20 - (whole.size() - size + record - 1) / record);
      CHECK(bytes_in(here / "cut").size() == whole.size() - (20 - tuner.steps()) * record);
    }
    CHECK((bits(kept_run(here / "cut", 20, {.check_every = 0})) == bits(truth)));
    CHECK((bytes_in(here / "cut") == whole));
  }
}

TEST_CASE("journal: cut at any byte of its header, it begins anew, and a tail of zeros is cut off", "[journal]") {
  const folder here;
  const std::vector<float> truth = kept_run(here / "run", 5);
  const std::string whole = bytes_in(here / "run");
  for (std::size_t size = 0; size < first_record(whole); ++size) {
    CAPTURE(size);
    put(here / "cut", whole.substr(0, size));
    CHECK((bits(kept_run(here / "cut", 5)) == bits(truth)));
    CHECK((bytes_in(here / "cut") == whole));
  }
  put(here / "cut", whole + std::string(1000, '\0'));
  CHECK((bits(kept_run(here / "cut", 5)) == bits(truth)));
  CHECK((bytes_in(here / "cut") == whole));
}

TEST_CASE("journal: a damaged byte is named by its step, wherever another record follows", "[journal]") {
  const folder here;
  kept_run(here / "run", 12, {.check_every = 0});
  const std::string whole = bytes_in(here / "run");
  constexpr std::size_t record = 16 + 8 * 2;
  const std::size_t first = first_record(whole);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    CAPTURE(at);
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    put(here / "damaged", damaged);
    const std::string said = message([&] { kept_run(here / "damaged", 12, {.check_every = 0}); });
    if (at < first) {
      const std::string about_it = "zoft: " + (here / "damaged") + ": ";
      CHECK((said == about_it + "its header is damaged" || said.starts_with(about_it + "is no journal") ||
             said.starts_with(about_it + "is a journal of another format")));
      CHECK((bytes_in(here / "damaged") == damaged));
    } else if (at < whole.size() - 2 * record) {
      CHECK(said == "zoft: " + (here / "damaged") + ": its record of step " + std::to_string((at - first) / record) +
                        " is damaged");
      CHECK((bytes_in(here / "damaged") == damaged));
    } else if (at >= whole.size() - record) {
      CHECK(said == "no std::invalid_argument was thrown");  // as if it had been cut there
      CHECK((bytes_in(here / "damaged") == whole));
    }
  }
}

TEST_CASE("journal: records cannot be left out, doubled or exchanged", "[journal]") {
  const folder here;
  kept_run(here / "run", 12, {.check_every = 0});
  const std::string whole = bytes_in(here / "run");
  constexpr std::size_t record = 16 + 8 * 2;
  const std::size_t at = first_record(whole) + 4 * record;
  const auto said = [&](const std::string& bytes) {
    put(here / "other", bytes);
    return message([&] { kept_run(here / "other", 12, {.check_every = 0}); });
  };
  const std::string damaged = "zoft: " + (here / "other") + ": its record of step ";
  CHECK(said(whole.substr(0, at) + whole.substr(at + record)) == damaged + "4 is damaged");
  CHECK(said(whole.substr(0, at) + whole.substr(at - record)) == damaged + "4 is damaged");
  std::string exchanged = whole;
  exchanged.replace(at, record, whole.substr(at + record, record));
  exchanged.replace(at + record, record, whole.substr(at, record));
  CHECK(said(exchanged) == damaged + "4 is damaged");
}

TEST_CASE("journal: another run is refused by what differs", "[journal]") {
  const folder here;
  kept_run(here / "run", 3, {.about = "one"});
  const std::string before = bytes_in(here / "run"), path = here / "run";
  const auto said = [&](auto tuner, std::vector<float> x, const std::string& about = "one") {
    return message([&] {
      zoft::journal log(path, {.about = about});
      log.resume(tuner, std::span(x));
    });
  };
  const std::string other = "zoft: " + path + ": is of another run: its ";
  CHECK(said(kept_tuner(12), kept_start()) == other + "'seed' is '11', and here is '12'");
  CHECK(said(kept_tuner(11, 3), kept_start()) == other + "'values' is '2', and here is '3'");
  CHECK(said(kept_tuner(), std::vector<float>(299)) == other + "'parameters' is '300', and here is '299'");
  CHECK(said(kept_tuner(), kept_start(), "two") == other + "'about' is 'one', and here is 'two'");
  std::vector<float> x = kept_start();
  x[299] = std::nextafter(x[299], 1.0f);
  CHECK(said(kept_tuner(), x).starts_with(other + "'base' is '"));
  const auto signs =
      zoft::engine{zoft::rademacher{}, zoft::two_point{.queries = 2}, zoft::full{}, zoft::sgd{}, zoft::seed{11}};
  CHECK(said(signs, kept_start()).starts_with(other + "'sampler' is '"));
  const auto losses =
      zoft::engine{zoft::gaussian{}, zoft::one_sided{.queries = 2}, zoft::full{}, zoft::sgd{}, zoft::seed{11}};
  CHECK(said(losses, kept_start()) == "no std::invalid_argument was thrown");  // coefficients are the same thing there
  CHECK((bytes_in(path) == before));
}

TEST_CASE("journal: a fingerprint finds a run that only the optimizer tells apart", "[journal]") {
  const folder here;
  const auto make = [](double beta) {
    return zoft::engine{zoft::gaussian{}, zoft::two_point{.epsilon = 1e-2}, zoft::full{},
                        zoft::momentum{.learning_rate = 1e-3, .beta = beta}, zoft::seed{11}};
  };
  std::vector<float> x = kept_start();
  {
    auto tuner = make(0.9);
    zoft::journal log(here / "run", {.check_every = 4});
    log.resume(tuner, std::span(x));
    for (int i = 0; i < 6; ++i) log.append(tuner.step(std::span(x), bowl));
  }
  x = kept_start();
  auto tuner = make(0.8);
  zoft::journal log(here / "run");
  CHECK(message([&] { log.resume(tuner, std::span(x)); }) ==
        "zoft: " + (here / "run") +
            ": the parameters before step 4 are not those of the run: it had other options or batches, or was made by "
            "another program");
}

TEST_CASE("journal: a rate that was changed on the way is in its records", "[journal]") {
  const folder here;
  std::vector<float> x = kept_start(), again = kept_start();
  {
    auto tuner = kept_tuner();
    zoft::journal log(here / "run");
    log.resume(tuner, std::span(x));
    for (int i = 0; i < 6; ++i) {
      if (i == 3) tuner.optimizer().learning_rate = 1e-4;
      log.append(tuner.step(std::span(x), bowl));
    }
  }
  auto tuner = kept_tuner();
  zoft::replay(here / "run", tuner, std::span(again));
  CHECK((bits(again) == bits(x)));
}

TEST_CASE("journal: the last steps are undone", "[journal]") {
  const folder here;
  kept_run(here / "run", 20, {.check_every = 6});
  for (const std::size_t count : {1u, 3u, 9u, 0u}) {
    const std::size_t left = 20 - count;
    std::vector<float> x = kept_start();
    auto tuner = kept_tuner();
    {
      zoft::journal log(here / "run", {.check_every = 6});
      log.undo(count);
      log.resume(tuner, std::span(x));
    }
    CHECK(tuner.steps() == left);
    CHECK((bits(x) == bits(kept_truth(static_cast<std::uint32_t>(left)))));
    CHECK((bits(kept_run(here / "run", 20, {.check_every = 6})) == bits(kept_truth(20))));
  }
  zoft::journal log(here / "run");
  CHECK(message([&] { log.undo(21); }) == "zoft: " + (here / "run") + ": 21 steps are to be undone, and it holds 20");
}

TEST_CASE("journal: what is no journal, or another's, is refused in one line and left as it is", "[journal]") {
  const folder here;
  const auto opened = [&](const std::string& path) { return message([&] { zoft::journal log(path); }); };
  put(here / "text", "a letter\n");
  CHECK(opened(here / "text") == "zoft: " + (here / "text") + ": is no journal: it must begin with 'zoft journal'");
  CHECK(bytes_in(here / "text") == "a letter\n");
  put(here / "later", "zoft journal 2\nnoise: 1\n");
  CHECK(opened(here / "later") ==
        "zoft: " + (here / "later") + ": is a journal of another format, and this program reads format 1");
  CHECK(opened("") == "zoft: the path of a journal is empty");
  CHECK(opened(here.path).starts_with("zoft: " + here.path + ": cannot be opened: "));
  CHECK(opened(here / "no/folder").starts_with("zoft: " + (here / "no/folder") + ": cannot be opened: "));
  CHECK(opened("/dev/null") == "zoft: /dev/null: is no file, and must be one to be a journal");
  {
    zoft::journal log(here / "run");
    CHECK(opened(here / "run") == "zoft: " + (here / "run") + ": another program is writing this journal");
    std::vector<float> x = kept_start();
    auto tuner = kept_tuner();
    CHECK(message([&] { log.append(tuner.step(std::span(x), bowl)); }) ==
          "zoft: journal: a step was appended, and resume comes first");
    CHECK(message([&] { log.resume(tuner, std::span(x)); }) ==
          "zoft: journal: the engine has made 1 steps, and must have made none before those of a journal");
  }
  std::vector<float> x = kept_start();
  auto tuner = kept_tuner();
  CHECK(message([&] { zoft::replay(here / "run", tuner, std::span(x)); }) ==
        "zoft: " + (here / "run") + ": is empty, and must be a journal");
  zoft::journal log(here / "run");
  log.resume(tuner, std::span(x));
  const zoft::step_report first = tuner.step(std::span(x), bowl), second = tuner.step(std::span(x), bowl);
  CHECK(message([&] { log.append(first); }) ==
        "zoft: journal: step 0 was appended, and the last of the engine that was resumed is step 1");
  CHECK(message([&] { log.append(second); }) ==
        "zoft: " + (here / "run") + ": step 0 with 2 values comes next, and the engine's last was step 1 with 2");
}

TEST_CASE("journal: an adapter that drifts is refused", "[journal]") {
  const folder here;
  std::vector<float> x = kept_start();
  auto tuner = zoft::engine{zoft::gaussian{}, zoft::two_point{}, zoft::full{.restore = zoft::restore::drifting},
                            zoft::sgd{}, zoft::seed{11}};
  zoft::journal log(here / "run");
  CHECK(message([&] { log.resume(tuner, std::span(x)); }) ==
        "zoft: journal: the adapter's restore is drifting, and must be exact: otherwise steps leave more than their "
        "record");
  CHECK(bytes_in(here / "run").empty());
}

TEST_CASE("journal: steps that the disk has no room for are kept until it has", "[journal]") {
  const folder here;
  const std::vector<float> truth = kept_run(here / "whole", 20);
  const std::string whole = bytes_in(here / "whole");
  std::vector<float> x = kept_start();
  auto tuner = kept_tuner();
  zoft::journal log(here / "run");
  log.resume(tuner, std::span(x));
  std::size_t refused = 0;
  const auto steps = [&](std::uint32_t until) {
    while (tuner.steps() < until) {
      const std::string said = message([&] { log.append(tuner.step(std::span(x), bowl)); });
      if (said == "no std::invalid_argument was thrown") continue;
      ++refused;
      CHECK(said.starts_with("zoft: " + (here / "run") + ": cannot be written: "));
      CHECK(log.pending() == refused);
    }
  };
  {
    const full_disk none(first_record(whole) + 5 * 32 + 10);  // a part of the sixth record fits
    steps(15);
    CHECK(refused == 10);
    CHECK((bytes_in(here / "run") == whole.substr(0, first_record(whole) + 5 * 32)));
  }
  steps(20);
  CHECK(log.pending() == 0);
  CHECK((bytes_in(here / "run") == whole));
  CHECK((bits(x) == bits(truth)));
}
