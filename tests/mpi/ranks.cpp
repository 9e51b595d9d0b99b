// Runs on several ranks, which must be those of one engine by itself. mpiexec starts this program on each rank. All
// ranks go through the tests in the same order, so a test makes its calls on all of them.
#include <array>
#include <cstring>
#include <optional>
#include <zoft/estimator/per_example.hpp>
#include <zoft/lozo.hpp>
#include <zoft/method/mezo_adam.hpp>
#include <zoft/method/sparse_mezo.hpp>
#include <zoft/method/zo_conservative.hpp>
#include <zoft/mezo.hpp>
#include <zoft/mpi.hpp>
#include <zoft/prge.hpp>

#include "../journal_support.hpp"

using core_test::bits, core_test::message;

namespace {

/// What the library's calls of MPI_Allgatherv were, and what the next one is to return in place of its work.
struct gathers {
  std::size_t calls = 0, bytes = 0;
  int error = MPI_SUCCESS;
} gathered;

}  // namespace

// MPI's profiling interface lets a program stand in for a function.
extern "C" int MPI_Allgatherv(const void* from, int n, MPI_Datatype type, void* to, const int* counts,
                              const int* begins, MPI_Datatype of, MPI_Comm comm) {
  if (gathered.error != MPI_SUCCESS) return std::exchange(gathered.error, MPI_SUCCESS);
  int size = 0;
  MPI_Type_size(type, &size);
  ++gathered.calls;
  gathered.bytes += static_cast<std::size_t>(n * size);
  return PMPI_Allgatherv(from, n, type, to, counts, begins, of, comm);
}

namespace {

/// MPI, from the first test until the program's end.
MPI_Comm world() {
  struct running {
    running() { MPI_Init(nullptr, nullptr); }
    ~running() { MPI_Finalize(); }
  };
  static const running program;
  return MPI_COMM_WORLD;
}

constexpr std::uint32_t steps = 20;

template <class T>
std::vector<T> start(std::size_t n = 150) {
  std::vector<T> result;
  for (const double v : core_test::cosines(n)) result.push_back(T(static_cast<float>(v)));
  return result;
}

template <class T>
double loss(std::span<const T> x) {
  std::vector<double> wide;
  for (const T v : x) wide.push_back(core_test::value(v));
  return core_test::ellipsoid<double>(wide, 100);
}
void losses(zoft::candidates<float> c, std::span<double> to) {
  for (std::size_t i = 0; i < c.size(); ++i) to[i] = loss(c[i]);
}

/// How many of n candidates this rank has, if they are dealt out by `unit`: those units whose number u has
/// u < units·(r + 1)/N but not u < units·r/N.
std::size_t share(std::size_t n, const zoft::mpi::ranks& all, std::size_t unit = 1) {
  std::size_t result = 0;
  for (std::size_t u = 0; u < n / unit; ++u) {
    std::size_t owner = 0;
    while (u >= n / unit * (owner + 1) / all.size()) ++owner;
    result += owner == all.rank() ? unit : 0;
  }
  return result;
}

void check_same(const zoft::step_report& a, const zoft::step_report& b) {
  CHECK(a.step == b.step);
  CHECK(a.status == b.status);
  CHECK(bits(std::vector{a.probe_loss, a.moved}) == bits(std::vector{b.probe_loss, b.moved}));
  CHECK((bits(a.projected_gradients) == bits(b.projected_gradients)));
  CHECK(a.evaluations == b.evaluations);
}

/// Makes steps with all ranks and with an engine by itself: together(engine) and alone(engine), whose parameters are
/// state(engine). rounds are how many candidates each has.
template <class Engine, class Together, class Alone, class State>
void check_steps(zoft::mpi::ranks& all, Engine shared, Engine single, std::vector<std::size_t> rounds,
                 Together together, Alone alone, State state, std::size_t unit = 1) {
  const auto begin = state(shared, true);
  for (std::uint32_t i = 0; i < steps; ++i) {
    gathered = {};
    check_same(together(shared), alone(single));
    CHECK(gathered.calls == rounds.size());
    CHECK(all.bytes() == gathered.bytes + (i == 0 ? 40 : 0));
    REQUIRE((state(shared, true) == state(single, false)));
    std::size_t sent = i == 0 ? 40 : 0;
    for (const std::size_t n : rounds) sent += 8 * (1 + share(n, all, unit));
    CHECK(all.bytes() == sent);
    CHECK(all.bytes() <= 8 * shared.evaluations() + 64);
  }
  CHECK((state(shared, true) != begin));
}

template <class T, class Engine, class F>
void check_buffer(Engine tuner, std::vector<std::size_t> rounds, F functor, std::size_t unit = 1) {
  zoft::mpi::ranks all(world());
  std::vector<T> x = start<T>(), y = x;
  check_steps(
      all, tuner, tuner, rounds, [&](auto& t) { return all.step(t, std::span(x), functor); },
      [&](auto& t) { return t.step(std::span(y), functor); },
      [&](const auto&, bool shared) { return bits(shared ? x : y); }, unit);
  CHECK_NOTHROW(all.check(std::span(x)));
}

struct small_model {
  zoft::layout linears;
  small_model() {
    linears.add("up", 20, 12);
    linears.add("down", 12, 20);
  }
  const zoft::layout& layout() const { return linears; }

  /// Σ |s·BA − target|² over the linears, the target's entries 0.01·(row − column).
  double loss(const zoft::low_rank_stack& adapters, std::size_t group) const {
    double sum = 0;
    for (const zoft::tensor& t : linears) {
      const zoft::low_rank& l = *adapters.find(t.name);
      for (std::size_t row = 0; row < l.out; ++row)
        for (std::size_t column = 0; column < l.in; ++column) {
          double v = -0.01 * (static_cast<double>(row) - static_cast<double>(column));
          for (std::size_t k = 0; k < l.rank; ++k)
            v += static_cast<double>(l.scale_of(group) * l.b_of(group)[row * l.rank + k]) *
                 static_cast<double>(l.a_of(group)[k * l.in + column]);
          sum += v * v;
        }
    }
    return sum;
  }
};

template <class Engine, class F>
void check_adapter(Engine tuner, std::vector<std::size_t> rounds, F functor) {
  zoft::mpi::ranks all(world());
  tuner.attach(small_model());
  check_steps(
      all, tuner, tuner, rounds, [&](auto& t) { return all.step(t, functor); },
      [&](auto& t) { return t.step(functor); },
      [&](const auto& t, bool) {
        const auto trained = t.adapter().parameters();
        return bits(std::vector<float>(trained.begin(), trained.end()));
      });
}

/// A model that keeps its weights.
struct keeping {
  using weight_type = double;
  std::vector<double> weights = start<double>(60);

  zoft::layout weights_layout() const {
    zoft::layout result;
    result.add("up", 5, 8);
    result.add("gain", 20);
    return result;
  }
  template <class F>
  void update_weights(const std::vector<bool>& moves, F f, bool) {
    if (moves[0]) f(std::uint64_t{0}, std::span(weights).first(40));
    if (moves[1]) f(std::uint64_t{40}, std::span(weights).subspan(40));
  }
  void losses(const zoft::weight_points<double>& points, std::span<double> to) const {
    for (std::size_t i = 0; i < points.size(); ++i) {
      std::vector<double> z(weights.size());
      points.noise(points.points[i].query, 0, z);
      for (std::size_t j = 0; j < z.size(); ++j)
        z[j] = core_test::multiply_add(points.points[i].scale, z[j], weights[j]);
      to[i] = loss<double>(z);
    }
  }
};

template <class Engine>
void check_model(Engine tuner, std::vector<std::size_t> rounds) {
  zoft::mpi::ranks all(world());
  keeping shared, single;
  check_steps(
      all, tuner, tuner, rounds,
      [&](auto& t) { return all.step(t, shared, [&](const auto& c, std::span<double> to) { shared.losses(c, to); }); },
      [&](auto& t) { return t.step(single, [&](const auto& c, std::span<double> to) { single.losses(c, to); }); },
      [&](const auto&, bool together) { return bits(together ? shared.weights : single.weights); });
  all.check(shared);
  if (all.rank() == 1) shared.weights[50] = 3;
  CHECK(message([&] { all.check(shared); }).ends_with("the parameters of rank 1") == (all.size() > 1));
}

/// What f throws, by its type and text.
template <class F>
std::string outcome(F f) {
  try {
    f();
  } catch (const std::invalid_argument& e) {
    return std::string("invalid: ") + e.what();
  } catch (const std::runtime_error& e) {
    return std::string("runtime: ") + e.what();
  } catch (const std::logic_error& e) {
    return std::string("logic: ") + e.what();
  } catch (int n) {
    return "int: " + std::to_string(n);
  }
  return "nothing";
}

auto prge() { return zoft::prge({.queries = 4, .epsilon = 1e-2, .learning_rate = 1e-3, .seed = 7}); }

}  // namespace

TEST_CASE("mpi: ranges are contiguous, and their sizes differ by at most one unit") {
  for (std::size_t size = 1; size < 9; ++size)
    for (const std::size_t unit : {1u, 3u})
      for (std::size_t n = 0; n < 30; n += unit) {
        std::size_t next = 5;
        for (std::size_t r = 0; r < size; ++r) {
          const zoft::mpi::range own = zoft::mpi::part(5, n, unit, r, size);
          CHECK(own.first == next);
          CHECK(own.count % unit == 0);
          CHECK((own.count / unit == n / unit / size || own.count / unit == (n / unit + size - 1) / size));
          next += own.count;
        }
        CHECK(next == 5 + n);
      }
  std::size_t sum = 0;  // 8 is two units of 3, and one of 2
  for (std::size_t r = 0; r < 2; ++r) sum += zoft::mpi::part(0, 8, 3, r, 2).count;
  CHECK(sum == 8);
}

TEMPLATE_TEST_CASE("mpi: mezo has the bits of one engine", "", float, double, zoft::bfloat16) {
  const auto mezo = [](std::size_t q) {
    return zoft::mezo({.epsilon = 1e-2, .learning_rate = 1e-3, .queries = q, .seed = 42});
  };
  check_buffer<TestType>(mezo(1), {2}, loss<TestType>);
  check_buffer<TestType>(mezo(3), {6}, loss<TestType>);
}

TEST_CASE("mpi: methods that keep something of their steps have the bits of one engine") {
  zoft::layout shape;
  shape.add("up", 10, 13);
  shape.add("gain", 20);
  check_buffer<float>(zoft::lozo({.learning_rate = 1e-4, .seed = 11}, shape), {2}, loss<float>);
  check_buffer<float>(zoft::mezo_adam({.learning_rate = 1e-3, .seed = 11}, shape), {2}, losses);
  check_buffer<float>(zoft::sparse_mezo({.learning_rate = 1e-4, .seed = 11}), {2}, losses);
}

TEST_CASE("mpi: prge has the bits of one engine, with each form of a functor") {
  check_buffer<float>(prge(), {8}, losses);
  check_buffer<float>(prge(), {8}, loss<float>);
  std::size_t most = 0;
  const auto seen = [&](const zoft::candidates<float>& c, std::span<double> to) {
    most = std::max(most, c.size());
    losses(c, to);
  };
  zoft::mpi::ranks all(world(), zoft::per_call{2});
  std::vector<float> x = start<float>();
  auto tuner = prge();
  all.step(tuner, std::span(x), seen);
  CHECK(most == std::min<std::size_t>(2, share(8, all)));
}

TEST_CASE("mpi: losses of one example each stay with their examples") {
  constexpr std::size_t examples = 3;
  const zoft::engine tuner{zoft::gaussian{},
                           zoft::per_example<>{.each = {.epsilon = 1e-2, .queries = 2}, .examples = examples},
                           zoft::full{}, zoft::sgd{.learning_rate = 1e-3}, zoft::seed{3}};
  const auto of_examples = [](const zoft::candidates<float>& c, zoft::example_losses to) {
    for (std::size_t i = 0; i < c.size(); ++i) to[i] = loss(c[i]) * static_cast<double>(1 + to.example_of(i));
  };
  check_buffer<float>(tuner, {12}, of_examples, examples);
  check_buffer<float>(
      tuner, {12}, [](std::span<const float> x, zoft::example e) { return loss(x) * static_cast<double>(1 + e.index); },
      examples);
}

TEST_CASE("mpi: an owning adapter has the bits of one engine") {
  const small_model model;
  const auto tuner =
      zoft::prge({.queries = 4, .epsilon = 1e-2, .learning_rate = 1e-3, .seed = 7}, zoft::lora_fa{.rank = 3});
  check_adapter(tuner, {8}, [&](const zoft::low_rank_stack& c, std::span<double> to) {
    for (std::size_t i = 0; i < c.size(); ++i) to[i] = model.loss(c, i);
  });
  check_adapter(tuner, {8}, [&](const zoft::low_rank_stack& c) { return model.loss(c, 0); });
}

TEST_CASE("mpi: an estimator whose points come in rounds has the bits of one engine") {
  const auto tuner = zoft::zo_conservative({.epsilon = 1e-2, .learning_rate = 1e-5, .seed = 5});
  check_buffer<float>(tuner, {2, 3}, losses);
  check_buffer<double>(tuner, {2, 3}, loss<double>);
  const small_model model;
  const auto adapting =
      zoft::zo_conservative({.epsilon = 1e-2, .learning_rate = 1e-3, .seed = 5}, zoft::lora_fa{.rank = 3});
  check_adapter(adapting, {2, 3}, [&](const zoft::low_rank_stack& c, std::span<double> to) {
    REQUIRE(to.size() == c.size());
    for (std::size_t i = 0; i < c.size(); ++i) to[i] = model.loss(c, i);
  });
}

TEST_CASE("mpi: a model that keeps its weights has the bits of one engine") {
  check_model(zoft::mezo({.epsilon = 1e-2, .learning_rate = 1e-4, .queries = 3, .seed = 42}), {6});
  check_model(zoft::zo_conservative({.epsilon = 1e-2, .learning_rate = 1e-5, .seed = 5}), {2, 3});
}

TEST_CASE("mpi: a second round that is not finite is one outcome") {
  zoft::mpi::ranks all(world());
  std::vector<float> x = start<float>(), y = x;
  const auto steep = [](std::span<const float> v) { return 1e300 * (v[0] > std::cos(0.0f) ? 1.0 : -1.0); };
  auto shared = zoft::zo_conservative({.epsilon = 1e-2, .learning_rate = 1e20, .seed = 5}), single = shared;
  const zoft::step_report alone = single.step(std::span(y), steep);
  CHECK(alone.status == zoft::status::not_finite);
  check_same(all.step(shared, std::span(x), steep), alone);
  CHECK((bits(x) == bits(start<float>())));
}

TEST_CASE("mpi: the first candidates of each form are the same numbers") {
  const std::vector<float> values = start<float>(60);
  const zoft::candidates<float> c(values.data(), 6, 10);
  CHECK(zoft::mpi::leading(c, 2).size() == 2);
  CHECK(zoft::mpi::leading(c, 2)[1].data() == c[1].data());
  zoft::low_rank_stack linears(6);
  linears.add("up", {.a = values.data(), .b = values.data() + 2, .b_stride = 4, .rank = 1, .in = 2, .out = 4});
  zoft::adapter_stack all(linears);
  all.biases["up"] = {values.data(), 3, 3};
  all.gains["norm"] = {values.data(), 3, 3};
  all.prefixes["attention"] = {values.data(), values.data() + 1, 2, 1, 1};
  const zoft::adapter_stack first = zoft::mpi::leading(all, 4);
  CHECK(first.size() == 4);
  CHECK(first.linears.linears() == 1);
  CHECK(first.linears.find("up")->b_of(3) == linears.find("up")->b_of(3));
  CHECK(first.biases.at("up").of(3) == values.data() + 9);
  CHECK(first.gains.at("norm").of(3) == values.data() + 9);
  CHECK(first.prefixes.at("attention").values_of(3) == values.data() + 7);
  const zoft::weight_points<float> points{{{0, 1.0}, {1, 2.0}, {0, -1.0}}, {true}, {}};
  REQUIRE(zoft::mpi::leading(points, 2).size() == 2);
  CHECK(zoft::mpi::leading(points, 2).points[1].scale == 2);
}

TEST_CASE("mpi: a functor that throws on one rank ends the step on all") {
  zoft::mpi::ranks all(world());
  const std::size_t bad = all.size() - 1;
  std::vector<float> x = start<float>(), y = x;
  auto shared = prge(), single = prge();
  for (int i = 0; i < 3; ++i) {
    all.step(shared, std::span(x), losses);
    single.step(std::span(y), losses);
  }
  const auto failing = [&](auto what) {
    return outcome([&] {
      all.step(shared, std::span(x), [&](const zoft::candidates<float>& c, std::span<double> to) {
        losses(c, to);
        if (all.rank() >= bad) throw what;
      });
    });
  };
  const bool own = all.rank() == bad;
  const std::string prefix = "runtime: zoft: mpi: rank " + std::to_string(bad) + " threw in step 3: ";
  CHECK(failing(std::logic_error("no batch")) == (own ? "logic: no batch" : prefix + "no batch"));
  CHECK(failing(std::logic_error("")) == (own ? "logic: " : prefix));
  CHECK(failing(13) == (own ? "int: 13" : prefix + "an exception that is no std::exception"));
  const std::string log(5000, 'x');
  CHECK(failing(std::logic_error(log)) == (own ? "logic: " + log : prefix + log.substr(0, 1000)));
  CHECK(shared.steps() == 3);
  CHECK((bits(x) == bits(y)));
  const auto every = [&](const zoft::candidates<float>&, std::span<double>) {
    throw std::logic_error("rank " + std::to_string(all.rank()));
  };
  CHECK(outcome([&] { all.step(shared, std::span(x), every); }) == "logic: rank " + std::to_string(all.rank()));
  check_same(all.step(shared, std::span(x), losses), single.step(std::span(y), losses));
  CHECK((bits(x) == bits(y)));
}

TEST_CASE("mpi: a functor that throws in a later round ends the step on all") {
  zoft::mpi::ranks all(world());
  std::vector<float> x = start<float>();
  auto tuner = zoft::zo_conservative({.epsilon = 1e-2, .learning_rate = 1e-5, .seed = 5});
  const std::size_t last = all.size() - 1;  // has a candidate of the three
  std::size_t calls = 0;
  const auto seen = outcome([&] {
    all.step(tuner, std::span(x), [&](std::span<const float> v) {
      if (++calls > share(2, all) && all.rank() == last) throw std::logic_error("late");
      return loss(v);
    });
  });
  CHECK(seen == (all.rank() == last ? "logic: late"
                                    : "runtime: zoft: mpi: rank " + std::to_string(last) + " threw in step 0: late"));
  CHECK(tuner.steps() == 0);
  CHECK((bits(x) == bits(start<float>())));
}

TEST_CASE("mpi: a loss that is not finite on one rank is the same outcome on all") {
  zoft::mpi::ranks all(world());
  std::vector<float> x = start<float>(), y = x;
  auto shared = prge(), single = prge();
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    check_same(all.step(shared, std::span(x), losses), single.step(std::span(y), losses));
    const auto before = bits(x);
    const zoft::step_report here =
        all.step(shared, std::span(x), [&](const zoft::candidates<float>& c, std::span<double> to) {
          losses(c, to);
          if (all.rank() == all.size() - 1) to.back() = bad;
        });
    const zoft::step_report alone =
        single.step(std::span(y), [&](const zoft::candidates<float>& c, std::span<double> to) {
          losses(c, to);
          to.back() = bad;
        });
    CHECK(here.status == zoft::status::not_finite);
    check_same(here, alone);
    CHECK((bits(x) == before));
  }
  check_same(all.step(shared, std::span(x), losses), single.step(std::span(y), losses));
  CHECK((bits(x) == bits(y)));
}

TEST_CASE("mpi: an error of MPI is thrown, and changes nothing") {
  zoft::mpi::ranks all(world());
  std::vector<float> x = start<float>();
  auto tuner = prge();
  gathered.error = MPI_ERR_OTHER;
  const std::string said = outcome([&] { all.step(tuner, std::span(x), losses); });
  CHECK(said.starts_with("runtime: zoft: mpi: MPI_Allgatherv failed: "));
  CHECK(tuner.steps() == 0);
  CHECK((bits(x) == bits(start<float>())));
  CHECK(all.step(tuner, std::span(x), losses).status == zoft::status::ok);
}

TEST_CASE("mpi: ranks that begin with something else are named") {
  zoft::mpi::ranks all(world());
  const std::size_t last = all.size() - 1;
  const bool odd = all.rank() == last && last > 0;
  const auto expected = [&](const std::string& what) {
    return last == 0
               ? "nothing"
               : "invalid: zoft: mpi: not the same as on rank 0: the " + what + " of rank " + std::to_string(last);
  };
  auto x = start<float>();
  const auto step = [&](auto tuner) { return outcome([&] { all.step(tuner, std::span(x), losses); }); };
  const auto other = [&](zoft::prge_options o) {
    zoft::mpi::ranks again(world());
    auto tuner = zoft::prge(o);
    return outcome([&] { again.step(tuner, std::span(x), losses); });
  };
  if (odd) x[149] = std::nextafter(x[149], 10.0f);
  CHECK(step(prge()) == expected("parameters"));
  x = start<float>();
  CHECK(other({.queries = 2, .seed = odd ? 3u : 4u}) == expected("seed"));
  x = start<float>();
  CHECK(other({.queries = odd ? 3u : 2u, .seed = 4}) == expected("number of evaluations"));

  x = start<float>();
  zoft::mpi::ranks third(world());
  auto tuner = prge();
  std::vector<float> beside = x;
  if (odd) tuner.step(std::span(beside), losses);
  CHECK(outcome([&] { third.step(tuner, std::span(x), losses); }) == expected("number of steps"));

  if (all.size() > 2) {
    zoft::mpi::ranks fourth(world());
    auto several = zoft::prge({.queries = 2, .seed = all.rank() == 1 ? 5u : 6u});
    if (all.rank() > 0) x[0] = 3;
    std::string who = "1";
    for (std::size_t r = 2; r < all.size(); ++r) who += ", " + std::to_string(r);
    CHECK(outcome([&] { fourth.step(several, std::span(x), losses); }) ==
          "invalid: zoft: mpi: not the same as on rank 0: the parameters of rank " + who + "; the seed of rank 1");
  }
}

TEST_CASE("mpi: check finds a difference that came later, also in what the engine does not know") {
  zoft::mpi::ranks all(world());
  auto tuner = prge();
  auto x = start<float>();
  for (int i = 0; i < 3; ++i) all.step(tuner, std::span(x), losses);
  CHECK_NOTHROW(all.check(tuner, std::span(x)));
  CHECK(all.bytes() == 40);
  const bool odd = all.rank() == 1;
  const std::string expected =
      all.size() == 1 ? "nothing" : "invalid: zoft: mpi: not the same as on rank 0: the parameters of rank 1";
  if (odd) x[5] = -x[5];
  CHECK(outcome([&] { all.check(std::span(x)); }) == expected);
  CHECK(outcome([&] { all.check(tuner, std::span(x)); }) == expected);

  // The A of lora_fa is not trained, and comes from the seed.
  auto adapting = zoft::prge({.queries = 2, .seed = 7}, zoft::lora_fa{.rank = 3});
  adapting.attach(small_model());
  CHECK_NOTHROW(all.check(adapting));
  auto begun = zoft::low_rank_values{"up", std::vector<float>(36, odd ? 1.0f : 2.0f), std::vector<float>(60)};
  auto beginning = zoft::prge({.queries = 2, .seed = 7}, zoft::lora_fa{.rank = 3, .start = {begun}});
  beginning.attach(small_model());
  CHECK(outcome([&] { all.check(beginning); }) == expected);

  // A rank that cannot say what it begins with.
  auto attached = zoft::prge({.queries = 2, .seed = 7}, zoft::lora_fa{.rank = 3});
  if (!odd) attached.attach(small_model());
  const std::string said = "zoft: engine: the adapter is not attached to a model yet: call attach first";
  CHECK(outcome([&] { all.check(attached); }) == (all.size() == 1 ? "nothing"
                                                  : odd           ? "invalid: " + said
                                                        : "runtime: zoft: mpi: rank 1 threw in step 0: " + said));
}

TEST_CASE("mpi: a journal that rank 0 writes has the run, for one engine and for ranks that go on") {
  zoft::mpi::ranks all(world());
  std::optional<journal_test::folder> here;
  std::array<char, 512> path{};
  if (all.rank() == 0) {
    here.emplace();
    std::strncpy(path.data(), (*here / "run").c_str(), path.size() - 1);
  }
  MPI_Bcast(path.data(), static_cast<int>(path.size()), MPI_CHAR, 0, world());
  auto x = start<float>();
  for (const std::uint32_t until : {12u, 20u}) {
    x = start<float>();
    auto tuner = prge();
    zoft::mpi::ranks together(world());
    std::optional<zoft::journal> log;
    if (all.rank() == 0) log.emplace(path.data(), zoft::journal_options{.check_every = 5});
    if (log) log->resume(tuner, std::span(x));
    MPI_Barrier(world());
    if (!log) zoft::replay(path.data(), tuner, std::span(x));
    CHECK(tuner.steps() == (until == 12 ? 0u : 12u));
    while (tuner.steps() < until) {
      const zoft::step_report made = together.step(tuner, std::span(x), losses);
      if (log) log->append(made);
    }
  }
  MPI_Barrier(world());
  auto y = start<float>(), z = y;
  auto again = prge(), never = prge();
  CHECK(zoft::replay(path.data(), again, std::span(y)) == steps);
  for (std::uint32_t i = 0; i < steps; ++i) never.step(std::span(z), losses);
  CHECK((bits(x) == bits(z)));
  CHECK((bits(y) == bits(z)));
  MPI_Barrier(world());
}
