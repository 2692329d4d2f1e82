"""From elasticities to units: a season and a trend of each group, the level of each series as of late, and how late."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from models.elasticity.data import Dataset, Floats

DAYS_A_YEAR = 365.25
SHORTEST_SEASON = 1.25  # years of history from which a season is told from a trend
RIDGE = 1.0  # of the waves of a season, in periods
ORIGINS = 3  # days from which levels are tried out
_EPS = 1e-9


@dataclass(frozen=True)
class Levels:
    """`level` (N,) expected units at the reference price at the end of the data, without season; `season` (G, waves); `trend`
    (G,) log growth a year, of which `share` goes on; `half_life` periods; `until` years of the end."""

    level: Floats
    season: Floats
    trend: Floats
    share: float
    half_life: float
    until: float

    def told(self, data: Dataset, elasticity: Floats, promotion: Floats, years: Floats) -> Floats:
        """Expected units (N, T) at the data's prices; a price that is not known counts as the reference."""
        return np.asarray(self.level[:, None] * _shape(data, elasticity, promotion, self, years))


def years_since(periods: npt.NDArray[np.datetime64], first: np.datetime64) -> Floats:
    """Years (T,) of periods since the first."""
    return np.asarray((periods - first) / np.timedelta64(1, "D") / DAYS_A_YEAR, dtype=np.float64)


def waves(years: Floats, harmonics: int) -> Floats:
    """Waves (T, 2 * harmonics) of the year."""
    found = [wave(2 * np.pi * (k + 1) * years) for k in range(harmonics) for wave in (np.sin, np.cos)]
    return np.stack(found, axis=1) if found else np.zeros((len(years), 0))


def fit_levels(data: Dataset, elasticity: Floats, promotion: Floats, years: Floats) -> Levels:
    """Levels at the end of the data. Half-life and share of the trend are those that foretold the periods after earlier ends
    best, as many periods as are held out."""
    cfg, periods = data.config, len(data.periods)
    ahead = max(1, round(cfg.test_share * periods))
    cuts = [periods - ahead - (number * ahead) // 2 for number in range(ORIGINS)]
    cuts = [cut for cut in cuts if cut >= max(4, periods // 4)] or [max(2, periods - ahead)]
    choices = list(product(cfg.half_lives, cfg.trend_shares))
    errors = np.zeros(len(choices))
    for cut in cuts:
        early, then = data.before(cut), slice(cut, cut + ahead)
        season, trend = _season(early, elasticity, promotion, years[:cut])
        for place, (half_life, share) in enumerate(choices):
            levels = _levels(early, elasticity, promotion, years[:cut], season, trend, half_life, share)
            told = levels.told(data, elasticity, promotion, years)
            errors[place] += log_error(data.units[:, then], told[:, then])
    half_life, share = choices[0] if np.isnan(errors).all() else choices[int(np.nanargmin(errors))]
    season, trend = _season(data, elasticity, promotion, years)
    return _levels(data, elasticity, promotion, years, season, trend, half_life, share)


def log_error(units: Floats, told: Floats) -> float:
    """Root mean squared error of log units, where units were sold; NaN where none were."""
    there = (units > 0) & (told > 0)
    if not there.any():
        return float("nan")
    return float(np.sqrt(np.mean((np.log(units[there]) - np.log(told[there])) ** 2)))


def _shape(data: Dataset, elasticity: Floats, promotion: Floats, levels: Levels, years: Floats) -> Floats:
    """Expected units (N, T) over the level at its end."""
    of_group = levels.season @ waves(years, data.config.harmonics).T
    of_group = of_group + levels.share * levels.trend[:, None] * (years - levels.until)
    of_price = elasticity[:, None] * np.nan_to_num(data.price)
    return np.asarray(np.exp(of_group[data.group] + promotion[:, None] * data.promoted - of_price))


def _levels(
    data: Dataset,
    elasticity: Floats,
    promotion: Floats,
    years: Floats,
    season: Floats,
    trend: Floats,
    half_life: float,
    share: float,
) -> Levels:
    known = np.isfinite(data.units) & np.isfinite(data.price)
    weight = 0.5 ** (np.arange(len(data.periods))[::-1] / half_life) * known
    one = Levels(np.ones(len(data.series)), season, trend, share, half_life, float(years[-1]))
    sold = (weight * np.where(known, data.units, 0.0)).sum(axis=1)
    level = sold / np.maximum((weight * one.told(data, elasticity, promotion, years)).sum(axis=1), _EPS)
    return Levels(np.asarray(level), season, trend, share, half_life, one.until)


def _season(data: Dataset, elasticity: Floats, promotion: Floats, years: Floats) -> tuple[Floats, Floats]:
    """Waves (G, W) and trend (G,) of each group, from the mean log of its series' demand at the reference price, each over its
    own; no waves where the history is short."""
    width, groups = 2 * data.config.harmonics, len(data.groups)
    season, trend = np.zeros((groups, width)), np.zeros(groups)
    plain = Levels(np.ones(len(data.series)), season, trend, 0.0, 1.0, 0.0).told(data, elasticity, promotion, years)
    known = np.isfinite(data.price) & (np.nan_to_num(data.units) > 0)
    adjusted = np.where(known, np.log(np.where(known, data.units, 1.0)) - np.log(plain), 0.0)
    usual = adjusted.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    away = np.where(known, adjusted - usual, 0.0)
    swings = width if years[-1] - years[0] >= SHORTEST_SEASON else 0
    X = np.column_stack([np.ones(len(years)), years - years.mean(), waves(years, swings // 2)])
    penalty = np.diag([_EPS, RIDGE * _EPS, *np.full(swings, RIDGE)])
    for number in range(groups):
        rows = data.group == number
        count = known[rows].sum(axis=0)
        there = count > 0
        if there.sum() > X.shape[1]:
            part, mean = X[there], away[rows].sum(axis=0)[there] / count[there]
            found = np.linalg.solve(part.T @ part + penalty, part.T @ mean)
            trend[number], season[number, :swings] = found[1], found[2:]
    return season, trend
