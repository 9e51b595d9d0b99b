/// What an audit is asked, and what it finds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../core/layout.hpp"
#include "brief.hpp"
#include "noise_level.hpp"

namespace zoft::inline ZOFT_ISA {

struct audit_options {
  double epsilon = 1e-2;           ///< the radius ε > 0 that is to be trained with
  std::vector<double> radii = {};  ///< where slopes are measured too; empty: ε/64, ε/16, ε/4, 4ε and 16ε
  std::size_t directions = 100;    ///< along which slopes are measured, at each radius; at least 2
  std::size_t candidates = 8;      ///< in a call, if the functor takes candidates
  bool fixed = false;              ///< it takes exactly that many; a single one is then given as copies of itself
  zoft::layout layout = {};        ///< names the parts of x in findings; empty: 64 parts of equal length
  double least_correlation = 0.9;  ///< wanted of slopes with those without noise; r takes 1/r² as many steps as 1
  double most_difference = 1e-4;   ///< wanted of the loss at x from the reference's, relative to the larger of it and 1
  std::uint64_t seed = 0;          ///< names the directions
};

/// Slopes s = (L(x + εz) − L(x − εz))/2ε at one radius. Correlations are about 0: Σab/√(Σa²·Σb²).
struct audit_radius {
  double epsilon = 0;
  double slope = 0;          ///< rms of s
  double predicted = 0;      ///< correlation of s with slopes without noise, from σ and from how s grows as ε shrinks
  double agreement = 0;      ///< correlation of s with the slopes at the radius compared_with
  double compared_with = 0;  ///< the least radius with predicted ≥ 0.99; there itself, the one that agrees best
  bool trainable = false;    ///< whether `predicted` and `agreement` are what was wanted
};

/// What a second functor, the reference, says at the same parameters.
struct audit_reference {
  double loss = 0;         ///< at x
  double correlation = 0;  ///< of the functor's slopes with the reference's, at ε
  double ratio = 0;        ///< Σab/Σb² of the functor's slopes a and the reference's b: 1 if they are of one size
};

struct audit_report {
  double loss = 0;                       ///< at x
  double spread = 0;                     ///< largest difference of four losses at x: 0 if the functor is deterministic
  noise_level noise = {};                ///< σ near x, as autotune measures it: the median of five directions
  std::size_t candidates = 1;            ///< evaluated in a call
  double group_difference = 0;           ///< largest |loss of a candidate among others − its loss alone|
  double order_difference = 0;           ///< largest |loss of a candidate in one place − in another|
  std::vector<audit_radius> radii = {};  ///< ascending
  std::optional<audit_reference> reference = {};  ///< if one was given
  std::vector<std::string> findings = {};         ///< what is wrong, a sentence each; empty if nothing is
  std::size_t evaluations = 0;                    ///< all losses that the functor evaluated

  /// The smallest and the largest radius that can be trained with; both 0 if there is none.
  std::pair<double, double> trainable() const {
    std::pair<double, double> result{0, 0};
    for (const audit_radius& r : radii) {
      if (!r.trainable) continue;
      if (result.first == 0) result.first = r.epsilon;
      result.second = r.epsilon;
    }
    return result;
  }

  /// The whole report in a few plain lines, findings last.
  std::string why() const;
};

inline std::string audit_report::why() const {
  using tuning::brief, tuning::precise;
  std::string s = "loss: " + precise(loss) + (spread > 0 ? ", give or take " + brief(spread) : ", each time");
  s += "\nnoise: " + brief(noise.value) + "\n";
  if (candidates > 1)
    s += "candidates: " + text(candidates) + " in a call, within " + brief(group_difference) +
         " of each alone; in another order within " + brief(order_difference) + "\n";
  for (const audit_radius& a : radii)
    s += "epsilon " + brief(a.epsilon) + ": slopes of " + brief(a.slope) + ", correlated " + brief(a.agreement) +
         " with those at " + brief(a.compared_with) + ", and by the noise " + brief(a.predicted) +
         " with the true ones" + (a.trainable ? "\n" : ": not to train with\n");
  if (reference)
    s += "reference: loss " + precise(reference->loss) + ", off by " + brief(loss - reference->loss) +
         "; slopes correlated 1 - " + brief(1 - reference->correlation) + ", " + precise(reference->ratio) +
         " times as large\n";
  s += "evaluations: " + text(evaluations) + "\n";
  for (const std::string& finding : findings) s += "finding: " + finding + "\n";
  return findings.empty() ? s + "nothing was found to be wrong\n" : s;
}

}  // namespace zoft::inline ZOFT_ISA
