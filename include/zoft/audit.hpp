/// Says whether a function of parameters, such as another engine's forward, can be trained through, and at which ε.
#pragma once

#include <span>
#include <type_traits>

#include "core/number.hpp"
#include "tuning/audit_report.hpp"
#include "tuning/audit_run.hpp"

namespace zoft::inline ZOFT_ISA {

/// Audits f at the parameters x: losses[i] of candidates c[i], as f(zoft::candidates<T>, std::span<double>), or the
/// loss of one point, as f(std::span<const T>). The report tells
///
/// - whether the loss at x is finite and repeatable, and its noise σ near x (see measure_noise);
/// - whether a candidate's loss is the same alone, among others, and in another place;
/// - whether the loss depends on each part of x;
/// - slopes along random directions z ~ N(0, 1)ⁿ at several radii, and between which of these f can be trained: noise
///   spoils slopes at small radii, and curvature at large ones.
///
/// It evaluates about 2·directions·radii losses: 1,400 unless told otherwise. Memory: a call's candidates. f must stay
/// the same function, so keep its batch.
///
/// Throws std::invalid_argument for options that make no sense. That something is wrong with f is a finding, not an
/// error.
template <class F, class T, std::size_t N>
requires number<std::remove_const_t<T>> audit_report audit(F&& f, std::span<T, N> x, const audit_options& o = {}) {
  tuning::no_reference none;
  return tuning::audit_run<std::remove_const_t<T>, F, tuning::no_reference>(f, none, x, o).run();
}

/// The same, and compares f with a reference that computes what f should, such as zoft::nn with the same weights: the
/// losses at x, slopes at ε, and what each part of x does.
template <class F, class R, class T, std::size_t N>
requires number<std::remove_const_t<T>> audit_report audit(F&& f, R&& reference, std::span<T, N> x,
                                                           const audit_options& o = {}) {
  return tuning::audit_run<std::remove_const_t<T>, F, R>(f, reference, x, o).run();
}

}  // namespace zoft::inline ZOFT_ISA
