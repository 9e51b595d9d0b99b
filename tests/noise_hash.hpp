// The recorded bits of each sampler: what every compiler, flag, instruction set, thread and piece must give.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <tuple>
#include <type_traits>
#include <vector>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/sampler/rademacher.hpp>
#include <zoft/sampler/sparse.hpp>
#include <zoft/sampler/sphere.hpp>
#include <zoft/sampler/uniform.hpp>

namespace noise_hash {

inline constexpr std::size_t many = 10'000'000;
inline constexpr zoft::direction fixed{0x5eed5eed12345678, 11, 3};

template <class Sampler>
struct recorded {
  const char* name;
  Sampler sampler;
  std::uint64_t hash;  // of elements 0 … many − 1 of `fixed`
};

inline const std::tuple all{
    recorded<zoft::gaussian>{"gaussian", {}, 0x01da4aa6a8303fa0},
    recorded<zoft::rademacher>{"rademacher", {}, 0xdc3c58312c2a6ba5},
    recorded<zoft::uniform>{"uniform", {}, 0xc25cb8c54a775ae1},
    recorded<zoft::sphere>{"sphere", {many}, 0x4d7004117a1f6976},
    recorded<zoft::sparse<zoft::gaussian>>{"sparse gaussian", {{}, 0.3}, 0x5d96c5ee3164a7e5},
};

// f(element) for each.
template <class Tuple, class F>
void for_each(const Tuple& tuple, F f) {
  std::apply([&](const auto&... r) { (f(r), ...); }, tuple);
}

// 64-bit FNV-1a over the numbers' bytes, the lowest first. Fowler, Noll and Vo.
template <class T>
std::uint64_t of(std::span<const T> z) {
  using word_t = std::conditional_t<sizeof(T) == 8, std::uint64_t,
                                    std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint16_t>>;
  std::uint64_t h = 0xcbf29ce484222325;
  for (const T& v : z) {
    const auto word = std::bit_cast<word_t>(v);
    for (unsigned shift = 0; shift < 8 * sizeof(T); shift += 8) h = (h ^ (word >> shift & 0xffu)) * 0x100000001b3;
  }
  return h;
}

// What a storage type's arithmetic comes to: uniform numbers, moved twice.
template <class T>
struct recorded_storage {
  const char* name;
  std::uint64_t hash;
};
inline constexpr std::tuple storages{recorded_storage<double>{"double", 0x8b634e3ca65a4f50},
                                     recorded_storage<zoft::bfloat16>{"bfloat16", 0x1dbcb37d17e351a3},
                                     recorded_storage<zoft::half>{"half", 0xd3f2943d44be52cc}};

template <class T>
std::uint64_t of_storage() {
  std::vector<T> x(1'000'000);
  zoft::uniform{}.axpy(std::span<T>(x), 1, fixed);
  zoft::gaussian{}.axpy(std::span<T>(x), zoft::arithmetic_t<T>(0.037), fixed, 5);
  return of(std::span<const T>(x));
}

}  // namespace noise_hash
