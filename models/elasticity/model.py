"""The model: units follow a Poisson mean, its log linear in the log of price; elasticities of a group's series are alike.

log E[units of i in t] = a_i + season, common shocks and promotion - elasticity_i log(price / reference),
elasticity_i ~ Normal(group's mean, group's variance). Pseudo-maximum likelihood (Gourieroux, Monfort and Trognon 1984; Santos
Silva and Tenreyro 2006, "The log of gravity") needs no more than the mean to be right, zeros included. What moves all series
of a group is held by their own mean demand and price (Pesaran 2006, common correlated effects). Groups are pooled as a
meta-analysis of random effects (DerSimonian and Laird 1986).
"""

from dataclasses import dataclass

import numpy as np

from models.elasticity.data import Dataset, Floats, Ints

LIMIT = 30.0  # of a log mean over the series' own
STEPS, TOLERANCE = 50, 1e-8
FEW = 2  # series from which a group has a spread of its own
_EPS = 1e-9


@dataclass(frozen=True)
class Estimates:
    """Elasticity (N,) of each series alone and its standard error, inf where a series says nothing; `promotion` (N,) likewise
    the log of its lift."""

    elasticity: Floats
    error: Floats
    promotion: Floats


@dataclass(frozen=True)
class Pooled:
    """Elasticities (N,) drawn to their groups' and their standard errors; `mean`, `mean_error`, `spread` (G,) of groups."""

    elasticity: Floats
    error: Floats
    mean: Floats
    mean_error: Floats
    spread: Floats


def estimate(data: Dataset, years: Floats) -> Estimates:
    """Each series by itself, all in one batch of Newton steps; `years` (T,) since the first period."""
    cfg = data.config
    X = _design(data, years)
    known = np.isfinite(data.units) & np.isfinite(data.price)
    X = np.where(known[:, :, None], X, 0.0)
    y = np.where(known, data.units, 0.0)
    periods = known.sum(axis=1)
    usual = np.where(periods > 0, y.sum(axis=1) / np.maximum(periods, 1), 0.0)
    spread = np.array(
        [np.std(row[there]) if there.any() else 0.0 for row, there in zip(data.price, known, strict=True)]
    )
    usable = (periods >= cfg.min_periods) & (usual > 0) & (spread >= cfg.min_spread)
    elasticity, error = np.zeros(len(y)), np.full(len(y), np.inf)
    promotion = np.zeros(len(y))
    rows = np.flatnonzero(usable)
    if rows.size:
        scaled = y[rows] / usual[rows, None]
        beta, mean = _newton(X[rows], scaled, known[rows], cfg.ridge)
        covariance = _sandwich(X[rows], scaled - mean, mean, known[rows], cfg.ridge, cfg.lags)
        elasticity[rows], error[rows] = -beta[:, 1], np.sqrt(covariance[:, 1, 1])
        promotion[rows] = beta[:, 2]
    return Estimates(elasticity, error, promotion)


def pool(found: Estimates, group: Ints, groups: int) -> Pooled:
    """Draw the series of each group to its mean, the more the less they say; groups to the mean of all."""
    mean, mean_error, spread = np.zeros(groups), np.full(groups, np.inf), np.zeros(groups)
    for number in range(groups):
        rows = np.flatnonzero((group == number) & np.isfinite(found.error))
        if rows.size:
            mean[number], mean_error[number], spread[number] = _random_effects(
                found.elasticity[rows], found.error[rows]
            )
    told = np.isfinite(mean_error)
    if not told.any():
        raise ValueError("no series has enough periods and prices: give a longer history, or lower min_periods")
    centre, centre_error, between = _random_effects(mean[told], mean_error[told])
    # A group of one series has no spread of its own: it takes that of other groups, else that between groups.
    several = np.bincount(group[np.isfinite(found.error)], minlength=groups) >= FEW
    usual = float(np.sqrt(np.mean(spread[several] ** 2))) if several.any() else between
    spread = np.where(several, spread, usual)
    mean, mean_error = _drawn(mean, mean_error, np.full(groups, centre), np.full(groups, centre_error), between)
    own, own_error = _drawn(found.elasticity, found.error, mean[group], mean_error[group], spread[group])
    return Pooled(own, own_error, mean, mean_error, spread)


def _random_effects(values: Floats, errors: Floats) -> tuple[float, float, float]:
    """Mean, its standard error and the spread between values beyond their errors (method of moments)."""
    weight = 1.0 / np.maximum(errors, _EPS) ** 2
    fixed = (weight * values).sum() / weight.sum()
    excess = (weight * (values - fixed) ** 2).sum() - (len(values) - 1)
    scale = weight.sum() - (weight**2).sum() / weight.sum()
    variance = max(0.0, float(excess / scale)) if scale > 0 else 0.0
    weight = 1.0 / (np.maximum(errors, _EPS) ** 2 + variance)
    return float((weight * values).sum() / weight.sum()), float(weight.sum() ** -0.5), float(np.sqrt(variance))


def _drawn(
    values: Floats, errors: Floats, centre: Floats, centre_error: Floats, spread: Floats | float
) -> tuple[Floats, Floats]:
    """Values drawn to a centre by what they say and how far they spread; inf errors take the centre and the spread."""
    variance = np.maximum(np.broadcast_to(np.asarray(spread, dtype=np.float64), values.shape), _EPS) ** 2
    say = np.where(np.isfinite(errors), variance / (variance + np.where(np.isfinite(errors), errors, 0.0) ** 2), 0.0)
    own = say * np.where(np.isfinite(errors), errors, 0.0) ** 2 + (1.0 - say) * np.where(say > 0, 0.0, variance)
    return say * values + (1.0 - say) * centre, np.sqrt(own + ((1.0 - say) * centre_error) ** 2)


def _design(data: Dataset, years: Floats) -> Floats:
    """Columns (N, T, K): one, log price, promotion, trend, season, and the demand and price of the others of the group."""
    n, periods = data.units.shape
    waves = [wave(2 * np.pi * (k + 1) * years) for k in range(data.config.harmonics) for wave in (np.sin, np.cos)]
    shared = np.stack([years - years.mean(), *waves])
    columns = [
        np.ones((n, periods)),
        data.price,
        data.promoted,
        *np.broadcast_to(shared[:, None, :], (len(shared), n, periods)),
    ]
    demand, price = common(data)
    return np.stack([*columns, demand, price], axis=2)


def common(data: Dataset) -> tuple[Floats, Floats]:
    """Log of the demand and of the price of a group's other series (N, T), each over its own mean; 0 in small groups."""
    known = np.isfinite(data.units) & np.isfinite(data.price)
    units = np.where(known, data.units, 0.0)
    usual = units.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    relative = np.where(known & (usual > 0), units / np.maximum(usual, _EPS), 0.0)
    prices = np.where(known, data.price, 0.0)
    demand, price = np.zeros_like(units), np.zeros_like(units)
    for number in range(len(data.groups)):
        rows = np.flatnonzero(data.group == number)
        if len(rows) < data.config.common_from:
            continue
        count = known[rows].sum(axis=0) - known[rows]
        there = count > 0
        mean = np.where(there, (relative[rows].sum(axis=0) - relative[rows]) / np.maximum(count, 1), 1.0)
        demand[rows] = np.log(np.maximum(mean, 0.05))
        price[rows] = np.where(there, (prices[rows].sum(axis=0) - prices[rows]) / np.maximum(count, 1), 0.0)
    return demand, price


def _newton(X: Floats, y: Floats, known: np.ndarray, ridge: float) -> tuple[Floats, Floats]:
    """Coefficients (N, K) of a Poisson regression of each row of y (N, T), and its means (N, T)."""
    n, _, k = X.shape
    beta = np.zeros((n, k))
    penalty = _penalty(k, ridge)
    loss = np.full(n, np.inf)
    step = np.zeros_like(beta)
    for _ in range(STEPS):
        size = np.ones(n)
        for _ in range(20):  # a step too far is halved
            trial = beta + size[:, None] * step
            log_mean = np.clip(np.einsum("ntk,nk->nt", X, trial), -LIMIT, LIMIT)
            mean = np.where(known, np.exp(log_mean), 0.0)
            now = (mean - y * np.where(known, log_mean, 0.0)).sum(axis=1) + 0.5 * (penalty * trial**2).sum(axis=1)
            worse = now > loss + 1e-12 * np.abs(loss)
            if not worse.any():
                break
            size = np.where(worse, size / 2, size)
        gain = np.where(np.isfinite(loss), loss - now, np.inf)
        beta, loss = trial, now
        if (gain < TOLERANCE * (1 + np.abs(now))).all():
            break
        gradient = np.einsum("ntk,nt->nk", X, y - mean) - penalty * beta
        step = np.linalg.solve(_curvature(X, mean, penalty), gradient[:, :, None])[:, :, 0]
    return beta, mean


def _penalty(width: int, ridge: float) -> Floats:
    """Of each coefficient; next to nothing of price, which nothing may pull."""
    penalty = np.full(width, max(ridge, _EPS))
    penalty[:2] = _EPS
    return penalty


def _curvature(X: Floats, mean: Floats, penalty: Floats) -> Floats:
    return np.asarray(np.einsum("ntk,nt,ntj->nkj", X, mean, X, optimize=True) + np.diag(penalty))


def _sandwich(X: Floats, residual: Floats, mean: Floats, known: np.ndarray, ridge: float, lags: int) -> Floats:
    """Covariances (N, K, K) that hold under any variance and under shocks that last `lags` periods."""
    scores = X * residual[:, :, None]
    meat = np.einsum("ntk,ntj->nkj", scores, scores)
    for lag in range(1, lags + 1):
        later = np.einsum("ntk,ntj->nkj", scores[:, lag:], scores[:, :-lag])
        meat += (1.0 - lag / (lags + 1.0)) * (later + later.transpose(0, 2, 1))
    inverse = np.linalg.inv(_curvature(X, mean, _penalty(X.shape[2], ridge)))
    periods = known.sum(axis=1)
    small = periods / np.maximum(periods - X.shape[2], 1)
    return np.asarray(small[:, None, None] * (inverse @ meat @ inverse))
