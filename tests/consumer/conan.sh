#!/bin/sh
# Makes the Conan package and builds a consumer of it, in a Conan home of its own: sh conan.sh CONAN PROJECT HOME
set -eu
conan=$1
project=$2
CONAN_HOME=$3
export CONAN_HOME
"$conan" profile detect --force >/dev/null 2>&1
# No remote is asked: the core depends on nothing.
"$conan" create "$project/packaging/conan" --no-remote -s compiler.cppstd=20
rm -rf "$project/packaging/conan/test_package/build"
