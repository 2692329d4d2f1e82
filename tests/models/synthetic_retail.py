"""A small shop drawn from a known demand curve, as the four tables that the forecaster reads. Loaded by path.

Demand of series s on day t: base_s * weekday * year * (1 + lift * promotion), counts are Poisson around it, so that
the expected demand is known exactly. State is computed here with numpy, plainly and independently of the feature room.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from models.forecaster.config import PERIOD_DAYS, Config
from models.forecaster.data import plan_origins

WEEKDAY = np.array([0.8, 0.7, 0.8, 0.9, 1.2, 1.6, 1.0])
PROMOTION_LIFT = 0.8


@dataclass(frozen=True)
class Shop:
    tables: dict[str, pa.Table]
    expected: np.ndarray  # (S, T)
    values: np.ndarray  # (S, T)
    dates: np.ndarray  # (T,)
    covariates: dict[str, np.ndarray] = field(default_factory=dict)  # name -> (S, T)

    def truth(self) -> Any:
        n_series, n_periods = self.expected.shape
        table = pa.table(
            {
                "series_id": np.repeat(series_names(n_series), n_periods),
                "period_start": np.tile(self.dates, n_series),
                "expected_units": self.expected.ravel(),
            }
        )
        return type("Truth", (), {"expected_demand": table})()


def series_names(n_series: int) -> np.ndarray:
    return np.array([f"s{index:04d}" for index in range(n_series)])


def with_store_keys(tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """The tables with `key_store` in the state: each series has a store, and the numbers of stores fall as series rise."""
    number = [float(name.removeprefix("s")) for name in tables["state"]["series_id"].to_pylist()]
    return {**tables, "state": tables["state"].append_column("key_store", pa.array(1_000.0 - np.array(number)))}


def shop(
    cfg: Config,
    *,
    n_series: int = 24,
    n_periods: int = 240,
    seed: int = 7,
    unit: str = "units",
    level: float = 12.0,
    closed_sundays: bool = False,
    covariates: bool = True,
    stock_outs: bool = False,
) -> Shop:
    rng = np.random.default_rng(seed)
    days = PERIOD_DAYS[cfg.frequency]
    dates = np.datetime64("2023-01-02") + np.arange(n_periods) * np.timedelta64(days, "D")
    base = level * rng.lognormal(0.0, 0.6, size=n_series)
    year = 1 + 0.25 * np.sin(2 * np.pi * np.arange(n_periods) * days / 365.25)
    weekday = WEEKDAY[np.arange(n_periods) % 7] if cfg.frequency == "daily" else np.ones(n_periods)
    weeks = -(-n_periods * days // 7)
    weekly_promotion = rng.random((n_series, weeks)) < 0.2
    promotion = weekly_promotion[:, np.arange(n_periods) * days // 7].astype(float)
    open_ = np.ones((n_series, n_periods))
    if closed_sundays:
        open_[:, np.arange(n_periods) % 7 == 6] = 0.0
    expected = base[:, None] * (weekday * year)[None] * (1 + PROMOTION_LIFT * promotion) * open_
    values = (
        rng.poisson(expected).astype(float) if unit == "units" else expected * rng.lognormal(0, 0.15, expected.shape)
    )
    censored = (rng.random(values.shape) < 0.05) if stock_outs else np.zeros(values.shape, dtype=bool)
    sold = np.where(censored, np.floor(values * 0.3), values)
    known = {"promo_depth": promotion, "is_holiday": np.tile((np.arange(n_periods) % 45 == 0) * 1.0, (n_series, 1))}
    if closed_sundays:
        known["open"] = open_
    ahead = known if covariates else {}
    tables = {
        "sales": sales_table(sold, dates, unit, open_ > 0, censored),
        "series": pa.table({"series_id": series_names(n_series)}),
        **feature_tables(sold, dates, ahead, cfg, open_ > 0, unit),
    }
    return Shop(tables=tables, expected=expected, values=sold, dates=dates, covariates=ahead)


def sales_table(values: np.ndarray, dates: np.ndarray, unit: str, open_: np.ndarray, censored: np.ndarray) -> pa.Table:
    n_series, n_periods = values.shape
    return pa.table(
        {
            "series_id": np.repeat(series_names(n_series), n_periods),
            "period_start": np.tile(dates, n_series),
            "value": values.ravel(),
            "unit": [unit] * values.size,
            "open": open_.ravel(),
            "censored": censored.ravel(),
        }
    )


def feature_tables(
    values: np.ndarray,
    dates: np.ndarray,
    ahead: dict[str, np.ndarray],
    cfg: Config,
    open_: np.ndarray,
    unit: str,
) -> dict[str, pa.Table]:
    """state and known_future at the planned origins (and at the last period, to forecast the unknown from)."""
    n_series, n_periods = values.shape
    days = PERIOD_DAYS[cfg.frequency]
    split = plan_origins(dates[0], dates[-1], cfg, n_series=n_series, unit=unit)
    index = np.union1d((split.origins - dates[0]).astype(int) // days, [n_periods - 1]).astype(int)
    seen = np.where(open_, values, np.nan)
    state: dict[str, np.ndarray] = {}
    for span in (7, 28, 91):
        state[f"level_{span}"] = np.stack([_mean(seen[:, max(0, t + 1 - span // days) : t + 1]) for t in index], axis=1)
    state["std_28"] = np.stack([values[:, max(0, t + 1 - 28 // days) : t + 1].std(axis=1) for t in index], axis=1)
    for lag in range(1, 8):
        state[f"last_{lag}"] = np.stack([values[:, t + 1 - lag] for t in index], axis=1)
    if cfg.frequency == "daily":
        for phase in range(7):
            past = [seen[:, t - 6 + phase :: -7][:, :8] for t in index]
            state[f"season_mean_{phase}"] = np.stack([_mean(values) for values in past], axis=1)
            state[f"season_last_{phase}"] = np.stack([values[:, 0] for values in past], axis=1)
    state["age_periods"] = np.tile(index + 1.0, (n_series, 1))
    state["trend_28_91"] = state["level_28"] / np.maximum(state["level_91"], 0.1)
    state["always_null"] = np.full((n_series, index.size), np.nan)
    state["scale"] = np.maximum(state["level_28"], 0.1)
    pairs = {
        "series_id": np.repeat(series_names(n_series), index.size),
        "origin": np.tile(dates[index], n_series),
    }
    steps = np.arange(1, cfg.horizon + 1)
    future = {
        "series_id": np.repeat(pairs["series_id"], cfg.horizon),
        "origin": np.repeat(pairs["origin"], cfg.horizon),
        "step": np.tile(steps, n_series * index.size),
    }
    future["period_start"] = future["origin"] + (future["step"] * days).astype("timedelta64[D]")
    target = index[:, None] + steps
    for name, grid in ahead.items():
        cell = np.where(target < n_periods, grid[:, np.minimum(target, n_periods - 1)], 0.0 if name != "open" else 1.0)
        future[name] = cell.ravel()
    return {
        "state": pa.table({**pairs, **{name: column.ravel() for name, column in state.items()}}),
        "known_future": pa.table(future),
    }


def _mean(values: np.ndarray) -> np.ndarray:
    count = np.maximum((~np.isnan(values)).sum(axis=1), 1)
    return np.nansum(values, axis=1) / count
