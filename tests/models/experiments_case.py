"""What `test_same_shape.py` needs to know of the experiments (an analysis writes such a file of its own).

CONFIG: a small config as keyword arguments; tables(synthetic, cfg): its tables; OPTIONAL: tables it can do without;
BASELINE: the model name that a report must hold beside its champion. `simulated` serves the tests of the room as well.
"""

from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

CONFIG: dict[str, Any] = {"min_units": 30, "window_days": 2, "placebo_runs": 5, "plan_units": 600}
OPTIONAL = ("covariates",)
BASELINE = "plain, fixed horizon"
FIRST_DAY = np.datetime64("2025-03-03", "D")


def tables(synthetic: ModuleType, cfg: Any) -> dict[str, Any]:
    """600 customers who enter over ten days."""
    del synthetic
    return simulated(units=600, entry_days=10, window_days=cfg.window_days)


def simulated(
    *,
    units: int = 4_000,
    entry_days: int = 20,
    window_days: int = 7,
    lift: float = 0.0,
    rho: float = 0.7,
    share: float = 0.5,
    history: float = 1.0,
    seed: int = 4,
) -> dict[str, Any]:
    """Tables of one experiment "banner" with a known effect: arm B's level is 1 + `lift` times A's.

    A unit's outcome has mean 20, deviation 10 and correlation `rho` with its pre-period, and falls on two days of its window;
    denominators are Poisson of mean 8 a unit. share: of units in B. history: share of units with a pre-period.
    """
    rng = np.random.default_rng(seed)
    arm = (rng.random(units) < share).astype(int)
    entered = np.sort(rng.integers(0, entry_days, size=units))
    past = rng.standard_normal(units)
    level = 20 * (1 + lift * arm) + 10 * (rho * past + np.sqrt(1 - rho**2) * rng.standard_normal(units))
    first, second = rng.integers(0, window_days, size=(2, units))
    part = rng.random(units)
    known = rng.random(units) < history
    ids = np.array([f"c{number:06d}" for number in range(units)])
    return {
        "assignments": pa.table(
            {
                "experiment": ["banner"] * units,
                "unit_id": ids,
                "arm": np.array(["A", "B"])[arm],
                "assigned_on": FIRST_DAY + entered,
            }
        ),
        "outcomes": pa.table(
            {
                "unit_id": np.concatenate([ids, ids]),
                "day": FIRST_DAY + np.concatenate([entered + first, entered + second]),
                "numerator": np.concatenate([level * part, level * (1 - part)]),
                "denominator": rng.poisson(4, size=2 * units).astype(float),
            }
        ),
        "covariates": pa.table(
            {
                "unit_id": ids[known],
                "observed_until": np.full(int(known.sum()), FIRST_DAY - 1),
                "numerator": 20 + 10 * past[known],
            }
        ),
    }
