// Runs whose programs are killed at random moments, each going on where the one before it was.
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>
#include <zoft/lozo.hpp>
#include <zoft/method/mezo_adam.hpp>
#include <zoft/method/sparse_mezo.hpp>
#include <zoft/mezo.hpp>
#include <zoft/optimizer/anchored.hpp>
#include <zoft/optimizer/momentum.hpp>

#include "journal_support.hpp"

using core_test::bits, core_test::value;

namespace {

zoft::layout killed_shape() {
  zoft::layout result;
  result.add("up", 41, 29);
  result.add("gain", 23);
  return result;
}

template <class T>
double hollow(std::span<const T> x) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(value(x[i]) - 0.01 * static_cast<double>(i % 7), 2);
  return sum;
}

/// Kills programs, and never fewer than `kills`, that make `steps` steps of the run, until it is done; then begins it
/// anew. In the end, and each time that it is done, the parameters must be those of a run that nothing stopped.
template <class T, class Make>
void check_killed(int kills, Make make) {
  constexpr std::uint32_t steps = 300;
  std::vector<T> start;
  for (const double v : core_test::cosines(killed_shape().size())) start.push_back(T(static_cast<float>(v)));
  const auto run = [&](const std::string& path) {
    std::vector<T> x = start;
    auto tuner = make();
    std::optional<zoft::journal> log;
    if (!path.empty()) log.emplace(path, zoft::journal_options{.sync_every = 0, .check_every = 10});
    if (log) log->resume(tuner, std::span(x));
    while (tuner.steps() < steps) {
      const zoft::step_report made = tuner.step(std::span(x), hollow<T>);
      if (log) log->append(made);
    }
    return x;
  };
  const auto truth = bits(run({}));
  const auto size_of = [](const std::string& path) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    return error ? 0 : size;
  };
  const std::uintmax_t whole = [&] {
    const journal_test::folder here;
    run(here / "run");
    return size_of(here / "run");
  }();
  // Anywhere in what is left of a run, by the size of its journal: a busy machine may give a program no time for long.
  auto next = [&, drawn = std::uint64_t{0}](std::uintmax_t size) mutable {
    const std::uint64_t word = zoft::random::word({3, 0, 0}, zoft::random::stream::data, drawn++);
    return size + (word * (whole - std::min(size, whole)) >> 32);
  };
  int killed = 0, with_steps = 0;
  while (killed < kills) {
    const journal_test::folder here;
    for (bool done = false; !done && killed < kills;) {
      const ::pid_t child = ::fork();
      REQUIRE(child >= 0);
      if (child == 0) {  // without what the tests do at their end
        try {
          run(here / "run");
        } catch (const std::exception& e) {
          journal_test::put(here / "error", e.what());
        }
        ::_exit(0);
      }
      int status = 0;
      ::pid_t ended = 0;
      for (const std::uintmax_t size = next(size_of(here / "run")); ended == 0 && size_of(here / "run") < size;) {
        ::usleep(10);
        ended = ::waitpid(child, &status, WNOHANG);
      }
      if (ended == 0) {
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
      }
      killed += WIFSIGNALED(status);
      done = WIFEXITED(status);
      CHECK(journal_test::bytes_in(here / "error").empty());
      with_steps += size_of(here / "run") > 1000;
    }
    CHECK((bits(run(here / "run")) == truth));
  }
  CHECK(with_steps > 0);  // some were killed on their way, and not before it
}

}  // namespace

// ZOFT_KILLS=200 takes some seconds.
TEST_CASE("journal: killed at random moments, a run ends with the bits of one that was not", "[journal]") {
  const char* const asked = std::getenv("ZOFT_KILLS");
  const int kills = asked == nullptr ? 6 : std::atoi(asked);
  const auto mezo = [] { return zoft::mezo({.epsilon = 1e-2, .learning_rate = 1e-3, .queries = 2, .seed = 11}); };
  SECTION("mezo, float") { check_killed<float>(kills, mezo); }
  SECTION("mezo, bfloat16") { check_killed<zoft::bfloat16>(kills, mezo); }
  SECTION("mezo_adam") {
    check_killed<float>(kills, [] { return zoft::mezo_adam({.learning_rate = 1e-3, .seed = 11}, killed_shape()); });
  }
  SECTION("lozo") {
    check_killed<float>(kills, [] { return zoft::lozo({.learning_rate = 1e-3, .seed = 11}, killed_shape()); });
  }
  SECTION("anchored momentum") {
    check_killed<float>(kills, [] {
      return zoft::engine{zoft::gaussian{}, zoft::two_point{.epsilon = 1e-2}, zoft::full{.layout = killed_shape()},
                          zoft::anchored<zoft::momentum>{.optimizer = {.learning_rate = 1e-3}, .radius = 0.5},
                          zoft::seed{11}};
    });
  }
  SECTION("sparse_mezo, whose directions depend on the weights") {
    check_killed<float>(kills, [] { return zoft::sparse_mezo({.learning_rate = 1e-3, .seed = 11}); });
  }
}
