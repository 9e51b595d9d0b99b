#pragma once

#include <span>
#include <vector>

#include "../core/report.hpp"
#include "estimation/estimation.hpp"

namespace zoft::inline ZOFT_ISA {

/// The report of a step, except for the share of parameters that its update moves.
inline step_report reported(std::uint32_t step, double rate, std::size_t forwards, std::span<const double> losses,
                            std::span<const double> c, bool applied) {
  step_report result;
  result.step = step;
  result.learning_rate = rate;
  result.evaluations = forwards;
  result.probe_loss = estimation::mean(losses);
  for (const double value : c) result.projected_gradients.push_back(value * static_cast<double>(c.size()));
  if (!applied) result.status = status::not_finite;
  return result;
}

}  // namespace zoft::inline ZOFT_ISA
