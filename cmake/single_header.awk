# Writes one header that holds another with all of zoft that it includes:
#
#   awk -f cmake/single_header.awk include/zoft/prge.hpp >prge.hpp
#
# Each file is written once, where it is first included, as it stands; so is each system header. Do not include both the
# result and zoft's own headers in one translation unit.

function fail(message) {
  print "single_header.awk: " message >"/dev/stderr"
  failed = 1
  exit 1
}

# folder/../x is x, so that a file has one name.
function resolved(path) {
  while (match(path, /[^\/.][^\/]*\/\.\.\//)) path = substr(path, 1, RSTART - 1) substr(path, RSTART + RLENGTH)
  return path
}

# Writes a file. `depth` counts the #if that are open in it.
function write(file,   line, folder, name, depth, read) {
  folder = file
  sub(/[^\/]*$/, "", folder)
  while ((read = (getline line <file)) > 0) {
    if (line ~ /^ *# *if/) ++depth
    if (line ~ /^ *# *endif/) --depth
    if (line ~ /^#include "/) {
      name = resolved(folder substr(line, 11, index(substr(line, 11), "\"") - 1))
      if (depth) fail(file " includes " name " in an #if, which one header cannot")
      if (!(name in written)) {
        written[name] = 1
        write(name)
      }
    } else if (line ~ /^#include </ && !depth) {
      if (!(line in written)) print line
      written[line] = 1
    } else if (line !~ /^#pragma once/) {
      print line
    }
  }
  if (read < 0) fail(file " cannot be read")
  close(file)
}

BEGIN {
  if (ARGC != 2) fail("one header must be named")
  root = ARGV[1]
  if (!sub(/zoft\/[^\/]*$/, "", root)) fail(ARGV[1] " is not include/zoft/NAME.hpp")
  while ((getline line <(root "zoft/version.hpp")) > 0)
    if (match(line, /^#define ZOFT_VERSION_(MAJOR|MINOR|PATCH) /)) version = version "." substr(line, RLENGTH + 1)
  print "// zoft " substr(version, 2) ": " substr(ARGV[1], length(root) + 1) " and all that it includes."
  print "// Made by cmake/single_header.awk: change zoft's own headers instead.\n//"
  while ((getline line <(root "../LICENSE")) > 0) print line == "" ? "//" : "// " line
  print "#pragma once\n"
  written[ARGV[1]] = 1
  write(ARGV[1])
  exit
}

END { exit failed }
