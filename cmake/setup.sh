# shellcheck shell=sh
# The part that demo.sh and test.sh share: finds out what is missing, installs just that, configures and builds. They
# source it with `root` set to the project's folder. Its messages go to standard error.
: "${root:?}"

say() { printf 'zoft: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

has_command() { command -v "$1" >/dev/null 2>&1; }

# has_header PATH...: whether one of them is where compilers look.
has_header() {
  for header; do
    for folder in /usr/include /usr/local/include /usr/include/eigen3 /usr/local/include/eigen3 /opt/homebrew/include; do
      [ -e "$folder/$header" ] && return 0
    done
  done
  return 1
}

# is_compiler COMMAND: whether it compiles C++20 and is GCC 12, Clang 14, or later.
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

# Sets and exports CXX. If CXX is already set and good, it stays.
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

# need PACKAGE COMMAND...: unless the command succeeds, the package must be installed.
# like PACKAGE COMMAND...: the same for a package that is not strictly needed.
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
  need libpcre2-dev has_header pcre2.h
  need libicu-dev has_header unicode/normalizer2.h
}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2; }

# not_installed WHY: ends the script if there is an apt-get and a needed package is missing. Otherwise goes on, because
# what is there may be enough.
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

# configure PRESET: configures the first time, and again if the presets have changed since.
configure() {
  done=$root/build/$1/configured
  if [ ! -e "$done" ] || [ -n "$(find "$root/CMakePresets.json" -newer "$done")" ]; then
    if has_command ccache; then set -- "$1" -DCMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
    (cd "$root" && cmake --preset "$@" --log-level=NOTICE >/dev/null) && : >"$done"
  fi
}

# build PRESET [TARGET...]: all of it, or these alone. On a terminal, shows one line that changes; elsewhere, nothing but
# what goes wrong.
build() {
  preset=$1
  shift
  if [ -t 1 ]; then quiet=; else quiet=--quiet; fi
  # ccache must ignore where and when a precompiled header was made, or it would take that for a difference.
  # shellcheck disable=SC2086
  (cd "$root" && CCACHE_SLOPPINESS=pch_defines,time_macros cmake --build --preset "$preset" ${1:+--target "$@"} -- $quiet)
}
