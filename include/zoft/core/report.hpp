/// The result of a step, and that of a whole run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA {

/// How a step or a run ended.
enum class status {
  ok,              ///< the update was applied; for a run: the loss is lower than at its start
  not_finite,      ///< a loss was NaN or infinite: the parameters are unchanged
  no_improvement,  ///< for a run: the loss is not lower than at its start
};

/// What a step found, and whether it was applied.
struct step_report {
  std::uint32_t step = 0;  ///< which step this was, from 0
  double probe_loss = 0;   ///< mean of the step's losses; not the loss at θ (off by about d·ε²/2·curvature)
  std::vector<double> projected_gradients;  ///< slope along each direction: q times the coefficients of ĝ = Σ cᵢzᵢ
  double learning_rate = 0;                 ///< the rate that the schedule gave for this step
  std::size_t evaluations = 0;  ///< what the step cost, in forwards of a whole batch: as many as losses, unless each
                                ///< loss is of one of a batch's B examples. Then it is losses / B (see per_example)
  double moved = 0;  ///< share of the parameters with a non-zero estimate whose value the update changed; for the
                     ///< others the change was too small for their type. Of each 1024 parameters 64 are counted; 1 if
                     ///< none of these has a non-zero estimate, and others have. 0 if no parameter has one and none
                     ///< changed, as where all losses are equal, or if the step was not applied
  zoft::status status = zoft::status::ok;  ///< whether the update was applied
};

/// All that the update of a step needs beside the parameters: with it, engine::replay makes the step again without its
/// losses.
struct step_record {
  std::uint32_t step = 0;            ///< which step this was, from 0
  zoft::status status = status::ok;  ///< whether it was applied
  double learning_rate = 0;          ///< that was applied
  std::vector<double> values;  ///< the coefficients cᵢ of ĝ = Σ cᵢzᵢ; the losses of all points, where the estimator
                               ///< keeps something of them or the sampler learns from them: see records_losses. All 0
                               ///< if the step was not applied
};

}  // namespace zoft::inline ZOFT_ISA
