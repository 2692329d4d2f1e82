"""Rows of the forecaster on worlds it has never seen: error against expected demand, coverage, and planted effects.

The planted effect of promotions is the difference between two worlds of one seed, one of them without promotions: all
other draws are the same in both. So the forecast without promotions is asked for a world that has none at all: none of
rivals either, which take a fifth of a product's demand there, and none before or behind the day. Clearances run in both
worlds and are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from bench_row import BenchContext, BenchResult, BenchRow

SEEDS = (101, 102, 103)
NAIVE = "seasonal naive"
PROMOTION = (
    *("promo_depth", "promo_multibuy", "promo_clearance", "promo_day", "promo_days_left", "promo_length"),
    *("category_promos", "category_promo_depth"),
)
FAR_PROMOTION = ("days_to_next_promo", "days_after_promo")
Float = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class World:
    """What one world tells of the champion. Ratios: of sums over the held-out cells."""

    error: float  # RMSE against expected demand / that of seasonal naive
    coverage: float  # of the 80 % interval, by randomised PIT
    uplift: float  # effect of promotions in the forecast
    planted: float  # and in the world
    right_sign: float  # share of series whose effect has the planted sign
    censored: float  # forecast of the days cut short by a stock-out / what was wanted on them


def measured(home: Path, seed: int, twin_size: str = "demo") -> World:
    """Train on the world of `seed` as `storeloop run` does, and ask the world."""
    from models.forecaster.predict import ForecastInput, load
    from orchestration.challengers import current_challenger, read_report
    from orchestration.forecasting import dataset
    from orchestration.runner import run
    from orchestration.settings import Settings
    from orchestration.workspace import Workspace
    from sources.twin.source import TwinSource

    settings = Settings.model_validate({"home": home / str(seed), "twin_seed": seed, "twin_size": twin_size})
    outcome = run(settings, "+forecaster/challenger")
    if not outcome.success:
        raise RuntimeError(f"the run stopped: {outcome.failures}")
    workspace = Workspace(settings)
    report, data = read_report(workspace, "forecaster"), dataset(workspace)
    test = data.test
    assert test is not None and isinstance(workspace.source, TwinSource)
    model = load(current_challenger(workspace, "forecaster").artifact)
    request = ForecastInput(test.state, test.known_future, test.origin).only(model.spec)
    told = model.predict(request).mean
    plain = model.predict(ForecastInput(request.state, without_promotions(request.known_future), request.origin)).mean
    params = workspace.source.params
    never = params.promotions.model_copy(update={"probability": 0.0, "local_probability": 0.0})
    expected = _cells(data, workspace.source.truth().expected_demand)
    without = _cells(data, TwinSource(params.model_copy(update={"promotions": never}), seed).truth().expected_demand)
    planned = (test.known_future["promo_depth"] > 0) & (test.known_future["promo_clearance"] == 0)
    promoted = planned & ~np.isnan(expected) & ~np.isnan(without) & (without > 0)
    forecast_effect, planted_effect = (
        _by_series(promoted, told) / _by_series(promoted, plain) - 1,
        _by_series(promoted, expected) / _by_series(promoted, without) - 1,
    )
    judged = promoted.any(axis=1)
    return World(
        error=report.value("champion", "rmse_expected") / report.value(NAIVE, "rmse_expected"),
        coverage=report.value("champion", "coverage80"),
        uplift=float(told[promoted].sum() / plain[promoted].sum() - 1),
        planted=float(expected[promoted].sum() / without[promoted].sum() - 1),
        right_sign=float(np.mean(np.sign(forecast_effect[judged]) == np.sign(planted_effect[judged]))),
        censored=_censored(data, told, expected),
    )


def without_promotions(known_future: Mapping[str, Float]) -> dict[str, Float]:
    """The covariates {name: (N, H)} of a world in which nothing is ever promoted."""
    from features.known_ahead import PROMOTION_CAP_DAYS

    values = {**dict.fromkeys(PROMOTION, 0.0), **dict.fromkeys(FAR_PROMOTION, float(PROMOTION_CAP_DAYS))}
    return {name: np.full_like(v, values[name]) if name in values else v for name, v in known_future.items()}


def _by_series(mask: npt.NDArray[np.bool_], values: Float) -> Float:
    return np.where(mask, values, 0.0).sum(axis=1) + 1e-12


def _censored(data: Any, told: Float, expected: Float) -> float:
    """Sum of the forecasts over that of what was wanted, on held-out days whose sales a stock-out cut short."""
    index = data.test.period[:, None] + np.arange(1, data.horizon + 1)
    rows = data.test.series[:, None]
    short = ~np.isnan(data.values[rows, index]) & ~data.usable[rows, index] & ~np.isnan(expected)
    return float(told[short].sum() / expected[short].sum()) if short.any() else float("nan")


def _cells(data: Any, table: Any) -> Float:
    """Expected units of the test pairs, (N, H); NaN where the truth is silent."""
    import duckdb
    import pyarrow as pa

    test = data.test
    series = pa.table(
        {
            "pair": pa.array(np.arange(len(test))),
            **{
                key: pa.array(list(data.series_keys[key][test.series]), pa.string())
                for key in ("store_id", "product_id")
            },
        }
    )
    start = data.split.test_start.astype("datetime64[D]").item()
    con = duckdb.connect()
    con.register("truth", table)
    con.register("series", series)
    found = con.execute(
        "SELECT pair, date_diff('day', ?::DATE, date) AS ahead, expected_units FROM truth JOIN series USING "
        "(store_id, product_id) WHERE date >= ?::DATE",
        [start, start],
    ).fetchnumpy()
    grid = np.full((len(test), data.horizon), np.nan)
    inside = found["ahead"] < data.horizon
    grid[found["pair"][inside], found["ahead"][inside]] = found["expected_units"][inside]
    return grid


def _row(context: BenchContext) -> BenchResult:
    worlds = [measured(context.scratch, seed) for seed in SEEDS]
    error = max(world.error for world in worlds)
    met = (
        error <= 0.3
        and all(0.77 <= world.coverage <= 0.83 for world in worlds)
        and all(abs(world.uplift / world.planted - 1) <= 0.25 for world in worlds)
        and all(abs(world.censored - 1) <= 0.1 for world in worlds)
    )
    said = "; ".join(
        f"seed {seed}: {w.error:.3f}, coverage {w.coverage:.3f}, promotions {w.uplift:+.0%} (planted {w.planted:+.0%}, "
        f"right sign {w.right_sign:.0%} of series), censored days {w.censored:.2f} of demand"
        for seed, w in zip(SEEDS, worlds, strict=True)
    )
    bound = "<= 0.3x naive; coverage 0.77-0.83; promotions within 25 %; censored within 10 %"
    return BenchResult(error, "x seasonal naive", bound=bound, met=met, note=said)


ROWS = [BenchRow("forecaster-unseen-worlds", "forecaster", "three unseen worlds, against expected demand", _row)]
