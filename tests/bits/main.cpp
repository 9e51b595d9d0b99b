// Compiled with one set of flags: whether each sampler, and each storage type, gives the recorded bits.
#include <algorithm>
#include <cstdio>

#include "../noise_hash.hpp"

int main() {
  int different = 0;
  const auto compare = [&](const char* name, std::uint64_t hash, std::uint64_t recorded) {
    std::printf("%s %016llx\n", name, static_cast<unsigned long long>(hash));
    different += hash != recorded;
  };
  std::vector<float> z(noise_hash::many);
  noise_hash::for_each(noise_hash::all, [&](const auto& r) {
    std::fill(z.begin(), z.end(), 0.0f);
    r.sampler.axpy(std::span(z), 1.0f, noise_hash::fixed);
    compare(r.name, noise_hash::of(std::span<const float>(z)), r.hash);
  });
  noise_hash::for_each(noise_hash::with_layouts, [&](const auto& r) {
    compare(r.name, noise_hash::of_layout<float>(r.sampler), r.as_float);
    compare(r.name, noise_hash::of_layout<double>(r.sampler), r.as_double);
  });
  noise_hash::for_each(noise_hash::storages, [&]<class T>(const noise_hash::recorded_storage<T>& r) {
    compare(r.name, noise_hash::of_storage<T>(), r.hash);
  });
  if (different > 0) std::printf("%d do not have the recorded bits\n", different);
  return different;
}
