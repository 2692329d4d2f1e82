"""Forecasts of the held-out window, turned into metric rows: overall, by steps ahead, by kind of series.

Beside errors: `win_share`, the share of series on which a candidate has the lowest RMSSE of all that stand in the segment;
`rmspe` is that of the point which relative errors are least for, as far as a candidate's quantiles tell it, and
`rmspe_of_mean` that of the mean; `seconds`, of fitting and forecasting all series it was given; `seconds_per_series`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common import metrics
from models.common.report import MetricRow
from models.forecaster.candidates import Forecast
from models.forecaster.steps import HORIZON_BUCKETS

Float = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
DETAILED = ("rmse", "wape", "rmsse", "coverage80")
SAMPLE = "sampled series"
WIN_SHARE, SERIES_SECONDS = "win_share", "seconds_per_series"
TIE = 1e-9  # relative and in squared scaled errors: sums of the same numbers in another order are no victory


@dataclass(frozen=True)
class HeldOut:
    """What candidates are scored on: actual (N, H) with NaN where not judged, expected (N, H) or None, scales (N,)."""

    actual: Float
    expected: Float | None
    mase_scale: Float
    rmsse_scale: Float
    unit: str
    counts: bool


def score(forecast: Forecast, held: HeldOut, rows: Bools, columns: slice, segment: str) -> Iterator[MetricRow]:
    """Error rows of one forecast on the pairs `rows` (N,) and steps `columns`; nothing if it has none of them."""
    index = np.flatnonzero(rows & forecast.given)
    if index.size == 0 or np.isnan(held.actual[index, columns]).all():
        return
    y, f = held.actual[index, columns], forecast.mean[index, columns]
    found: dict[str, tuple[float, str]] = {
        "rmse": (metrics.rmse(y, f), held.unit),
        "mae": (metrics.mae(y, f), held.unit),
        "wape": (metrics.wape(y, f), "share"),
        "bias": (metrics.bias(y, f), "share"),
        "rmsse": (metrics.rmsse(y, f, held.rmsse_scale[index]), "ratio"),
        "mase": (metrics.mase(y, f, held.mase_scale[index]), "ratio"),
        "smape": (metrics.smape(y, f), "percent"),
        "rmspe": (metrics.rmspe(y, forecast.relative[index, columns]), "share"),
        "rmspe_of_mean": (metrics.rmspe(y, f), "share"),
    }
    if forecast.quantiles is not None:
        for level, values in forecast.quantiles.items():
            found[f"pinball{round(level * 100)}"] = (metrics.pinball(y, values[index, columns], level), held.unit)
        low, high = forecast.quantiles[0.1][index, columns], forecast.quantiles[0.9][index, columns]
        jitter = 1.0 if held.counts else 0.0
        found["coverage80"] = (metrics.coverage(y, low, high, jitter=jitter), "share")
    if held.expected is not None:
        expected = np.where(np.isnan(y), np.nan, held.expected[index, columns])
        if not np.isnan(expected).all():
            found["rmse_expected"] = (metrics.rmse(expected, f), held.unit)
    for name, (value, unit) in found.items():
        if segment in {"all", SAMPLE} or name in DETAILED:
            yield MetricRow(forecast.name, name, value, unit, segment)


def score_all(
    forecasts: Sequence[Forecast], held: HeldOut, intermittent: Bools, *, ideal: str | None = None
) -> tuple[MetricRow, ...]:
    """Rows of every forecast on all segments: errors, win shares and seconds.

    A candidate that was given a sample of the series only is compared on that sample (segment `SAMPLE`), where all the
    others stand once more, and not with their figures on all series. `ideal` names the one that is no candidate (the
    oracle): it is scored, but wins nothing. intermittent: (N,) True.
    """
    complete = [forecast for forecast in forecasts if forecast.given.all()]
    rows: list[MetricRow] = []
    candidates = [forecast for forecast in forecasts if forecast.name != ideal]
    for segment, members, steps in segments(candidates, held, intermittent):
        here = list(forecasts) if segment == SAMPLE else complete
        rows += [row for forecast in here for row in score(forecast, held, members, steps, segment)]
        rivals = [forecast for forecast in here if forecast.name != ideal]
        shares = win_shares(rivals, held, members, steps)
        rows += [MetricRow(name, WIN_SHARE, share, "share", segment) for name, share in shares.items()]
    for forecast in forecasts:
        if forecast.seconds is not None and forecast.given.any():
            segment = "all" if forecast.given.all() else SAMPLE
            rows.append(MetricRow(forecast.name, "seconds", forecast.seconds, "s", segment))
            each = forecast.seconds / int(forecast.given.sum())
            rows.append(MetricRow(forecast.name, SERIES_SECONDS, each, "s", segment))
    return tuple(rows)


def segments(forecasts: Sequence[Forecast], held: HeldOut, intermittent: Bools) -> Iterator[tuple[str, Bools, slice]]:
    """Names of the segments with their pairs (N,) and steps: all, the sample, kinds of series, steps ahead."""
    n_pairs, horizon = held.actual.shape
    everyone, all_steps = np.ones(n_pairs, dtype=bool), slice(0, horizon)
    yield "all", everyone, all_steps
    sample = np.logical_and.reduce([forecast.given for forecast in forecasts])
    if not sample.all():
        yield SAMPLE, sample, all_steps
    for name, members in (("smooth", ~intermittent), ("intermittent", intermittent)):
        if members.any() and not members.all():
            yield name, members, all_steps
    for first, last in HORIZON_BUCKETS:
        if first <= horizon and horizon > HORIZON_BUCKETS[0][1]:
            yield f"steps {first}-{min(last, horizon)}", everyone, slice(first - 1, min(last, horizon))


def win_shares(forecasts: Sequence[Forecast], held: HeldOut, rows: Bools, columns: slice) -> dict[str, float]:
    """Share of the series on which each forecast has the lowest RMSSE, {name: share}, summing to 1; {} if none is judged.

    Counted are the series of `rows` (N,) that all of them forecast, with a judged period and a positive scale. Those
    that tie for the lowest share the series evenly, so that a flat series is no one's gift.
    """
    if not forecasts:
        return {}
    given = np.logical_and.reduce([rows, *(forecast.given for forecast in forecasts)])
    actual = held.actual[:, columns]
    index = np.flatnonzero(given & (held.rmsse_scale > 0) & ~np.isnan(actual).all(axis=1))
    if index.size == 0:
        return {}
    scale = held.rmsse_scale[index]
    errors = np.stack(
        [np.nanmean((actual[index] - each.mean[index, columns]) ** 2, axis=1) / scale for each in forecasts]
    )
    lowest = errors <= errors.min(axis=0) * (1 + TIE) + TIE
    shares = (lowest / lowest.sum(axis=0)).mean(axis=1)
    return {each.name: float(share) for each, share in zip(forecasts, shares, strict=True)}
