"""Candidates on the held-out window, turned into metric rows: overall, by steps ahead, by kind of series."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common import metrics
from models.common.report import MetricRow
from models.forecaster.spec import HORIZON_BUCKETS

Float = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
DETAILED = ("rmse", "wape", "rmsse", "coverage80")


@dataclass(frozen=True)
class Candidate:
    """One model's forecasts: mean (N, H), perhaps quantiles {0.1, 0.5, 0.9: (N, H)}, and the seconds it cost."""

    name: str
    mean: Float
    quantiles: Mapping[float, Float] | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class HeldOut:
    """What candidates are scored on: actual (N, H) with NaN where not judged, expected (N, H) or None, scales (N,)."""

    actual: Float
    expected: Float | None
    mase_scale: Float
    rmsse_scale: Float
    unit: str
    counts: bool


def score(candidate: Candidate, held: HeldOut, rows: Bools, columns: slice, segment: str) -> Iterator[MetricRow]:
    """Metric rows of one candidate on the pairs `rows` (N,) and steps `columns`; nothing if it forecast none."""
    index = np.flatnonzero(rows & ~np.isnan(candidate.mean).all(axis=1))
    if index.size == 0 or np.isnan(held.actual[index, columns]).all():
        return
    y, f = held.actual[index, columns], candidate.mean[index, columns]
    found: dict[str, tuple[float, str]] = {
        "rmse": (metrics.rmse(y, f), held.unit),
        "mae": (metrics.mae(y, f), held.unit),
        "wape": (metrics.wape(y, f), "share"),
        "bias": (metrics.bias(y, f), "share"),
        "rmsse": (metrics.rmsse(y, f, held.rmsse_scale[index]), "ratio"),
        "mase": (metrics.mase(y, f, held.mase_scale[index]), "ratio"),
        "smape": (metrics.smape(y, f), "percent"),
        "rmspe": (metrics.rmspe(y, f), "share"),
    }
    if candidate.quantiles is not None:
        for level, values in candidate.quantiles.items():
            found[f"pinball{round(level * 100)}"] = (metrics.pinball(y, values[index, columns], level), held.unit)
        low, high = candidate.quantiles[0.1][index, columns], candidate.quantiles[0.9][index, columns]
        jitter = 1.0 if held.counts else 0.0
        found["coverage80"] = (metrics.coverage(y, low, high, jitter=jitter), "share")
    if held.expected is not None:
        expected = np.where(np.isnan(y), np.nan, held.expected[index, columns])
        if not np.isnan(expected).all():
            found["rmse_expected"] = (metrics.rmse(expected, f), held.unit)
    if segment == "all" and candidate.seconds is not None:
        found["seconds"] = (candidate.seconds, "s")
    for name, (value, unit) in found.items():
        if segment in {"all", SAMPLE_SEGMENT} or name in DETAILED:
            yield MetricRow(candidate.name, name, value, unit, segment)


SAMPLE_SEGMENT = "autoets sample"


def score_all(
    candidates: list[Candidate], held: HeldOut, intermittent: Bools, sample: Bools | None
) -> tuple[MetricRow, ...]:
    """Rows of every candidate on all segments; `sample` (N,) marks the series that AutoETS was given."""
    n_pairs, horizon = held.actual.shape
    everyone = np.ones(n_pairs, dtype=bool)
    # A peer that saw a sample only is compared on that sample, not with the others' figures on all series.
    complete = [candidate for candidate in candidates if not np.isnan(candidate.mean).all(axis=1).any()]
    rows = [row for candidate in complete for row in score(candidate, held, everyone, slice(0, horizon), "all")]
    if sample is not None:
        rows += [row for each in candidates for row in score(each, held, sample, slice(0, horizon), SAMPLE_SEGMENT)]
    for name, members in (("smooth", ~intermittent), ("intermittent", intermittent)):
        if members.any() and not members.all():
            rows += [row for each in complete for row in score(each, held, members, slice(0, horizon), name)]
    for first, last in HORIZON_BUCKETS:
        if first <= horizon and horizon > HORIZON_BUCKETS[0][1]:
            steps = slice(first - 1, min(last, horizon))
            label = f"steps {first}-{min(last, horizon)}"
            rows += [row for each in complete for row in score(each, held, everyone, steps, label)]
    return tuple(rows)
