#pragma once

#include "../engine/directions/low_rank_basis.hpp"
#include "rademacher.hpp"

namespace zoft::inline ZOFT_ISA {

/// z = U ⊙ (r sᵀ) for each matrix (m, k). U (m, k) is gaussian and shared by all queries of a step; the signs r (m) and
/// s (k) are new for each direction. Vectors get dense gaussians. Each z is as gaussian as U. The directions of a step
/// are uncorrelated, though not independent: E zzᵀ = I, E zz′ᵀ = 0. A forward that can flip the signs of its inputs and
/// outputs needs one product with U for all queries. If the layout is empty, `start` takes that of the parameters.
///
/// Wen et al. 2018, "Flipout: Efficient pseudo-independent weight perturbations on mini-batches", arXiv:1803.04386. Tan
/// et al. 2026, "GRZO", arXiv:2606.02857, use one direction for each example of a batch.
struct flipout {
  zoft::layout layout = {};  ///< of the parameters

  /// Called before the first step.
  void start(std::size_t size, const zoft::layout& shape) { low_rank_parts::start("flipout", layout, size, shape); }

  /// z(d), which refers to this sampler. Throws std::invalid_argument if the layout is empty.
  auto at(direction d) const {
    low_rank_parts::check("flipout", layout, 1);
    return flipped(layout, d);
  }

  /// x[i] += a · z(d)[first + i]; a = 0 and errors as in random::drawn::axpy, plus the errors of `at`.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }

 private:
  class flipped {
   public:
    flipped(const zoft::layout& shape, direction d)
        : parts_(low_rank_parts::table<core_shape::rows>(shape, 1)),
          size_(shape.size()),
          shared_(random::gaussian_direction({d.seed, d.step, 0})),
          own_(random::gaussian_direction(d)),
          rows_(parts_.back().left, 0.0f),
          columns_(parts_.back().right, 0.0f) {
      random::signs(d, random::stream::left_factor).axpy(std::span(rows_), 1.0f);
      random::signs(d, random::stream::right_factor).axpy(std::span(columns_), 1.0f);
    }

    std::uint64_t elements() const { return size_; }

    template <number T>
    void axpy(std::span<T> x, arithmetic_t<T> a, std::uint64_t first = 0) const {
      random::check_axpy(x.size(), a, first, elements());
      if (a == 0) return;
      low_rank_parts::for_each_tensor(std::span(parts_), x, first,
                                      [&](const auto& p, std::size_t begin, std::span<T> piece) {
                                        if (!p.owner->is_matrix()) return own_.axpy(piece, a, p.owner->offset + begin);
                                        matrix_axpy(p, begin, piece, a);
                                      });
    }

   private:
    template <number T>
    void matrix_axpy(const low_rank_parts::part& p, std::size_t begin, std::span<T> x, arithmetic_t<T> a) const {
      using A = arithmetic_t<T>;
      constexpr std::size_t chunk = 1024;
      const std::size_t k = p.owner->columns;
      for (std::size_t i = 0; i < x.size(); i += chunk) {
        const std::size_t n = std::min(chunk, x.size() - i);
        A z[chunk] = {};
        shared_.axpy(std::span<A>(z, n), A{1}, p.owner->offset + begin + i);
        std::size_t row = (begin + i) / k, column = (begin + i) % k;
        for (std::size_t j = 0; j < n; ++j) {
          z[j] *= static_cast<A>(rows_[p.left + row] * columns_[p.right + column]);
          if (++column == k) column = 0, ++row;
        }
        random::axpy<T>(x.subspan(i, n), a, z);
      }
    }

    std::vector<low_rank_parts::part> parts_;
    std::size_t size_;
    random::drawn<random::normal> shared_, own_;
    std::vector<float> rows_, columns_;  // r and s of every matrix
  };
};

}  // namespace zoft::inline ZOFT_ISA
