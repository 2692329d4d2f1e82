"""What another policy would have earned, from the log of the one that acted.

Rows i: context x, action a drawn with the known probability b(a|x), reward r. Of the policy to be judged: its probabilities
pi (N, K); with w = pi(a|x) / b(a|x) and a reward model q (N, K), v(x) = sum_a pi(a|x) q(x, a):

    IPS          mean w r                                  Horvitz and Thompson (1952)
    clipped IPS  mean min(w, bound) r                      Ionides (2008); biased low for rewards >= 0
    SNIPS        sum w r / sum w                           Swaminathan and Joachims (2015)
    DM           mean v
    DR           mean v + w (r - q(x, a))                  Dudik, Langford and Li (2011)
    SWITCH-DR    mean v + w 1{w <= bound} (r - q(x, a))    Wang, Agarwal and Dudik (2017)

Notation and estimators as in Saito et al., Open Bandit Pipeline (2021). The interval of DM takes q as given: it does not
know q's own error, which is DM's bias.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from models.experiments.moments import Float, Ints

SlateModel = Literal["position", "cascade", "standard"]
PROBABILITY_TOLERANCE = 1e-6


class OffPolicyError(ValueError):
    """A log or policy that cannot be judged; the message names array, value, bound and remedy."""


@dataclass(frozen=True)
class Log:
    """What a policy did: actions (N,) in 0..K-1, rewards (N,), propensities (N,) with which each action was drawn.

    OffPolicyError for a propensity outside (0, 1]: an action that could not have been drawn has no counterfactual.
    """

    actions: Ints
    rewards: Float
    propensities: Float

    def __post_init__(self) -> None:
        if not self.actions.shape == self.rewards.shape == self.propensities.shape or self.actions.ndim != 1:
            raise OffPolicyError(
                f"actions {self.actions.shape}, rewards {self.rewards.shape}, propensities {self.propensities.shape}: "
                "expected equal (N,)"
            )
        if self.actions.size < 2 or not np.isfinite(self.rewards).all():
            raise OffPolicyError(f"rewards: {self.rewards.size} rows: expected at least 2, all finite")
        _check_propensities(self.propensities)


@dataclass(frozen=True)
class Estimate:
    """Value of a policy with its standard error and interval, in the unit of the reward.

    effective: effective sample size (sum w)^2 / sum w^2, of N rows; a small one says that the log hardly knows the policy.
    top and bottom (N,) are the per-row parts, value = sum(top) / sum(bottom), from which the bootstrap draws.
    """

    name: str
    value: float
    standard_error: float
    low: float
    high: float
    effective: float
    top: Float
    bottom: Float


def ips(log: Log, policy: Float, *, confidence: float = 0.95) -> Estimate:
    """Inverse propensity score: unbiased, of large variance where the policies differ. policy (N, K)."""
    w = weights(log, policy)
    return _estimate("IPS", w * log.rewards, np.ones_like(w), w, confidence)


def clipped_ips(log: Log, policy: Float, *, bound: float, confidence: float = 0.95) -> Estimate:
    """IPS with weights of at most `bound`: some bias for less variance."""
    _check_bound(bound)
    w = np.minimum(weights(log, policy), bound)
    return _estimate(f"clipped IPS ({bound:g})", w * log.rewards, np.ones_like(w), w, confidence)


def self_normalised_ips(log: Log, policy: Float, *, confidence: float = 0.95) -> Estimate:
    """IPS over the mean weight: within the range of the rewards, and unmoved by a constant added to them."""
    w = weights(log, policy)
    if not w.sum() > 0:
        raise OffPolicyError("policy: gives probability 0 to every logged action: nothing is known of it")
    return _estimate("SNIPS", w * log.rewards, w, w, confidence)


def direct(log: Log, policy: Float, rewards_model: Float, *, confidence: float = 0.95) -> Estimate:
    """Direct method: the reward model alone. rewards_model (N, K): expected reward of each action."""
    w = weights(log, policy)
    return _estimate("DM", _expected(policy, rewards_model), np.ones_like(w), w, confidence)


def doubly_robust(log: Log, policy: Float, rewards_model: Float, *, confidence: float = 0.95) -> Estimate:
    """Direct method plus weighted residuals: unbiased whatever the model, of less variance where it is good."""
    w = weights(log, policy)
    top = _expected(policy, rewards_model) + w * _residual(log, rewards_model)
    return _estimate("DR", top, np.ones_like(w), w, confidence)


def switch_doubly_robust(
    log: Log, policy: Float, rewards_model: Float, *, bound: float, confidence: float = 0.95
) -> Estimate:
    """DR where the weight is at most `bound`, the direct method elsewhere."""
    _check_bound(bound)
    w = weights(log, policy)
    kept = np.where(w <= bound, w, 0.0)
    top = _expected(policy, rewards_model) + kept * _residual(log, rewards_model)
    return _estimate(f"SWITCH-DR ({bound:g})", top, np.ones_like(w), kept, confidence)


def slate_ips(
    rewards: Float, policy: Float, logged: Float, *, model: SlateModel = "position", confidence: float = 0.95
) -> Estimate:
    """Value of a slate policy: sum over positions of weighted rewards (N, L).

    policy, logged (N, L): probability of the item that was shown at each position, given those above it, under either.
    position: each place is weighted by itself (item-position IPS, Li et al. 2018; clicks depend on the item and its place).
    cascade: by all places down to it (McInerney et al. 2020; clicks depend on what stands above). standard: by the whole
    slate; unbiased always, of hopeless variance for long slates.
    """
    if not rewards.shape == policy.shape == logged.shape or rewards.ndim != 2 or rewards.shape[0] < 2:
        raise OffPolicyError(f"rewards {rewards.shape}, policy {policy.shape}, logged {logged.shape}: expected (N, L)")
    _check_propensities(logged)
    if not np.isfinite(policy).all() or policy.min() < 0 or policy.max() > 1 + PROBABILITY_TOLERANCE:
        raise OffPolicyError(f"policy: values in [{policy.min()}, {policy.max()}]: expected probabilities")
    ratio = policy / logged
    running = np.cumprod(ratio, axis=1)
    by_model = {"position": ratio, "cascade": running, "standard": np.broadcast_to(running[:, -1:], ratio.shape)}
    w = by_model[model]
    worst = int(np.argmax(np.mean(w**2, axis=0)))  # the place whose weights vary most bounds how much the log can tell
    return _estimate(f"slate IPS ({model})", np.sum(w * rewards, axis=1), np.ones(w.shape[0]), w[:, worst], confidence)


def bootstrap(
    estimate: Estimate, *, resamples: int, rng: np.random.Generator, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile interval (low, high) from resampled rows; for few or heavy-tailed rows, where the normal one is too neat."""
    if resamples < 100 or not 0.5 <= confidence < 1:
        raise OffPolicyError(f"resamples {resamples}, confidence {confidence}: expected at least 100 and [0.5, 1)")
    size = estimate.top.size
    values = np.empty(resamples)
    for number in range(resamples):
        drawn = np.bincount(rng.integers(0, size, size=size), minlength=size).astype(np.float64)
        bottom = float(drawn @ estimate.bottom)
        values[number] = drawn @ estimate.top / bottom if bottom > 0 else np.nan
    low, high = np.nanquantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def weights(log: Log, policy: Float) -> Float:
    """Importance weights pi(a|x) / b(a|x) of the logged actions, (N,)."""
    if policy.ndim != 2 or policy.shape[0] != log.actions.size:
        raise OffPolicyError(f"policy {policy.shape}: expected ({log.actions.size}, K)")
    if (
        not np.isfinite(policy).all()
        or policy.min() < 0
        or np.any(np.abs(policy.sum(axis=1) - 1) > PROBABILITY_TOLERANCE)
    ):
        raise OffPolicyError("policy: expected probabilities >= 0 that sum to 1 in every row")
    if log.actions.min() < 0 or log.actions.max() >= policy.shape[1]:
        raise OffPolicyError(
            f"actions {log.actions.min()}..{log.actions.max()}: expected 0..{policy.shape[1] - 1} for policy {policy.shape}"
        )
    return np.asarray(_at(policy, log.actions) / log.propensities)


def _estimate(name: str, top: Float, bottom: Float, w: Float, confidence: float) -> Estimate:
    from scipy.special import ndtri

    if not 0.5 <= confidence < 1:
        raise OffPolicyError(f"confidence {confidence}: expected a value inside [0.5, 1)")
    value = float(top.sum() / bottom.sum())
    influence = (top - value * bottom) / bottom.mean()
    error = float(influence.std(ddof=1) / np.sqrt(top.size))
    half = float(ndtri((1 + confidence) / 2)) * error
    squares = float(np.sum(w**2))
    effective = float(w.sum()) ** 2 / squares if squares > 0 else 0.0
    return Estimate(name, value, error, value - half, value + half, effective, top, bottom)


def _expected(policy: Float, rewards_model: Float) -> Float:
    if rewards_model.shape != policy.shape or not np.isfinite(rewards_model).all():
        raise OffPolicyError(f"rewards_model {rewards_model.shape}: expected finite values of shape {policy.shape}")
    return np.asarray(np.sum(policy * rewards_model, axis=1))


def _residual(log: Log, rewards_model: Float) -> Float:
    return np.asarray(log.rewards - _at(rewards_model, log.actions))


def _at(table: Float, actions: Ints) -> Float:
    return np.asarray(np.take_along_axis(table, actions[:, None], axis=1)[:, 0])


def _check_bound(bound: float) -> None:
    if not bound > 0:
        raise OffPolicyError(f"bound {bound}: expected more than 0: the largest importance weight to trust")


def _check_propensities(propensities: npt.NDArray[Any]) -> None:
    if not np.all((propensities > 0) & (propensities <= 1)):
        wrong = int(np.sum(~((propensities > 0) & (propensities <= 1))))
        raise OffPolicyError(
            f"propensities: {wrong} of {propensities.size} lie outside (0, 1]: log the probability of every action drawn"
        )
