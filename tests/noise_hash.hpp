// The recorded bits of each sampler: what every compiler, flag, instruction set, thread and piece must give.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <tuple>
#include <type_traits>
#include <vector>
#include <zoft/sampler/diagonal_subspace.hpp>
#include <zoft/sampler/flipout.hpp>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/sampler/low_rank_gaussian.hpp>
#include <zoft/sampler/low_rank_product.hpp>
#include <zoft/sampler/rademacher.hpp>
#include <zoft/sampler/sparse.hpp>
#include <zoft/sampler/sphere.hpp>
#include <zoft/sampler/subspace.hpp>
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

inline zoft::layout matrices() {
  zoft::layout result;
  result.add("wide", 100, 2100);
  result.add("vector", 5000);
  result.add("tall", 1000, 85);
  return result;
}

// Samplers that have a layout: of its elements, as floats and as doubles.
template <class Sampler>
struct recorded_layout {
  const char* name;
  Sampler sampler;
  std::uint64_t as_float, as_double;
};

inline const std::tuple with_layouts{
    recorded_layout<zoft::low_rank_gaussian>{
        "low_rank_gaussian", {matrices(), 3}, 0x49a7dfc15545da59, 0xa7ec0f1a36c5e43b},
    recorded_layout<zoft::low_rank_orthonormal>{
        "low_rank_orthonormal", {matrices(), 70}, 0x5ac77ef196cd5862, 0x8aafa78b41e5a6f2},
    recorded_layout<zoft::low_rank_product>{
        "low_rank_product", {matrices(), 2}, 0x3cebec7918dfd436, 0x1dce876e12d29099},
    recorded_layout<zoft::subspace>{"subspace", {matrices(), 70}, 0xf9b4314bb34b31e9, 0x0c8d0e6174d73c33},
    recorded_layout<zoft::diagonal_subspace>{
        "diagonal_subspace", {matrices(), 5}, 0x777f6ef9f480d86a, 0xb0a1f74ff5db6cbb},
    recorded_layout<zoft::flipout>{"flipout", {matrices()}, 0x5c2a6ba22c537ad7, 0x9af814b4a024bf58},
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

template <class T, class Sampler>
std::uint64_t of_layout(const Sampler& sampler) {
  std::vector<T> z(matrices().size());
  sampler.axpy(std::span<T>(z), T{1}, fixed);
  return of(std::span<const T>(z));
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
