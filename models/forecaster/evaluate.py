"""Score a forecaster on held-out periods beside baselines, peers and (on the twin) the oracle: expected demand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common import metrics
from models.common.protocols import DataError, ProgressCallback, Truth, silent
from models.common.report import MetricRow, Report
from models.forecaster import plots
from models.forecaster.baselines import season_length
from models.forecaster.candidates import (
    CHAMPION,
    NAIVE,
    SAMPLED_SERIES,
    Candidate,
    Champion,
    Forecast,
    Ration,
    baselines,
    informed,
)
from models.forecaster.config import PERIOD_DAYS, QUANTILES
from models.forecaster.data import Dataset, Panel
from models.forecaster.peers import PEERS, Peer, peer_candidates
from models.forecaster.predict import Predictor
from models.forecaster.scoring import SAMPLE, HeldOut, score_all
from models.forecaster.sums import SEGMENT, score_sums

Float = npt.NDArray[np.floating[Any]]
ORACLE = "oracle"
PLOTTED_SERIES = 4


def evaluate(
    model: Predictor,
    data: Dataset,
    *,
    world: object | None = None,
    truth: Truth | None = None,
    peers: Sequence[Peer] = PEERS,
    peer_series: int = SAMPLED_SERIES,
    peer_minutes: float | None = None,
    contenders: Sequence[Candidate] = (),
    train_seconds: float | None = None,
    threads: int = 1,
    seed: int = 0,
    on_progress: ProgressCallback = silent,
) -> Report:
    """Compare on `data.test`: every open, uncensored period of the H periods after the cutoff.

    Peers that fit each series by itself get a seeded sample of `peer_series`, or all series where the sample promises
    that they cost a peer less than `peer_minutes` (minutes on one thread; None: always the sample). `contenders` are
    more candidates behind the same door. truth adds the oracle and, per model, `rmse_expected` (against expected
    demand). train_seconds is added to the champion's seconds. `world` is part of every model's door; a forecast acts on
    nothing, so it is not used here. Rows are those of `scoring.score_all`, then those of `sums.score_sums`.
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
    ration = Ration(series=peer_series, minutes=peer_minutes, seed=seed)
    candidates = [
        Champion(model, train_seconds),
        *baselines(),
        *contenders,
        *peer_candidates(peers, ration=ration, threads=threads, seed=seed),
    ]
    forecasts = []
    for done, candidate in enumerate(candidates):
        on_progress(f"forecasting: {candidate.name}", 0.9 * done / len(candidates))
        forecasts.append(informed(candidate.forecast(data, test), data, test))
    if expected is not None:
        forecasts.append(informed(Forecast(ORACLE, expected), data, test))
    on_progress("scoring", 0.9)
    held = _held_out(model, data, test, actual, expected)
    rows = score_all(forecasts, held, data.intermittent[test.series], ideal=ORACLE)
    on_progress("scoring sums", 0.93)
    sums = score_sums(forecasts, data, test, held, spreads=model.spec.spreads, peers=peers)
    notes = _notes(data, test, actual, forecasts, sums)
    pictures = _pictures(data, test, actual, forecasts, held=held, rows=rows, seed=seed)
    report = Report(CHAMPION, (*rows, *sums), pictures, notes)
    on_progress("evaluated", 1.0)
    return report


def _notes(
    data: Dataset, test: Panel, actual: Float, forecasts: Sequence[Forecast], sums: Sequence[MetricRow]
) -> tuple[str, ...]:
    """What was judged, and which candidates were given a sample of the series, in sentences."""
    judged = int((~np.isnan(actual)).sum())
    notes = [
        f"{len(test)} series x {data.horizon} {data.frequency} periods from {data.split.test_start}; "
        f"{judged} of {actual.size} open, uncensored and known periods judged"
    ]
    partial = [each for each in forecasts if each.name != ORACLE and not each.given.all()]
    if partial:
        names, count = ", ".join(each.name for each in partial), int(partial[0].given.sum())
        notes.append(
            f"fitted series by series and given {count} sampled ones: {names}; everyone is compared with them in "
            f"the segment {SAMPLE!r}"
        )
    if any(row.segment.startswith(SEGMENT) for row in sums):
        notes.append(
            "sums: over the members that are judged in a period, in what came and in what was forecast alike; a forecast "
            '"of the sum" is one of the summed history'
        )
    return tuple(notes)


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
    forecasts: Sequence[Forecast],
    *,
    held: HeldOut,
    rows: Sequence[MetricRow],
    seed: int,
) -> dict[str, bytes]:
    champion, naive = forecasts[0], next(each for each in forecasts if each.name == NAIVE)
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
        "wins_and_seconds": plots.wins_plot(rows),
        "error_by_horizon": plots.horizon_plot(actual, forecasts),
    }
