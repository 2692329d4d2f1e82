"""Score a forecaster on held-out periods beside baselines, peers and (on the twin) the oracle: expected demand."""

import time
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from models.common import metrics
from models.common.protocols import DataError, ProgressCallback, Truth, silent
from models.common.report import MetricRow, Report
from models.forecaster import plots
from models.forecaster.baselines import MOVING_MEAN_DAYS, moving_mean, phase_mean, season_length, seasonal_naive
from models.forecaster.config import PERIOD_DAYS, QUANTILES
from models.forecaster.data import Dataset, Panel
from models.forecaster.predict import ForecastInput, Predictor
from models.forecaster.scoring import Candidate, HeldOut, score_all

Float = npt.NDArray[np.floating[Any]]
Peer = Literal["lightgbm", "autoets"]
CHAMPION, NAIVE, ORACLE = "champion", "seasonal naive", "oracle"
PLOTTED_SERIES = 4


def evaluate(
    model: Predictor,
    data: Dataset,
    *,
    world: object | None = None,
    truth: Truth | None = None,
    peers: Sequence[Peer] = ("lightgbm", "autoets"),
    train_seconds: float | None = None,
    threads: int = 1,
    seed: int = 0,
    on_progress: ProgressCallback = silent,
) -> Report:
    """Compare on `data.test`: every open, uncensored period of the H periods after the cutoff.

    truth adds the oracle and, per model, `rmse_expected` (against expected demand). train_seconds is added to the
    champion's seconds. `world` is part of every model's door; a forecast acts on nothing, so it is not used here.
    DataError if the data set has no held-out window.
    """
    del world
    test = data.test
    if test is None:
        raise DataError("no held-out periods: prepare the data with hold_out=True to evaluate")
    on_progress("forecasting", 0.0)
    expected = None if truth is None else _expected(truth, data, test)
    actual = data.targets(test)
    if np.isnan(actual).all():
        raise DataError(f"0 of {actual.size} held-out periods are open, uncensored and known: choose an earlier cutoff")
    candidates = [_champion(model, data, test, train_seconds), *_baselines(data, test)]
    notes: list[str] = []
    sample = None
    if "lightgbm" in peers:
        from models.forecaster.peers import lightgbm_peer

        on_progress("fitting LightGBM through mlforecast", 0.1)
        peer = lightgbm_peer(data, test, threads=threads, seed=seed)
        candidates.append(Candidate(peer.name, peer.mean, seconds=peer.seconds))
    if "autoets" in peers:
        from models.forecaster.peers import autoets_peer

        on_progress("fitting AutoETS", 0.6)
        peer = autoets_peer(data, test, seed=seed)
        candidates.append(Candidate(peer.name, peer.mean, seconds=peer.seconds))
        sample = np.asarray(~np.isnan(peer.mean).all(axis=1))
        notes.append(f"AutoETS fits every series by itself: it is compared on {int(sample.sum())} sampled series")
    if expected is not None:
        candidates.append(Candidate(ORACLE, expected))
    closed = _closed(test)
    candidates = [_with_closures(candidate, closed) for candidate in candidates]
    on_progress("scoring", 0.9)
    held = _held_out(model, data, test, actual, expected)
    rows = score_all(candidates, held, data.intermittent[test.series], sample)
    judged = int((~np.isnan(actual)).sum())
    notes.insert(
        0,
        f"{len(test)} series x {data.horizon} {data.frequency} periods from {data.split.test_start}; "
        f"{judged} of {actual.size} open, uncensored and known periods judged",
    )
    report = Report(
        CHAMPION, rows, _pictures(data, test, actual, candidates, held=held, rows=rows, seed=seed), tuple(notes)
    )
    on_progress("evaluated", 1.0)
    return report


def _champion(model: Predictor, data: Dataset, test: Panel, train_seconds: float | None) -> Candidate:
    started = time.perf_counter()
    request = ForecastInput(test.state, test.known_future, test.origin, steps=data.horizon).only(model.spec)
    reply = model.predict(request, jittered=True)
    seconds = time.perf_counter() - started + (train_seconds or 0.0)
    quantiles = dict(zip(QUANTILES, (reply.q10, reply.q50, reply.q90), strict=True))
    return Candidate(CHAMPION, reply.mean, quantiles, seconds)


def _baselines(data: Dataset, test: Panel) -> list[Candidate]:
    cut = data.test_period
    values, usable = data.values[test.series, :cut], data.usable[test.series, :cut]
    season = season_length(data.frequency, cut)
    window = MOVING_MEAN_DAYS // PERIOD_DAYS[data.frequency]
    return [
        Candidate(NAIVE, seasonal_naive(values, usable, season=season, horizon=data.horizon)),
        Candidate("phase mean", phase_mean(values, usable, season=season, horizon=data.horizon)),
        Candidate("moving mean", moving_mean(values, usable, periods=window, horizon=data.horizon)),
    ]


def _closed(test: Panel) -> npt.NDArray[np.bool_] | None:
    return None if "open" not in test.known_future else np.asarray(test.known_future["open"] == 0)


def _with_closures(candidate: Candidate, closed: npt.NDArray[np.bool_] | None) -> Candidate:
    """Everyone knows the closures that are known ahead."""
    if closed is None:
        return candidate
    mean = np.where(closed & ~np.isnan(candidate.mean), 0.0, candidate.mean)
    return Candidate(candidate.name, mean, candidate.quantiles, candidate.seconds)


def _held_out(model: Predictor, data: Dataset, test: Panel, actual: Float, expected: Float | None) -> HeldOut:
    cut = data.test_period
    history = np.where(data.usable[test.series, :cut], data.values[test.series, :cut], np.nan)
    return HeldOut(
        actual=actual,
        expected=expected,
        mase_scale=metrics.seasonal_scale(history, season_length(data.frequency, cut)),
        rmsse_scale=metrics.squared_scale(history),
        unit=data.unit,
        counts=model.spec.counts,
    )


def _expected(truth: Truth, data: Dataset, test: Panel) -> Float:
    """Expected demand of the test pairs (N, H) from the truth's table; NaN where it is silent."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = truth.expected_demand
    when = "period_start" if "period_start" in table.column_names else "date"
    if "series_id" in table.column_names:
        keys = ["series_id"]
        names: list[npt.NDArray[Any]] = [data.series_ids[test.series]]
    else:
        keys = ["store_id", "product_id"]
        if missing := [key for key in keys if key not in data.series_keys]:
            raise DataError(f"series: columns {missing} are missing: the truth is told by store_id and product_id")
        names = [data.series_keys[key][test.series] for key in keys]
    day = table[when].cast(pa.date32()).cast(pa.int32()).to_numpy()
    offset = (day.astype("datetime64[D]") - data.split.test_start.astype("datetime64[D]")).astype(np.int64)
    column = offset // PERIOD_DAYS[data.frequency]
    inside = (column >= 0) & (column < data.horizon)
    rows = table.filter(pa.array(inside))
    joined = pc.binary_join_element_wise(*(rows[key].cast(pa.string()) for key in keys), "\x1f")
    own = pa.array(["\x1f".join(map(str, parts)) for parts in zip(*names, strict=True)])
    place = pc.index_in(joined, value_set=own).combine_chunks()
    found = pc.is_valid(place).to_numpy(zero_copy_only=False)
    index = place.fill_null(0).to_numpy(zero_copy_only=False)[found]
    cells = (index, column[inside][found])
    total = np.zeros((len(test), data.horizon))
    seen = np.zeros(total.shape, dtype=bool)
    np.add.at(total, cells, rows["expected_units"].to_numpy(zero_copy_only=False)[found])
    seen[cells] = True
    return np.where(seen, total, np.nan)


def _pictures(
    data: Dataset,
    test: Panel,
    actual: Float,
    candidates: list[Candidate],
    *,
    held: HeldOut,
    rows: Sequence[MetricRow],
    seed: int,
) -> dict[str, bytes]:
    champion, naive = candidates[0], candidates[1]
    rng = np.random.default_rng(seed)
    scored = np.flatnonzero(~np.isnan(actual).all(axis=1))
    some = np.sort(rng.choice(scored, size=min(PLOTTED_SERIES, scored.size), replace=False))
    error = np.nansum((actual - champion.mean) ** 2, axis=1) / np.maximum(held.rmsse_scale, 1e-12)
    worst = scored[np.argsort(np.nan_to_num(error[scored]))[::-1][:PLOTTED_SERIES]]
    coverage = [(row.segment, row.value) for row in rows if row.model == CHAMPION and row.metric == "coverage80"]
    quantiles = champion.quantiles or {}
    stacked = np.stack([quantiles[level].ravel() for level in QUANTILES], axis=1)
    pit = metrics.randomised_pit(
        actual.ravel(), stacked, np.asarray(QUANTILES), jitter=1.0 if held.counts else 0.0, rng=rng
    )
    return {
        "backtest": plots.series_plot(data, test, some, champion, naive, title="Held-out periods of sampled series"),
        "worst_series": plots.series_plot(
            data, test, worst, champion, naive, title="Series with the largest scaled error"
        ),
        "calibration": plots.calibration_plot(pit, coverage),
        "error_by_horizon": plots.horizon_plot(actual, candidates),
    }
