#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <utility>
#include <zoft/io/file/memory_map.hpp>
#include <zoft/io/file/output_file.hpp>
#include <zoft/io/file/printable.hpp>
#include <zoft/io/file/utf8.hpp>

#include "io_support.hpp"

using namespace io_test;
using namespace zoft::io;

TEST_CASE("memory_map: the bytes of a file, which a move carries along", "[io]") {
  const scratch folder;
  memory_map first(folder.write("short", "x"));
  CHECK(first.bytes().size() == 1);
  const std::string content = bytes_of(std::int32_t{-7}) + "abc";
  memory_map second(folder.write("more", content));
  REQUIRE(second.bytes().size() == 7);
  CHECK(load<std::int32_t>(second.bytes(), 0) == -7);
  CHECK(load<std::uint16_t>(second.bytes(), 5) == 'b' + 256 * 'c');

  const auto view = second.bytes();
  memory_map third(std::move(second));
  CHECK(third.bytes().data() == view.data());
  CHECK(second.bytes().empty());
  first = std::move(third);
  CHECK(first.bytes().data() == view.data());
  CHECK(third.bytes().empty());
  CHECK(load<std::int32_t>(view, 0) == -7);
}

TEST_CASE("memory_map: what is no readable file is refused, and not waited for", "[io]") {
  const scratch folder;
  const auto open = [](const std::string& path) { return [path] { memory_map file(path); }; };
  check_refused(open(folder.path("none")), {folder.path("none"), "No such file"});
  check_refused(open(folder.path()), {folder.path(), "is a directory"});
  check_refused(open(folder.write("empty", "")), {folder.path("empty"), "is empty"});
  REQUIRE(::mkfifo(folder.path("pipe").c_str(), 0600) == 0);
  check_refused(open(folder.path("pipe")), {folder.path("pipe"), "is a pipe or a device"});
  check_refused(open("/dev/zero"), {"/dev/zero", "is a pipe or a device"});
  check_refused(open(""), {"path of a file is empty"});
  check_refused(open(folder.path("empty/below")), {folder.path("empty/below"), "Not a directory"});
}

TEST_CASE("output_file: whole or not at all", "[io]") {
  const scratch folder;
  const std::string path = folder.write("out", "before");
  {
    output_file file(path);
    file.write("after");
    CHECK(read_file(path) == "before");
  }
  CHECK(read_file(path) == "before");
  CHECK(folder.files() == 1);
  {
    output_file file(path);
    file.write("aft");
    file.write("er");
    file.commit();
  }
  CHECK(read_file(path) == "after");
  CHECK(folder.files() == 1);

  check_refused([&] { output_file file(folder.path()); }, {folder.path(), "is a directory"});
  check_refused([&] { output_file file(folder.path("none/out")); }, {folder.path("none/out"), "No such file"});
  check_refused([&] { output_file file(""); }, {"empty"});
  check_refused([&] { make_folder(path); }, {path});
  check_refused([&] { make_folder(path + "/below"); }, {path + "/below"});
  make_folder(folder.path("a/b"));
  make_folder(folder.path("a/b"));
  CHECK(std::filesystem::is_directory(folder.path("a/b")));
}

TEST_CASE("output_file: a disk that takes no more leaves what was there", "[io]") {
  const scratch folder;
  const std::string path = folder.write("out", "before");
  struct limited {
    rlimit before{};
    void (*handler)(int) = std::signal(SIGXFSZ, SIG_IGN);
    limited() {
      ::getrlimit(RLIMIT_FSIZE, &before);
      const rlimit small{1000, before.rlim_max};
      ::setrlimit(RLIMIT_FSIZE, &small);
    }
    ~limited() {
      ::setrlimit(RLIMIT_FSIZE, &before);
      std::signal(SIGXFSZ, handler);
    }
  };
  std::string message;
  {
    const limited limit;
    message = message_of([&] {
      output_file file(path);
      file.write(std::string(100'000, 'x'));
      file.commit();
    });
  }
  CHECK(message == "zoft: " + path + ": cannot be written: File too large");
  CHECK(read_file(path) == "before");
  CHECK(folder.files() == 1);
}

TEST_CASE("printable: one line of plain characters, not too long", "[io]") {
  CHECK(printable("model.norm.weight") == "model.norm.weight");
  CHECK(printable("a\nb\x1b[31m\xff") == "a\\x0ab\\x1b[31m\\xff");
  CHECK(printable(std::string(1000, 'a'), 10) == "aaaaaaaaaa...");
}

TEST_CASE("code_point_length: UTF-8 by the book", "[io]") {
  const auto length = [](std::string_view text) { return code_point_length(text, 0); };
  CHECK(length("a") == 1);
  CHECK(length(std::string_view("\0", 1)) == 1);
  CHECK(length("\xc3\xa9") == 2);
  CHECK(length("\xe2\x82\xac") == 3);
  CHECK(length("\xf0\x9f\x98\x80") == 4);
  CHECK(length("\xf4\x8f\xbf\xbf") == 4);
  CHECK(length("\xed\x9f\xbf") == 3);
  for (const char* bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3z", "\xe0\x9f\xbf", "\xe2\x82", "\xe2\x82z",
        "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf0\x9f\x98", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    INFO(printable(bad));
    CHECK(length(bad) == 0);
    CHECK_FALSE(is_utf8(std::string("x") + bad));
  }
  CHECK(is_utf8("na\xc3\xafve \xe2\x82\xac"));
}
