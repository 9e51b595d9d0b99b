// The peak of physical memory of work that runs in a process of its own.
#pragma once

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>
#include <string>

#include "models.hpp"

namespace bench {

struct peak_memory {
  double before = 0, peak = 0;  // bytes: when the work began, and the most since then
};

/// Bytes, by their name in /proc/self/status, as "VmHWM:     1234 kB".
inline double status_of_process(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (double kilobytes = 0; word == name + ":" && status >> kilobytes) return kilobytes * 1024;
  return 0;
}

/// Of f(model, batch, prepare(model)) in a new process, for a random model with weights in bf16, on one thread. What
/// prepare takes counts as before.
template <class Prepare, class F>
peak_memory peak_of(const shape& s, std::size_t sequences, std::size_t tokens, Prepare prepare, F f) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("pipe failed");
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork failed");
  peak_memory result;
  if (child == 0) {
    zoft::nn::transformer model = random_model(s.config, {.weights = zoft::nn::dtype::bf16, .threads = 1});
    const zoft::nn::batch batch = random_batch(s.config, sequences, tokens);
    auto prepared = prepare(model);
    ::malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << "5";  // proc(5): resets the peak resident set size
    result.before = status_of_process("VmRSS");
    f(model, batch, prepared);
    result.peak = status_of_process("VmHWM");
    ::_exit(::write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
  }
  ::close(ends[1]);
  const bool got = ::read(ends[0], &result, sizeof result) == sizeof result;
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  if (!got || result.peak == 0) throw std::runtime_error("the peak of memory cannot be read here");
  return result;
}

template <class F>
peak_memory peak_of(const shape& s, std::size_t sequences, std::size_t tokens, F f) {
  return peak_of(
      s, sequences, tokens, [](const auto&) { return 0; },
      [&](zoft::nn::transformer& model, const zoft::nn::batch& batch, int) { f(model, batch); });
}

}  // namespace bench
