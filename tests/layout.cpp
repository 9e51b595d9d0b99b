#include <zoft/core/layout.hpp>
#include <zoft/engine/points/low_rank_points.hpp>
#include <zoft/sampler/low_rank_gaussian.hpp>

#include "core_support.hpp"

using core_test::message;

TEST_CASE("layout: tensors lie one behind another", "[layout]") {
  zoft::layout shape;
  CHECK(shape.empty());
  CHECK(shape.size() == 0);
  shape.add("attention.q", 64, 32);
  shape.add("bias", 64);
  shape.add("up", 3, 5);
  REQUIRE(shape.tensors().size() == 3);
  CHECK_FALSE(shape.empty());
  CHECK(shape.size() == 64 * 32 + 64 + 15);
  CHECK(shape.tensors()[0].offset == 0);
  CHECK(shape.tensors()[1].offset == 64 * 32);
  CHECK(shape.tensors()[2].offset == 64 * 32 + 64);
  CHECK(shape.tensors()[0].rows == 64);
  CHECK(shape.tensors()[0].columns == 32);
  CHECK(shape.tensors()[0].is_matrix());
  CHECK_FALSE(shape.tensors()[1].is_matrix());
  std::size_t next = 0;
  for (const zoft::tensor& t : shape) {
    CHECK(t.offset == next);
    next += t.size();
  }
  CHECK(next == shape.size());
}

TEST_CASE("layout: what is wrong is said, and nothing is added", "[layout]") {
  zoft::layout shape;
  shape.add("w", 2, 3);
  CHECK(message([&] { shape.add("", 2, 3); }) == "zoft: layout: a tensor has no name");
  CHECK(message([&] { shape.add("v", 0, 3); }) == "zoft: layout: 'v' is 0 by 3, and both must be at least 1");
  CHECK(message([&] { shape.add("v", 3, 0); }) == "zoft: layout: 'v' is 3 by 0, and both must be at least 1");
  CHECK(message([&] { shape.add("w", 1); }) == "zoft: layout: 'w' is there already");
  CHECK(shape.size() == 6);
  CHECK(shape.tensors().size() == 1);
}

TEST_CASE("layout: a vector is a bias or a gain by its name, or as it says", "[layout]") {
  zoft::layout shape;
  shape.add("q_proj.bias", 4);
  shape.add("bias", 4);
  shape.add("unbiased", 4);
  shape.add("b1", 4, zoft::vector_kind::bias);
  shape.add("shift.bias", 4, zoft::vector_kind::gain);
  std::vector<bool> biases;
  for (const zoft::tensor& t : shape) biases.push_back(zoft::biases(t));
  CHECK(biases == std::vector<bool>{true, true, false, true, false});
  CHECK(shape.size() == 20);
  CHECK(message([&] { shape.add("b1", 4, zoft::vector_kind::bias); }) == "zoft: layout: 'b1' is there already");
  zoft::layout unsaid;
  unsaid.add("b1", 4);
  CHECK(unsaid.tensors()[0] != shape.tensors()[3]);
}

TEST_CASE("layout: points beside a model's weights hold biases and gains as the layout says", "[layout]") {
  zoft::layout shape;
  shape.add("first.weight", 3, 2);
  shape.add("b1", 3, zoft::vector_kind::bias);
  shape.add("norm.weight", 3);
  const std::vector<zoft::point> points{{0, 0.5}, {0, -0.5}};
  const zoft::low_rank_gaussian sampler{.layout = shape, .rank = 1};
  zoft::low_rank_points beside;
  const std::vector z{sampler.at({1, 0, 0})};
  const zoft::adapter_stack stack = beside.show(shape, {true, true, true}, z, true, {1, 0, 0}, points);
  CHECK((stack.biases.size() == 1 && stack.biases.count("b1") == 1));
  CHECK((stack.gains.size() == 1 && stack.gains.count("norm") == 1));
}
