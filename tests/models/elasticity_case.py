"""What `test_same_shape.py` needs to know of elasticities, see `forecaster_case.py`."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

CONFIG: dict[str, Any] = {"test_share": 0.25}
BASELINE = "log-log, each series (statsmodels)"
PEERS = ("log-log, effects of series (statsmodels)",)
SERIES, WEEKS, GROUPS = 24, 120, ("milk", "salad")
MEANS, SPREAD = (1.2, 2.4), 0.3


def panel(
    seed: int = 0, *, level: float = 12.0, weeks: int = WEEKS, series: int = SERIES
) -> tuple[pa.Table, dict[str, float]]:
    """Weekly units and prices of a market with shocks common to a group, and the true elasticities by series."""
    rng = np.random.default_rng(seed)
    group = np.arange(series) % 2
    true = rng.normal(np.array(MEANS)[group], SPREAD)
    log_price = np.cumsum(rng.choice([-0.15, 0.0, 0.0, 0.15], (series, weeks)), axis=1)
    log_price -= np.clip(log_price - 0.4, 0, None) + np.clip(log_price + 0.4, None, 0)
    promoted = (rng.random((series, weeks)) < 0.1).astype(float)
    log_price -= 0.2 * promoted
    shock = np.cumsum(0.05 * rng.normal(size=(2, weeks)), axis=1) + 0.3 * np.sin(2 * np.pi * np.arange(weeks) / 52)
    usual = np.log(level) + 0.5 * rng.normal(size=series)
    mean = np.exp(usual[:, None] + shock[group] + 0.3 * promoted - true[:, None] * log_price)
    units = rng.negative_binomial(10, 10 / (10 + mean)).astype(float)
    names = [f"s{number:02d}" for number in range(series)]
    start = date(2023, 1, 2)
    rows = pa.table(
        {
            "series_id": np.repeat(names, weeks).tolist(),
            "group_id": np.repeat([GROUPS[number] for number in group], weeks).tolist(),
            "period_start": [start + timedelta(days=7 * week) for _ in range(series) for week in range(weeks)],
            "price": (3.0 * np.exp(log_price)).ravel(),
            "units": units.ravel(),
            "promoted": promoted.ravel(),
        }
    )
    return rows, dict(zip(names, true.tolist(), strict=True))


def tables(synthetic: ModuleType, cfg: Any) -> dict[str, Any]:
    del synthetic, cfg
    return {"price_panel": panel()[0]}


def request(trained: Any, data: Any) -> Any:
    from models.elasticity.predict import ElasticityInput

    del trained
    return ElasticityInput(data.series[:5], [data.groups[number] for number in data.group[:5]])


def outputs(reply: Any) -> dict[str, np.ndarray]:
    return {"elasticity": reply.elasticity, "error": reply.error, "low": reply.low, "level": reply.level}


def hostile(sound: Any) -> Iterator[tuple[str, Any]]:
    yield r"groups: 'cars' is unknown; name one of milk, salad", replace(sound, groups=["cars"] * 5)
    yield r"groups: 2 names, series has 5", replace(sound, groups=["milk"] * 2)
    yield r"series: expected a list", replace(sound, series="s01")
    yield r"series: 0 names", replace(sound, series=[], groups=[])
    yield r"series: '7' is no text", replace(sound, series=[7] * 5)
    yield r"series: 'x+' is no text", replace(sound, series=["x" * 300] * 5)
