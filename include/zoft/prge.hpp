/// P-RGE: q two-point queries, all evaluated in one stacked forward. Gao et al. 2024, arXiv:2409.15520.
#pragma once

#include "adapter/bias_only.hpp"
#include "adapter/full.hpp"
#include "adapter/lora.hpp"
#include "adapter/lora_fa.hpp"
#include "adapter/norm_only.hpp"
#include "adapter/prefix.hpp"
#include "engine.hpp"
#include "estimator/two_point.hpp"
#include "optimizer/sgd.hpp"
#include "sampler/gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

/// Which loops over a step's 2q points are combined into one call of the functor.
enum class parallel {
  outer,            ///< over queries: two calls of q candidates, first all θ + εzᵢ, then all θ − εzᵢ
  outer_and_inner,  ///< over queries and signs: one call of 2q candidates
};

struct prge_options {
  std::size_t queries = 4;                           ///< directions a step, q ≥ 1
  double epsilon = 1e-2;                             ///< smoothing radius ε > 0
  double learning_rate = 1e-3;                       ///< η
  double decay = 0;                                  ///< weight decay λ, decoupled
  zoft::schedule schedule = {};                      ///< η over the run
  zoft::parallel loops = parallel::outer_and_inner;  ///< which points are evaluated in one call
  std::uint64_t seed = 0;                            ///< names the run: same seed, same bits
};

/// θ ← θ − η(ĝ + λθ), ĝ = (1/q) Σ (L(θ + εzᵢ) − L(θ − εzᵢ))/2ε · zᵢ, z gaussian. The mathematics is that of randomised
/// gradient estimation and of MeZO; only the evaluation differs, which takes the candidates together.
template <adapter Adapter>
auto prge(const prge_options& o, Adapter trained) {
  return engine{gaussian{},         two_point{.epsilon = o.epsilon, .queries = o.queries},
                std::move(trained), sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule},
                seed{o.seed},       per_call{o.loops == parallel::outer ? o.queries : 0}};
}

template <class Other>
requires(!adapter<Other>) ZOFT_REFUSED(
    "the adapter must be copyable and have layout, a zoft::layout as data; or, if it owns parameters, a type "
    "`attached` "
    "with parameters(), layout() and show(candidates)")
int prge(const prge_options&, Other) { return 0; }

/// The same on a buffer that the user owns.
inline auto prge(const prge_options& o) { return prge(o, full{}); }

}  // namespace zoft::inline ZOFT_ISA
