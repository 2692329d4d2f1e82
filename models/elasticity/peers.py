"""The standard: log-log regressions by least squares, of each series and of all with effects of series (statsmodels)."""

from dataclasses import dataclass

import numpy as np

from models.elasticity.data import Dataset, Floats
from models.elasticity.levels import years_since

EACH, POOLED = "log-log, each series (statsmodels)", "log-log, effects of series (statsmodels)"
MONTHS = 12


@dataclass(frozen=True)
class LogLog:
    """Elasticity (N,) and standard error (N,), and units (N, T) told for every period; NaN where a series has too little."""

    elasticity: Floats
    error: Floats
    told: Floats


def fit_each(data: Dataset, until: int) -> LogLog:
    """log units ~ 1 + log price + promotion + trend + months, series by series, on the periods before `until`; errors hold
    under shocks that last (Newey and West 1987)."""
    import statsmodels.api as sm

    calendar = _calendar(data)
    n, periods = data.units.shape
    elasticity, error, told = np.full(n, np.nan), np.full(n, np.nan), np.full((n, periods), np.nan)
    for row in range(n):
        X = np.column_stack([np.ones(periods), np.nan_to_num(data.price[row]), data.promoted[row], calendar])
        there = _there(data)[row]
        there[until:] = False
        X = X[:, [0, *(np.flatnonzero(X[there].std(axis=0) > 0) if there.any() else ())]]
        if there.sum() <= X.shape[1] or np.std(data.price[row][there]) < data.config.min_spread:
            continue
        fit = sm.OLS(np.log(data.units[row][there]), X[there]).fit(
            cov_type="HAC", cov_kwds={"maxlags": data.config.lags}
        )
        elasticity[row], error[row] = -fit.params[1], fit.bse[1]
        told[row] = np.exp(X @ fit.params)
    return LogLog(elasticity, error, told)


def fit_pooled(data: Dataset, until: int) -> LogLog:
    """log units ~ effect of the series + log price + promotion + trend + months, one elasticity a group; errors by series."""
    import statsmodels.api as sm

    calendar = _calendar(data)
    n, periods = data.units.shape
    elasticity, error, told = np.full(n, np.nan), np.full(n, np.nan), np.full((n, periods), np.nan)
    there = _there(data)
    there[:, until:] = False
    for number in range(len(data.groups)):
        rows = np.flatnonzero((data.group == number) & (there.sum(axis=1) > 1))
        if not rows.size:
            continue
        shared = np.broadcast_to(calendar, (len(rows), *calendar.shape))
        own = np.stack([np.nan_to_num(data.price[rows]), data.promoted[rows]], axis=2)
        X = np.concatenate([own, shared], axis=2)
        X = X[:, :, X[there[rows]].std(axis=0) > 0]
        y = np.log(np.where(there[rows], data.units[rows], 1.0))
        count = there[rows].sum(axis=1)
        mean_x = np.where(there[rows][:, :, None], X, 0).sum(axis=1) / count[:, None]
        mean_y = np.where(there[rows], y, 0).sum(axis=1) / count
        within_x, within_y = X - mean_x[:, None], y - mean_y[:, None]
        inside = there[rows]
        who = np.repeat(np.arange(len(rows)), periods).reshape(len(rows), periods)[inside]
        if inside.sum() <= X.shape[2] + len(rows):
            continue
        several = {"cov_type": "cluster", "cov_kwds": {"groups": who}} if len(rows) > 1 else {}
        fit = sm.OLS(within_y[inside], within_x[inside]).fit(**several)
        elasticity[rows], error[rows] = -fit.params[0], fit.bse[0]
        told[rows] = np.exp(mean_y[:, None] + within_x @ fit.params)
    return LogLog(elasticity, error, told)


def _there(data: Dataset) -> np.ndarray:
    """Where (N, T) a price is known and something was sold: a log knows no zero."""
    return np.isfinite(data.price) & np.isfinite(data.units) & (np.nan_to_num(data.units) > 0)


def _calendar(data: Dataset) -> Floats:
    """Trend and months (T, .), the months that occur but one."""
    month = data.periods.astype("datetime64[M]").astype(np.int64) % MONTHS
    years = years_since(data.periods, data.periods[0])
    occurring = np.unique(month)[1:]
    return np.column_stack([years - years.mean(), *(month == each for each in occurring)]).astype(np.float64)
