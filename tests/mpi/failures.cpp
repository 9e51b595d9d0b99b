// What ranks say, and leave as it was, where one of them fails or where they are not the same.
#include <zoft/method/zo_conservative.hpp>

#include "small_model.hpp"

using namespace mpi_test;

TEST_CASE("mpi: a second round that is not finite is one outcome") {
  zoft::mpi::ranks all(world());
  std::vector<float> x = start<float>(), y = x;
  const auto steep = [](std::span<const float> v) { return 1e300 * (v[0] > std::cos(0.0f) ? 1.0 : -1.0); };
  auto shared = zoft::zo_conservative({.epsilon = 1e-2, .learning_rate = 1e20, .seed = 5}), single = shared;
  const zoft::step_report alone = single.step(std::span(y), steep);
  CHECK(alone.status == zoft::status::not_finite);
  check_same(shared.step(std::span(x), steep, all), alone);
  CHECK((bits(x) == bits(start<float>())));
}

TEST_CASE("mpi: a functor that throws on one rank ends the step on all") {
  zoft::mpi::ranks all(world());
  const std::size_t bad = all.size() - 1;
  std::vector<float> x = start<float>(), y = x;
  auto shared = prge(), single = prge();
  for (int i = 0; i < 3; ++i) {
    shared.step(std::span(x), losses, all);
    single.step(std::span(y), losses);
  }
  const auto failing = [&](auto what) {
    return outcome([&] {
      shared.step(
          std::span(x),
          [&](const zoft::candidates<float>& c, std::span<double> to) {
            losses(c, to);
            if (all.rank() >= bad) throw what;
          },
          all);
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
  CHECK(outcome([&] { shared.step(std::span(x), every, all); }) == "logic: rank " + std::to_string(all.rank()));
  check_same(shared.step(std::span(x), losses, all), single.step(std::span(y), losses));
  CHECK((bits(x) == bits(y)));
}

TEST_CASE("mpi: a functor that throws in a later round ends the step on all") {
  zoft::mpi::ranks all(world());
  std::vector<float> x = start<float>();
  auto tuner = zoft::zo_conservative({.epsilon = 1e-2, .learning_rate = 1e-5, .seed = 5});
  const std::size_t last = all.size() - 1;  // has a candidate of the three
  std::size_t calls = 0;
  const auto seen = outcome([&] {
    tuner.step(
        std::span(x),
        [&](std::span<const float> v) {
          if (++calls > share(2, all) && all.rank() == last) throw std::logic_error("late");
          return loss(v);
        },
        all);
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
    check_same(shared.step(std::span(x), losses, all), single.step(std::span(y), losses));
    const auto before = bits(x);
    const zoft::step_report here = shared.step(
        std::span(x),
        [&](const zoft::candidates<float>& c, std::span<double> to) {
          losses(c, to);
          if (all.rank() == all.size() - 1) to.back() = bad;
        },
        all);
    const zoft::step_report alone =
        single.step(std::span(y), [&](const zoft::candidates<float>& c, std::span<double> to) {
          losses(c, to);
          to.back() = bad;
        });
    CHECK(here.status == zoft::status::not_finite);
    check_same(here, alone);
    CHECK((bits(x) == before));
  }
  check_same(shared.step(std::span(x), losses, all), single.step(std::span(y), losses));
  CHECK((bits(x) == bits(y)));
}

TEST_CASE("mpi: an error of MPI is thrown, and changes nothing") {
  zoft::mpi::ranks all(world());
  std::vector<float> x = start<float>();
  auto tuner = prge();
  gathered.error = MPI_ERR_OTHER;
  const std::string said = outcome([&] { tuner.step(std::span(x), losses, all); });
  CHECK(said.starts_with("runtime: zoft: mpi: MPI_Allgatherv failed: "));
  CHECK(tuner.steps() == 0);
  CHECK((bits(x) == bits(start<float>())));
  CHECK(tuner.step(std::span(x), losses, all).status == zoft::status::ok);
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
  const auto step = [&](auto tuner) { return outcome([&] { tuner.step(std::span(x), losses, all); }); };
  const auto other = [&](zoft::prge_options o) {
    zoft::mpi::ranks again(world());
    auto tuner = zoft::prge(o);
    return outcome([&] { tuner.step(std::span(x), losses, again); });
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
  CHECK(outcome([&] { tuner.step(std::span(x), losses, third); }) == expected("number of steps"));

  if (all.size() > 2) {
    zoft::mpi::ranks fourth(world());
    auto several = zoft::prge({.queries = 2, .seed = all.rank() == 1 ? 5u : 6u});
    if (all.rank() > 0) x[0] = 3;
    std::string who = "1";
    for (std::size_t r = 2; r < all.size(); ++r) who += ", " + std::to_string(r);
    CHECK(outcome([&] { several.step(std::span(x), losses, fourth); }) ==
          "invalid: zoft: mpi: not the same as on rank 0: the parameters of rank " + who + "; the seed of rank 1");
  }
}

TEST_CASE("mpi: check finds a difference that came later, also in what the engine does not know") {
  zoft::mpi::ranks all(world());
  auto tuner = prge();
  auto x = start<float>();
  for (int i = 0; i < 3; ++i) tuner.step(std::span(x), losses, all);
  CHECK_NOTHROW(all.check(tuner, std::span(x)));
  CHECK(all.bytes() == 48);
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
