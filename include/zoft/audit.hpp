/// Says whether a function of parameters, such as another engine's forward, can be trained through, and at which ε.
#pragma once

#include <span>
#include <type_traits>

#include "core/number.hpp"
#include "engine/refused.hpp"
#include "tuning/audit_report.hpp"
#include "tuning/audit_run.hpp"

namespace zoft::inline ZOFT_ISA {

namespace tuning {

/// What is wrong with an audit's functors, or with its x.
template <class X, class... F>
constexpr composition::fault fault_of_audit() {
  using composition::fault;
  fault result = composition::fault_of_buffer<X>(true);
  if constexpr ((composition::is_span<std::remove_cvref_t<F>> || ...))
    result = fault::missing;
  else
    ((result = result == fault::none ? composition::fault_of_loss_at<X, F>(true) : result), ...);
  return result;
}

}  // namespace tuning

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
requires(tuning::fault_of_audit<std::span<T, N>, F>() == composition::fault::none) audit_report
    audit(F&& f, std::span<T, N> x, const audit_options& o = {}) {
  using number_type = std::remove_const_t<T>;
  return tuning::audit_run<number_type>({f, o}, {}, x, o).run();
}

/// The same, and compares f with a reference that computes what f should, such as zoft::nn with the same weights: the
/// losses at x, slopes at ε, and what each part of x does.
template <class F, class R, class T, std::size_t N>
requires(tuning::fault_of_audit<std::span<T, N>, F, R>() == composition::fault::none) audit_report
    audit(F&& f, R&& reference, std::span<T, N> x, const audit_options& o = {}) {
  using number_type = std::remove_const_t<T>;
  return tuning::audit_run<number_type>({f, o}, tuning::audited<number_type>(reference, o), x, o).run();
}

// For calls that are wrong.
template <class F, class X>
requires(tuning::fault_of_audit<X, F>() == composition::fault::missing)
    ZOFT_REFUSED("the functor must come first, and then x: audit(f, x)")
audit_report audit(F&&, X&&, const audit_options& = {}) { return {}; }
template <class F, class X>
requires(tuning::fault_of_audit<X, F>() == composition::fault::no_span)
    ZOFT_REFUSED("x must be a std::span: write std::span(x)")
audit_report audit(F&&, X&&, const audit_options& = {}) { return {}; }
template <class F, class X>
requires(tuning::fault_of_audit<X, F>() == composition::fault::no_numbers)
    ZOFT_REFUSED("x must be a std::span of float, double, zoft::bfloat16 or zoft::half")
audit_report audit(F&&, X&&, const audit_options& = {}) { return {}; }
template <class F, class X>
requires(tuning::fault_of_audit<X, F>() == composition::fault::nothing_returned)
    ZOFT_REFUSED("the functor must return its loss, a number, and returns something else")
audit_report audit(F&&, X&&, const audit_options& = {}) { return {}; }
template <class F, class X>
requires(tuning::fault_of_audit<X, F>() == composition::fault::buffer) ZOFT_REFUSED(
    "the functor must be double(std::span<const T>), or void(zoft::candidates<T>, std::span<double>); x is of T")
audit_report audit(F&&, X&&, const audit_options& = {}) { return {}; }
template <class F, class R, class X>
requires(!std::same_as<std::remove_cvref_t<X>, audit_options> &&
         tuning::fault_of_audit<X, F, R>() == composition::fault::missing)
    ZOFT_REFUSED("the functor must come first, then the reference, then x: audit(f, reference, x)")
audit_report audit(F&&, R&&, X&&, const audit_options& = {}) { return {}; }
template <class F, class R, class X>
requires(!std::same_as<std::remove_cvref_t<X>, audit_options> &&
         tuning::fault_of_audit<X, F, R>() == composition::fault::no_span)
    ZOFT_REFUSED("x must be a std::span: write std::span(x)")
audit_report audit(F&&, R&&, X&&, const audit_options& = {}) { return {}; }
template <class F, class R, class X>
requires(!std::same_as<std::remove_cvref_t<X>, audit_options> &&
         tuning::fault_of_audit<X, F, R>() == composition::fault::no_numbers)
    ZOFT_REFUSED("x must be a std::span of float, double, zoft::bfloat16 or zoft::half")
audit_report audit(F&&, R&&, X&&, const audit_options& = {}) { return {}; }
template <class F, class R, class X>
requires(!std::same_as<std::remove_cvref_t<X>, audit_options> &&
         tuning::fault_of_audit<X, F, R>() == composition::fault::nothing_returned)
    ZOFT_REFUSED("the functor must return its loss, a number, and returns something else")
audit_report audit(F&&, R&&, X&&, const audit_options& = {}) { return {}; }
template <class F, class R, class X>
requires(!std::same_as<std::remove_cvref_t<X>, audit_options> &&
         tuning::fault_of_audit<X, F, R>() == composition::fault::buffer)
    ZOFT_REFUSED(
        "the functor must be double(std::span<const T>), or void(zoft::candidates<T>, std::span<double>); x is of T")
audit_report audit(F&&, R&&, X&&, const audit_options& = {}) { return {}; }

}  // namespace zoft::inline ZOFT_ISA
