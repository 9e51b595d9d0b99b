#include <zoft/core/layout.hpp>

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
