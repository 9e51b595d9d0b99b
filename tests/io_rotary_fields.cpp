// The rotary angles that a config.json asks for. The numbers are those of transformers' ROPE_INIT_FUNCTIONS.
#include <cmath>
#include <string>
#include <vector>

#include "io_families_support.hpp"

using namespace io_test;
namespace nn = zoft::nn;

namespace {

/// The angles that position 1 turns by, as transformers calls them: inv_freq.
std::vector<double> frequencies(const nn::config& c, bool long_ones = false) {
  const std::vector<double>& divisors = long_ones ? c.scaling.long_divisors : c.scaling.divisors;
  std::vector<double> result;
  for (std::size_t i = 0; i < c.rotary_dims / 2; ++i)
    result.push_back(std::pow(c.rope_base, -2.0 * static_cast<double>(i) / static_cast<double>(c.rotary_dims)) /
                     (divisors.empty() ? 1 : divisors.at(i)));
  return result;
}

/// Whether each is within the error of the float32 in which transformers computes them.
void check_frequencies(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO(i << ": " << found[i] << " for " << expected[i]);
    CHECK(std::abs(found[i] / expected[i] - 1) < 1e-6);
  }
}

/// A Llama whose heads have 16 elements.
nn::config rotary_shape(const json& rope, std::size_t context, const json& more = json::object()) {
  json changes = {{"head_dim", 16}, {"max_position_embeddings", context}, {"rope_parameters", rope}};
  changes.update(more);
  return family_shape("llama", changes);
}

}  // namespace

TEST_CASE("rotary fields: linear, dynamic and default angles", "[io]") {
  const std::vector<double> plain{1, .316227764, .1, .0316227786, .01, .00316227786, .001, .000316227786};
  check_frequencies(frequencies(rotary_shape({{"rope_type", "default"}}, 64)), plain);
  check_frequencies(frequencies(rotary_shape({{"rope_type", "dynamic"}, {"factor", 4}}, 64)), plain);
  check_frequencies(frequencies(rotary_shape({{"rope_type", "linear"}, {"factor", 1}}, 64)), plain);
  check_frequencies(frequencies(rotary_shape({{"rope_type", "linear"}, {"factor", 2.5}}, 64)),
                    {.4, .1264911, .04, .0126491114, .004, .00126491114, .0004, .000126491112});
  check_frequencies(frequencies(rotary_shape({{"factor", 2.5}}, 64)), plain);  // of no type
}

TEST_CASE("rotary fields: llama3", "[io]") {
  const json rope = {{"rope_type", "llama3"},  {"rope_theta", 500000},    {"factor", 32.0},
                     {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}, {"original_max_position_embeddings", 8192}};
  const json heads = {{"head_dim", 64}};
  const nn::config c = rotary_shape(rope, 131072, heads);
  check_frequencies(frequencies(c), {1,
                                     .663601279,
                                     .440366626,
                                     .292227834,
                                     .193922758,
                                     .128687382,
                                     .0853971019,
                                     .0566696189,
                                     .0376060307,
                                     .0249554086,
                                     .0165604409,
                                     .0109895291,
                                     .00729266508,
                                     .00483942125,
                                     .00321144611,
                                     .00129054801,
                                     .000429556705,
                                     9.70828623e-05,
                                     1.94616387e-05,
                                     1.29147675e-05,
                                     8.57025589e-06,
                                     5.68723226e-06,
                                     3.77405445e-06,
                                     2.50446715e-06,
                                     1.66196742e-06,
                                     1.10288363e-06,
                                     7.31874934e-07,
                                     4.85673127e-07,
                                     3.22293289e-07,
                                     2.1387423e-07,
                                     1.41927202e-07,
                                     9.41830649e-08});
  CHECK(c.scaling.amplitude == 1);
  CHECK(c.scaling.long_divisors.empty());
  // The original context may also be outside, which counts for more.
  json outside = rope, both = rope;
  outside.erase("original_max_position_embeddings");
  both["original_max_position_embeddings"] = 4096;
  const json top = {{"head_dim", 64}, {"original_max_position_embeddings", 8192}};
  CHECK(rotary_shape(outside, 131072, top).scaling == c.scaling);
  CHECK(rotary_shape(both, 131072, top).scaling == c.scaling);
  CHECK_FALSE(rotary_shape(both, 131072, heads).scaling == c.scaling);
  CHECK(rotary_shape(outside, 8192, heads).scaling == c.scaling);

  for (const std::string field : {"factor", "low_freq_factor", "high_freq_factor"}) {
    json without = rope;
    without.erase(field);
    check_refused([&] { rotary_shape(without, 131072); }, {"rope_parameters: " + field + " is missing"});
  }
  json equal = rope;
  equal["low_freq_factor"] = 4;
  check_refused([&] { rotary_shape(equal, 131072); }, {"low_freq_factor is 4, and must be below high_freq_factor"});
}

TEST_CASE("rotary fields: yarn", "[io]") {
  const json rope = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 2048}};
  const auto with = [&](const json& more) {
    json result = rope;
    result.update(more);
    return result;
  };
  const std::vector<double> slowed{1, .316227764, .1, .025693506, .00625, .00138349656, .00025, 7.90569466e-05};
  const nn::config c = rotary_shape(rope, 8192);
  check_frequencies(frequencies(c), slowed);
  CHECK(std::abs(c.scaling.amplitude - 1.13862944) < 1e-7);
  CHECK(rotary_shape(with({{"factor", nullptr}}), 8192).scaling == c.scaling);  // 8192/2048
  CHECK(rotary_shape(with({{"mscale", 1.0}, {"mscale_all_dim", 0}}), 8192).scaling == c.scaling);
  CHECK(rotary_shape(with({{"attention_factor", nullptr}, {"beta_fast", 32}, {"beta_slow", 1}}), 8192).scaling ==
        c.scaling);
  const nn::config given = rotary_shape(with({{"attention_factor", 1.5}}), 8192);
  check_frequencies(frequencies(given), slowed);
  CHECK(given.scaling.amplitude == 1.5);

  const nn::config scaled = rotary_shape({{"rope_type", "yarn"},
                                          {"factor", 40.0},
                                          {"mscale", 1.0},
                                          {"mscale_all_dim", 0.707},
                                          {"original_max_position_embeddings", 4096},
                                          {"beta_fast", 16},
                                          {"beta_slow", 2}},
                                         163840);
  check_frequencies(frequencies(scaled),
                    {1, .316227764, .1, .0316227786, .00674999924, .00110679714, 2.49999994e-05, 7.90569447e-06});
  CHECK(std::abs(scaled.scaling.amplitude - 1.0857264) < 1e-7);

  const nn::config free = rotary_shape({{"rope_type", "yarn"},
                                        {"rope_theta", 1e6},
                                        {"factor", 4.0},
                                        {"truncate", false},
                                        {"original_max_position_embeddings", 32768}},
                                       131072);
  check_frequencies(frequencies(free), {1, .177827939, .0316227786, .00551727042, .000607408001, 4.44569851e-05,
                                        7.90569356e-06, 1.40585337e-06});
  const json wrong = {{"factor", -1}, {"beta_fast", -1}, {"truncate", 1}, {"mscale", "a"}, {"attention_factor", 0}};
  for (const auto& [field, value] : wrong.items())
    check_refused(
        [&, field = field, value = value] {
          rotary_shape(with({{field, value}, {"mscale_all_dim", 1}}), 8192);
        },
        {config_file + ": rope_parameters: " + field + " is " + value.dump()});
  check_refused([&] { rotary_shape(with({{"rope_theta", 1}}), 8192); }, {"rope_parameters", "not finite"});
}

TEST_CASE("rotary fields: longrope", "[io]") {
  const json lists = {{"short_factor", {1.0, 1.02, 1.05, 1.1, 1.3, 1.7, 2.2, 3.0}},
                      {"long_factor", {1.08, 1.5, 2.5, 4.0, 9.0, 20.0, 40.0, 64.0}}};
  json rope = lists;
  rope["rope_type"] = "longrope";
  const auto phi3 = [&](const json& parameters, const json& more = json::object()) {
    json changes = {{"head_dim", 16}, {"max_position_embeddings", 131072}, {"rope_parameters", parameters}};
    changes.update(more);
    return family_shape("phi3", changes);
  };
  const nn::config c = phi3(rope);
  check_frequencies(frequencies(c),
                    {1, .310027212, .095238097, .0287479796, .0076923077, .00186016329, .000454545458, .000105409257});
  check_frequencies(frequencies(c, true), {.92592591, .210818499, .0399999991, .00790569466, .00111111114,
                                           .000158113893, 2.49999994e-05, 4.94105916e-06});
  CHECK(std::abs(c.scaling.amplitude - 1.19023807) < 1e-7);
  CHECK(c.scaling.long_after == 4096);

  // Phi-3 takes the original context from outside, where it is 4096 if nothing is said, and has two older names.
  json inside = rope, older = lists;
  inside["original_max_position_embeddings"] = 1024;
  CHECK(phi3(inside).scaling == c.scaling);
  CHECK(phi3(rope, {{"original_max_position_embeddings", 8192}}).scaling.long_after == 8192);
  for (const std::string name : {"su", "yarn", "longrope"}) {
    older["type"] = name;
    CHECK(phi3(nullptr, {{"rope_scaling", older}}).scaling == c.scaling);
  }
  check_refused([&] { phi3({{"rope_type", "linear"}, {"factor", 2}}); }, {"rope_type is \"linear\"", "longrope"});
  check_refused([&] { phi3({{"rope_type", "yarn"}, {"factor", 2}}); }, {"short_factor is missing"});
  // A Llama does not.
  CHECK(rotary_shape(inside, 131072).scaling.long_after == 1024);
  CHECK(rotary_shape(rope, 131072).scaling.long_after == 131072);
  CHECK(rotary_shape(rope, 131072).scaling.amplitude == 1);
  older["type"] = "su";
  check_refused([&] { rotary_shape(nullptr, 131072, {{"rope_scaling", older}}); }, {"type is \"su\""});

  for (const std::string list : {"short_factor", "long_factor"}) {
    const auto with = [&](const json& value) {
      json result = rope;
      result[list] = value;
      return [&, result] { phi3(result); };
    };
    check_refused(with(nullptr), {"rope_parameters: " + list + " is missing, and must be a list of 8 numbers"});
    check_refused(with({1, 2}), {"rope_parameters: " + list + " is a list of 2, and must be a list of 8 numbers"});
    check_refused(with(3), {"rope_parameters: " + list + " is 3"});
    check_refused(with({1, 1, 1, 0, 1, 1, 1, 1}), {list + " holds 0, and may hold numbers above 0 only"});
    check_refused(with({1, 1, 1, "a", 1, 1, 1, 1}), {list + " holds \"a\""});
  }
}
