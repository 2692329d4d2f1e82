"""How good forecasts of sums are: the champion's and every candidate's, beside forecasts made of the summed history itself.

A sum is judged over the members that are judged in a period (open, known, not cut short by a stock-out), in what came and
in what was forecast alike. The summed history is told on the same footing: what its usable members sold, over their share
of the sum, is the sum as if all had been usable; a forecast of it is scaled down to the members that are judged. Where all
are usable and judged that is the plain sum.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common import metrics
from models.common.report import MetricRow
from models.forecaster.baselines import phase_mean, season_length, seasonal_naive
from models.forecaster.candidates import NAIVE, Forecast
from models.forecaster.config import QUANTILES
from models.forecaster.data import Dataset, Panel
from models.forecaster.hierarchy import INDEPENDENT, TOGETHER, Level, Levels, Members, Spread, aggregate, group_sums
from models.forecaster.peers import Peer, autoets_of
from models.forecaster.scoring import HeldOut

Float = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]
SEGMENT = "sum: "
FITTED_SUMS = 12  # a level of more sums is not fitted sum by sum: AutoETS takes up to half a second for each
WAYS = {"members taken as independent": INDEPENDENT, "quantiles added up": TOGETHER}


@dataclass(frozen=True)
class SummedHistory:
    """G sums on the footing of all their members: values (G, T) up to the origin, NaN where no member was usable;
    judged (G, H): share of the sum whose members are judged.
    """

    values: Floats
    judged: Floats

    @classmethod
    def of(cls, data: Dataset, test: Panel, level: Level, actual: Float) -> "SummedHistory":
        """level: groups of the N test pairs; actual (N, H), NaN where not judged."""
        cut, n_groups = data.test_period, len(level.labels)
        usable = data.usable[test.series, :cut]
        known = np.where(usable, data.values[test.series, :cut], 0.0)
        size = np.abs(known).sum(axis=1) / np.maximum(usable.sum(axis=1), 1)
        share = size / np.maximum(group_sums(size, level.codes, n_groups), 1e-12)[level.codes]
        present = group_sums(usable * share[:, None], level.codes, n_groups)
        total = group_sums(known, level.codes, n_groups)
        values = np.divide(total, present, out=np.full(total.shape, np.nan), where=present > 1e-9)
        return cls(values, group_sums(~np.isnan(actual) * share[:, None], level.codes, n_groups))


def score_sums(
    forecasts: Sequence[Forecast],
    data: Dataset,
    test: Panel,
    held: HeldOut,
    *,
    spreads: Mapping[str, Spread],
    peers: Sequence[Peer] = (),
) -> tuple[MetricRow, ...]:
    """Rows of the segments "sum: total", "sum: store", ...: rmse, wape, rmsse and, with quantiles, coverage80.

    forecasts: those of all N series, the champion first; of its intervals there are two rows more, which say what the
    coverage would be had members been taken as independent, or their quantiles been added up. "<baseline> of the sum": a
    forecast of the summed history; that of AutoETS, if it is among the peers, where a level has few sums. A level that
    `spreads` does not hold has no intervals. () where nothing can be summed.
    """
    rows: list[MetricRow] = []
    complete = [forecast for forecast in forecasts if forecast.given.all()]
    for whole in Levels.of(data.series_keys, data.series_ids.size):
        level, segment = whole.take(test.series), SEGMENT + whole.name
        judged = ~np.isnan(held.actual)
        some = group_sums(judged, level.codes, len(level.labels)) > 0
        actual = np.where(some, group_sums(np.nan_to_num(held.actual), level.codes, len(level.labels)), np.nan)
        history = SummedHistory.of(data, test, level, held.actual)
        scale = metrics.squared_scale(history.values)
        for forecast in complete:
            said = group_sums(np.where(judged, forecast.mean, 0.0), level.codes, len(level.labels))
            rows += _errors(forecast.name, segment, actual, said, scale, held.unit)
            if forecast.quantiles is None or whole.name not in spreads:
                continue
            ways = {forecast.name: spreads[whole.name]}
            if forecast is forecasts[0]:
                ways |= {f"{forecast.name}, {way}": spread for way, spread in WAYS.items()}
            members = _members(forecast.mean, forecast.quantiles, judged, held.counts)
            for name, spread in ways.items():
                sums = aggregate(members, level, spread)
                covered = metrics.coverage(actual, sums.q10, sums.q90, jitter=1.0 if held.counts else 0.0)
                rows.append(MetricRow(name, "coverage80", covered, "share", segment))
        for name, direct in _direct(data, history, peers):
            rows += _errors(name, segment, actual, direct * history.judged, scale, held.unit)
    return tuple(rows)


def _members(mean: Float, quantiles: Mapping[float, Float], judged: npt.NDArray[np.bool_], counts: bool) -> Members:
    low, median, high = (np.where(judged, quantiles[level], 0.0) for level in QUANTILES)
    return Members(np.where(judged, mean, 0.0), low, median, high, counts)


def _errors(model: str, segment: str, actual: Float, said: Float, scale: Float, unit: str) -> Iterator[MetricRow]:
    yield MetricRow(model, "rmse", metrics.rmse(actual, said), unit, segment)
    yield MetricRow(model, "wape", metrics.wape(actual, said), "share", segment)
    yield MetricRow(model, "rmsse", metrics.rmsse(actual, said, scale), "ratio", segment)


def _direct(data: Dataset, history: SummedHistory, peers: Sequence[Peer]) -> Iterator[tuple[str, Float]]:
    """Forecasts (G, H) of the summed history by their names."""
    season, known = season_length(data.frequency, data.test_period), ~np.isnan(history.values)
    for name, formula in ((NAIVE, seasonal_naive), ("phase mean", phase_mean)):
        yield f"{name} of the sum", formula(history.values, known, season=season, horizon=data.horizon)
    if "autoets" in peers and history.values.shape[0] <= FITTED_SUMS:
        yield "autoets (statsforecast) of the sum", autoets_of(history.values, data)
