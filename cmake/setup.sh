# shellcheck shell=sh
# What demo.sh and test.sh share: finding out what is missing, installing just that, configuring and building.
# Sourced by them, from the project's folder `root`. What is said here goes to standard error.
: "${root:?}"

say() { printf 'zoft: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

has_command() { command -v "$1" >/dev/null 2>&1; }

# has_header PATH...: one of them is in a place where compilers look.
has_header() {
  for header; do
    for folder in /usr/include /usr/local/include /usr/include/eigen3 /usr/local/include/eigen3 /opt/homebrew/include; do
      [ -e "$folder/$header" ] && return 0
    done
  done
  return 1
}

# is_compiler COMMAND: it compiles C++20 and is GCC 12, Clang 14, or a later one.
is_compiler() {
  has_command "$1" && "$1" -std=c++20 -x c++ -fsyntax-only - >/dev/null 2>&1 <<'EOF'
#include <concepts>
#include <span>
#if defined(__apple_build_version__)
#elif defined(__clang__)
static_assert(__clang_major__ >= 14);
#else
static_assert(__GNUC__ >= 12);
#endif
EOF
}

# Sets and exports CXX, which is kept if it is set and good.
find_compiler() {
  for compiler in ${CXX:+"$CXX"} g++ g++-12 g++-13 g++-14 g++-15 clang++ c++; do
    if is_compiler "$compiler"; then
      CXX=$compiler
      export CXX
      return 0
    fi
  done
  return 1
}

# need PACKAGE COMMAND...: unless the command succeeds, the package is to be installed.
# like PACKAGE COMMAND...: the same, but it can be done without.
missing=
optional=
need() {
  package=$1
  shift
  "$@" || missing="$missing $package"
}
like() {
  package=$1
  shift
  "$@" || optional="$optional $package"
}

need_to_build() {
  if has_command g++; then need g++-12 find_compiler; else need g++ find_compiler; fi
  need cmake has_command cmake
  need ninja-build has_command ninja
  need nlohmann-json3-dev has_header nlohmann/json.hpp
  need libeigen3-dev has_header unsupported/Eigen/CXX11/ThreadPool
  need libxsimd-dev has_header xsimd/xsimd.hpp
  need libcli11-dev has_header CLI/CLI.hpp
}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2; }

# not_installed WHY: the end, if there is an apt-get and something is needed; elsewhere what there is may do.
not_installed() {
  if [ -n "$missing" ] && has_command apt-get; then die "$1"; else say "$1; going on without"; fi
}

install_missing() {
  if [ -n "$missing$optional" ]; then
    if ! has_command apt-get; then
      not_installed "install this, by its names in Debian:$missing$optional (there is no apt-get here)"
    elif [ "$(id -u)" -ne 0 ] && ! has_command sudo; then
      not_installed "this needs root, and there is no sudo: apt-get install$missing$optional"
    else
      say "installing$missing$optional"
      apt update || say "apt-get update failed; going on with the lists there are"
      # shellcheck disable=SC2086
      apt install -y --no-install-recommends $missing $optional || not_installed "apt-get could not install$missing$optional"
    fi
  fi
  find_compiler || die "no C++20 compiler was found (GCC 12, Clang 14, or later); set CXX to one"
  has_command ninja || die "ninja was not found"
  has_command cmake || die "cmake was not found; 3.25 or later is wanted"
  version=$(cmake --version | sed -n 's/^cmake version //p')
  [ "$(printf '3.25\n%s\n' "$version" | sort -V | head -n 1)" = 3.25 ] ||
    die "cmake is $version, and must be 3.25 or later"
}

# configure PRESET: the first time, and when the presets have changed since.
configure() {
  done=$root/build/$1/configured
  if [ ! -e "$done" ] || [ -n "$(find "$root/CMakePresets.json" -newer "$done")" ]; then
    # What ccache would otherwise take for a difference: where a precompiled header was made, and when.
    if has_command ccache; then set -- "$1" -DCMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
    (cd "$root" && cmake --preset "$@" --log-level=NOTICE >/dev/null) && : >"$done"
  fi
}

# build PRESET: one line that changes on a terminal, and otherwise nothing but what goes wrong.
build() {
  if [ -t 1 ]; then quiet=; else quiet=--quiet; fi
  # shellcheck disable=SC2086
  (cd "$root" && CCACHE_SLOPPINESS=pch_defines,time_macros cmake --build --preset "$1" -- $quiet)
}
