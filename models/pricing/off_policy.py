"""What a policy would have earned, from the log of the shop that asked other prices.

N episodes of T periods: money r_t, price a_t asked with chance b(a_t|s_t); of the policy to be judged, whose price is one:
rho_t = 1{a_t = target(s_t)} / b(a_t|s_t), w_t = rho_0 ... rho_t, at most a bound; q and v as `fitted_q` fits them,
m_t(s, a) its ratio of how often target and log come there, within the bound. Means are over episodes:

    importance sampling       sum_t mean(w_t r_t) / mean(w_t)            Precup et al. (2000), Thomas (2015); self-normalised
    fitted Q                  mean v_0                                   Le et al. (2019); interval by its influence function,
                                                                         Hao et al. (2021)
    doubly robust             sum_t mean(w_t (r_t - q_t)) / mean(w_t)    Jiang and Li (2016), Thomas and Brunskill (2016)
                                + mean(w_t-1 v_t) / mean(w_t-1)
    doubly robust, marginal   mean v_0 + sum_t m_t (r_t + v_t+1 - q_t)   Kallus and Uehara (2020, 2022)

q, v and m of the last two are cross-fitted: each episode's from a regression that has not seen it. w_t is a product, so that
of 30 periods little is left: the marginal weights are what tells of whole weeks. One decision alone (T = 1) is the bandit of
`models.experiments.off_policy`, whose estimators weigh a row by its own decision and know nothing of what follows; tests
hold the two together.
"""

from dataclasses import dataclass

import numpy as np

from models.common.protocols import DataError
from models.pricing.baselines import Policy
from models.pricing.fitted_q import Fitted, fit_q
from models.pricing.logged import Log
from models.pricing.market import Floats, Market
from models.pricing.practice import asked

LOGGED, IMPORTANCE, FITTED = "logged returns", "importance sampling", "fitted Q"
DOUBLY, MARGINAL = "doubly robust", "doubly robust, marginal"
ANSWER = MARGINAL  # the one to act on
MOST_WEIGHT = 100.0
LEAST_EFFECTIVE = 50.0  # episodes: with fewer, intervals missed the truth too often, up to one in three
MOST_OUTSIDE = 0.01  # share of decisions at prices that the log cannot hold
FOLDS, RESAMPLES, CONFIDENCE = 4, 1_000, 0.95
A_SLICE = 4_000_000  # counts drawn at once


@dataclass(frozen=True)
class Parts:
    """An estimate as sums over episodes, value = sum_k sum_i top / sum_i bottom, both (N, K): what is drawn anew by the
    bootstrap. `weight` (N, T) is that of each decision."""

    name: str
    top: Floats
    bottom: Floats
    weight: Floats
    clipped: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """Money of an episode with its 95 % interval; `gain` over what the shop earned, with its own. `effective` episodes: the
    least over periods of (sum w)^2 / sum w^2; `clipped` share of weights at the bound. `verdict` says why the log cannot
    tell, "" where it can: then the numbers are not to be acted on."""

    name: str
    value: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float
    effective: float
    clipped: float
    verdict: str


@dataclass(frozen=True)
class Evaluation:
    """A policy judged by a log of `episodes`; `outside` share of its decisions at prices that the shop would never have asked
    there. `estimates` by name, that of LOGGED the shop's own."""

    policy: str
    episodes: int
    outside: float
    estimates: dict[str, Estimate]

    @property
    def answer(self) -> Estimate:
        """The estimate to act on, if its verdict is empty."""
        return self.estimates[ANSWER]


def evaluate_off_policy(
    market: Market,
    log: Log,
    target: Policy,
    *,
    seed: int,
    most_weight: float = MOST_WEIGHT,
    folds: int = FOLDS,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Every estimate of a target; the same log and seed give the same numbers. DataError for knobs out of bounds."""
    if not most_weight >= 1 or resamples < 100:
        raise DataError(f"most_weight {most_weight}, resamples {resamples}: expected at least 1 and at least 100")
    draws = np.random.SeedSequence(seed).generate_state(2)
    matched, outside = _matches(market, log, target)
    weights = np.cumprod(matched, axis=1)
    clipped, at_bound = np.minimum(weights, most_weight), float((weights > most_weight).mean())
    whole = fit_q(market, log, target, folds=1, seed=0, most_weight=most_weight)
    crossed = fit_q(market, log, target, folds=folds, seed=int(draws[0]), most_weight=most_weight)
    found = (
        Parts(LOGGED, log.money.sum(axis=1)[:, None], np.ones((log.episodes, 1)), np.ones_like(log.money)),
        importance_sampling(log.money, clipped, at_bound),
        marginal(log.money, whole, name=FITTED),
        doubly_robust(log.money, clipped, crossed, at_bound),
        marginal(log.money, crossed),
    )
    drawn = _resampled(found, resamples, np.random.default_rng(draws[1]))
    estimates = {
        each.name: _estimate(each, found[0], drawn[each.name], drawn[LOGGED], log.episodes, outside) for each in found
    }
    return Evaluation(target.name, log.episodes, outside, estimates)


def importance_sampling(money: Floats, weight: Floats, clipped: float = 0.0) -> Parts:
    """Of money and weights w (N, T)."""
    return Parts(IMPORTANCE, weight * money, weight, weight, clipped)


def doubly_robust(money: Floats, weight: Floats, fitted: Fitted, clipped: float = 0.0) -> Parts:
    """Of money and weights w (N, T), and the fitted values of the same episodes."""
    before = np.hstack([np.ones((len(weight), 1)), weight[:, :-1]])
    top = np.hstack([weight * (money - fitted.q), before * fitted.v])
    return Parts(DOUBLY, top, np.hstack([weight, before]), weight, clipped)


def marginal(money: Floats, fitted: Fitted, *, name: str = MARGINAL) -> Parts:
    """Of money (N, T) and fitted values. Where they were fitted on these very episodes the residuals sum to about nothing, and
    what is left is fitted Q with its influence function."""
    following = np.hstack([fitted.v[:, 1:], np.zeros((len(money), 1))])
    top = fitted.v[:, :1] + (fitted.ratio * (money + following - fitted.q)).sum(axis=1, keepdims=True)
    return Parts(name, top, np.ones_like(top), fitted.ratio)


def effective_size(weight: Floats) -> float:
    """(sum w)^2 / sum w^2 over episodes of weights (N, T), the least of all periods; 0 where all are 0."""
    squares = (weight**2).sum(axis=0)
    return float(np.divide(weight.sum(axis=0) ** 2, squares, out=np.zeros_like(squares), where=squares > 0).min())


def _matches(market: Market, log: Log, target: Policy) -> tuple[Floats, float]:
    """rho (N, T), and the share of decisions in which the shop would never have asked the target's price."""
    matched, never = np.zeros(log.money.shape), 0
    rows = np.arange(log.episodes)
    for t in range(log.periods):
        wished = asked(market, target, log.reading(t))
        chance = log.propensities[rows, t, wished]
        never += int((chance == 0).sum())
        np.divide(wished == log.action[:, t], chance, out=matched[:, t], where=chance > 0)
    return matched, never / matched.size


def _resampled(parts: tuple[Parts, ...], resamples: int, rng: np.random.Generator) -> dict[str, Floats]:
    """Values (resamples,) of each estimate on episodes drawn with replacement, the same ones for all."""
    count = len(parts[0].top)
    slices: dict[str, list[Floats]] = {each.name: [] for each in parts}
    size = max(1, A_SLICE // count)
    for first in range(0, resamples, size):
        times = rng.multinomial(count, np.full(count, 1.0 / count), size=min(size, resamples - first)).astype(
            np.float64
        )
        for each in parts:
            slices[each.name].append(_value(times @ each.top, times @ each.bottom))
    return {name: np.concatenate(found) for name, found in slices.items()}


def _value(top: Floats, bottom: Floats) -> Floats:
    """Values (B,) of sums (B, K); NaN where no weight is left to divide by."""
    ratio = np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom != 0)
    return np.asarray(ratio.sum(axis=1))


def _estimate(
    parts: Parts, logged: Parts, drawn: Floats, drawn_logged: Floats, episodes: int, outside: float
) -> Estimate:
    def value(each: Parts) -> float:
        return float(_value(each.top.sum(axis=0)[None], each.bottom.sum(axis=0)[None])[0])

    effective = effective_size(parts.weight)
    low, high = _interval(drawn)
    gain_low, gain_high = _interval(drawn - drawn_logged)
    told = value(parts)
    verdict = "" if parts.name == LOGGED else verdict_on(effective, episodes, outside)
    return Estimate(
        parts.name, told, low, high, told - value(logged), gain_low, gain_high, effective, parts.clipped, verdict
    )


def verdict_on(effective: float, episodes: int, outside: float) -> str:
    """Why the log cannot tell, and what to do; "" where it can."""
    if outside > MOST_OUTSIDE:
        return f"{outside:.1%} of the policy's prices have no chance in the log (at most {MOST_OUTSIDE:.0%}): let the shop try them"
    if not effective >= LEAST_EFFECTIVE:
        return (
            f"effective sample size {effective:.0f} of {episodes:,} episodes (at least {LEAST_EFFECTIVE:.0f}): log more "
            "exploration"
        )
    return ""


def _interval(drawn: Floats) -> tuple[float, float]:
    if np.isnan(drawn).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
