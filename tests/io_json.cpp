#include <zoft/io/file/json.hpp>

#include "io_support.hpp"

using namespace io_test;
using namespace zoft::io;

namespace {
json parsed(std::string_view text) { return parse_json(text, "m/config.json"); }
auto parsing(const std::string& text) {
  return [text] { parsed(text); };
}
}  // namespace

TEST_CASE("parse_json: every kind of value, as nlohmann reads it", "[io]") {
  const std::string text =
      R"( {"a": [1, -2, 3.5, true, null, "x\u00e9", {}, [], [[1], {"b": {"c": 0}}]], "d": {"e": [2]}, "": 18446744073709551615} )";
  CHECK(parsed(text) == json::parse(text));
  CHECK(parsed("3") == 3);
  CHECK(parsed("[]") == json::array());
}

TEST_CASE("parse_json: what is wrong is one line with the file's name", "[io]") {
  check_refused(parsing(""), {"m/config.json: is not JSON, or is cut off"});
  check_refused(parsing("{\"a\": 1"), {"m/config.json: is not JSON, or is cut off: byte 8"});
  check_refused(parsing("{\"a\": 1} x"), {"m/config.json: is not JSON"});
  check_refused(parsing("{\"a\": nan}"), {"m/config.json: is not JSON"});
  check_refused(parsing("{\"a\": 1e999}"), {"m/config.json: is not JSON"});
  check_refused(parsing("{\"a\": \"\xff\"}"), {"m/config.json: is not JSON"});
  check_refused(parsing("{\"a\": 1, \"b\": {\"x\": 1}, \"a\": 2}"), {"m/config.json: names 'a' twice"});
  check_refused(parsing("[{\"k\\n\": 1, \"k\\n\": 1}]"), {"m/config.json: names 'k\\x0a' twice"});
  CHECK_NOTHROW(parsed("[{\"k\": 1}, {\"k\": {\"k\": 1}}]"));
}

TEST_CASE("parse_json: deep nesting is refused before it costs anything", "[io]") {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK_NOTHROW(parsed(nested(32)));
  check_refused(parsing(nested(33)), {"m/config.json: is nested more than 32 deep"});
  check_refused(parsing(std::string(5'000'000, '[')), {"m/config.json: is nested more than 32 deep"});
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  check_refused(parsing(objects), {"m/config.json: is nested more than 32 deep"});
}

TEST_CASE("fields: typed, and the message says what was wanted", "[io]") {
  const json object = parsed(R"({"n": 8, "negative": -3, "half": 0.5, "whole_float": 8.0, "huge": 99999999999999999999,
                                 "text": "abc", "list": [1, 2], "object": {}, "null": null, "yes": true, "most": 18446744073709551615})");
  const fields f(object, "m/config.json");
  CHECK(f.whole("n", 1, 8) == 8);
  CHECK(f.whole("absent", 1, 8, 3) == 3);
  CHECK(f.whole("null", 1, 8, 3) == 3);
  CHECK(f.positive("half") == 0.5);
  CHECK(f.positive("n") == 8.0);
  CHECK(f.positive("absent", 2.0) == 2.0);
  CHECK(f.boolean("yes", false));
  CHECK(f.boolean("null", true));
  CHECK(f.string("text") == "abc");
  CHECK(f.string("absent", "def") == "def");

  const auto whole = [&](const char* name) { return [&f, name] { f.whole(name, 1, 100); }; };
  check_refused(whole("absent"), {"m/config.json: absent is missing, and must be a whole number from 1 to 100"});
  check_refused(whole("null"), {"m/config.json: null is missing"});
  check_refused(whole("negative"), {"m/config.json: negative is -3, and must be a whole number from 1 to 100"});
  check_refused(whole("half"), {"m/config.json: half is 0.5, and"});
  check_refused(whole("whole_float"), {"m/config.json: whole_float is 8.0, and"});
  check_refused(whole("huge"), {"m/config.json: huge is 1e+20, and"});
  check_refused(whole("most"), {"m/config.json: most is 18446744073709551615, and"});
  check_refused(whole("text"), {"m/config.json: text is \"abc\", and"});
  check_refused(whole("list"), {"m/config.json: list is a list of 2, and"});
  check_refused(whole("object"), {"m/config.json: object is an object, and"});
  check_refused(whole("yes"), {"m/config.json: yes is true, and"});
  check_refused([&] { f.whole("n", 9, 10); }, {"m/config.json: n is 8, and must be a whole number from 9 to 10"});
  check_refused([&] { f.whole("n", 1, 7); }, {"n is 8, and must be a whole number from 1 to 7"});
  check_refused([&] { f.positive("negative"); }, {"negative is -3, and must be a number above 0"});
  check_refused([&] { f.positive("text"); }, {"text is \"abc\", and must be a number above 0"});
  check_refused([&] { f.positive("absent"); }, {"absent is missing, and must be a number above 0"});
  check_refused([&] { f.boolean("n", false); }, {"n is 8, and must be true or false"});
  check_refused([&] { f.string("n"); }, {"n is 8, and must be a string"});
  check_refused([&] { fields(object["list"], "m/config.json"); },
                {"m/config.json: is a list of 2, and must be an object"});
}
