"""Difference between two arms, less what was known before the start (CUPED), for means and for ratios of sums.

A unit's outcome is linearised: with R = sum N / sum D of its arm, L = (N - R D) / mean D is a per-unit value whose mean has
the variance of R, which is the delta method (Deng, Knoblich and Lu, KDD 2018). A mean is the ratio with D = 1. Covariates x
from before the start then explain part of L (Deng, Xu, Kohavi and Walker, WSDM 2013): the adjusted difference is
R1 - R0 - theta (mean x1 - mean x0), of the same expectation, because assignment cannot move the past. One theta serves
both arms: the least-squares one, each arm weighted by 1 / units, which minimises the variance of this very difference.
Plain pooling weights by units and can do harm where arms are unequal (Freedman 2008; Lin 2013). For a ratio, the
numerator and denominator of the pre-period both stand among x, so that their linearised ratio is among what theta can choose.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.experiments.moments import DENOMINATOR, FIRST_COVARIATE, NUMERATOR, Float, Moments

PINV_CUTOFF = 1e-9  # of the largest eigenvalue: covariates that repeat one another share a coefficient


@dataclass(frozen=True)
class Effect:
    """Treated minus control, each field (...): the leading axes of the moments (looks, repetitions).

    estimate and standard_error in the unit of the metric; relative and relative_standard_error as shares of the control;
    control: adjusted level of the control arm; variance_reduction: 1 - variance / variance without covariates; units of
    both arms. NaN where an arm has fewer than two units.
    """

    estimate: Float
    standard_error: Float
    relative: Float
    relative_standard_error: Float
    control: Float
    variance_reduction: Float
    units: Float


@dataclass(frozen=True)
class _Arm:
    count: Float
    ratio: Float
    variance: Float  # of the linearised outcome L
    x_mean: Float
    x_cov: Float
    x_outcome: Float  # covariance of x with L


def compare(moments: Moments, *, treated: int, control: int = 0, adjust: bool = True) -> Effect:
    """Effect of arm `treated` against arm `control`, by index; without `adjust` the covariates are not used."""
    with np.errstate(invalid="ignore", divide="ignore"):
        one, zero = _linearise(moments, treated), _linearise(moments, control)
        theta = _coefficients(one, zero) if adjust else np.zeros_like(one.x_mean)
        estimate = one.ratio - zero.ratio - _dot(theta, one.x_mean - zero.x_mean)
        residual_one, residual_zero = _residual(one, theta), _residual(zero, theta)
        variance = residual_one / (one.count - 1) + residual_zero / (zero.count - 1)
        plain = one.variance / (one.count - 1) + zero.variance / (zero.count - 1)
        units = one.count + zero.count
        share = one.count / units
        x_mean = share[..., None] * one.x_mean + (1 - share)[..., None] * zero.x_mean
        level = zero.ratio - _dot(theta, zero.x_mean - x_mean)
        quotient = (one.ratio - _dot(theta, one.x_mean - x_mean)) / level
        # Influence function of m1 / m0: the residuals of both arms and, where m1 != m0, the covariates of all units.
        explained = share * _quadratic(theta, one.x_cov) + (1 - share) * _quadratic(theta, zero.x_cov)
        mixed = (_dot(theta, one.x_outcome) - _quadratic(theta, one.x_cov)) - quotient * (
            _dot(theta, zero.x_outcome) - _quadratic(theta, zero.x_cov)
        )
        relative_variance = (
            residual_one / (one.count - 1)
            + quotient**2 * residual_zero / (zero.count - 1)
            + ((1 - quotient) ** 2 * explained + 2 * (1 - quotient) * mixed) / units
        ) / level**2
        known = (one.count > 1) & (zero.count > 1)
        return Effect(
            estimate=_where(known, estimate),
            standard_error=_where(known, np.sqrt(variance)),
            relative=_where(known & (level != 0), quotient - 1),
            relative_standard_error=_where(known & (level != 0), np.sqrt(np.maximum(relative_variance, 0.0))),
            control=_where(known, level),
            variance_reduction=_where(known & (plain > 0), 1 - variance / plain),
            units=units,
        )


def _linearise(moments: Moments, arm: int) -> _Arm:
    mean, cov = moments.mean[..., arm, :], moments.cov[..., arm, :, :]
    ratio = mean[..., NUMERATOR] / mean[..., DENOMINATOR]
    gradient = np.stack([np.ones_like(ratio), -ratio], axis=-1) / mean[..., DENOMINATOR, None]
    outcome, covariates = slice(0, FIRST_COVARIATE), slice(FIRST_COVARIATE, None)
    return _Arm(
        count=moments.count[..., arm],
        ratio=ratio,
        variance=np.maximum(_quadratic(gradient, cov[..., outcome, outcome]), 0.0),
        x_mean=mean[..., covariates],
        x_cov=cov[..., covariates, covariates],
        x_outcome=np.einsum("...kj,...j->...k", cov[..., covariates, outcome], gradient),
    )


def _coefficients(one: _Arm, zero: _Arm) -> Float:
    weight_one, weight_zero = 1 / one.count, 1 / zero.count
    x_cov = weight_one[..., None, None] * one.x_cov + weight_zero[..., None, None] * zero.x_cov
    x_outcome = weight_one[..., None] * one.x_outcome + weight_zero[..., None] * zero.x_outcome
    scale = np.sqrt(np.maximum(np.diagonal(x_cov, axis1=-2, axis2=-1), 0.0))
    inverse_scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    correlation = x_cov * inverse_scale[..., :, None] * inverse_scale[..., None, :]
    sound = np.asarray(np.isfinite(correlation).all(axis=(-2, -1)))
    inverse = np.linalg.pinv(np.where(sound[..., None, None], correlation, 0.0), rcond=PINV_CUTOFF, hermitian=True)
    theta = inverse_scale * np.einsum("...kj,...j->...k", inverse, inverse_scale * x_outcome)
    return np.asarray(np.where(sound[..., None], theta, np.nan))


def _residual(arm: _Arm, theta: Float) -> Float:
    variance = arm.variance - 2 * _dot(theta, arm.x_outcome) + _quadratic(theta, arm.x_cov)
    return np.maximum(variance, 0.0)


def _dot(left: Float, right: Float) -> Float:
    return np.asarray(np.einsum("...k,...k->...", left, right))


def _quadratic(vector: Float, matrix: Float) -> Float:
    return np.asarray(np.einsum("...k,...kj,...j->...", vector, matrix, vector))


def _where(known: npt.NDArray[np.bool_], values: npt.NDArray[Any]) -> Float:
    return np.asarray(np.where(known, values, np.nan))
