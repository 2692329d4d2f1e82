"""Pictures of an evaluation as PNG bytes: backtest, worst series, calibration, error by steps ahead, who wins and at what price."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.figures import BAND, CHAMPION, INK, OTHER, figure, png
from models.common.report import MetricRow
from models.forecaster.candidates import Forecast
from models.forecaster.data import Dataset, Panel
from models.forecaster.scoring import SERIES_SECONDS, WIN_SHARE

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
HISTORY_HORIZONS = 2
PIT_BINS = [0.0, 0.1, 0.5, 0.9, 1.0]  # three quantiles tell four shares, and no more


def series_plot(data: Dataset, test: Panel, rows: Ints, champion: Forecast, naive: Forecast, *, title: str) -> bytes:
    """History, what came, forecast with its 80 % interval and the seasonal naive one, for the pairs `rows`."""
    drawn = figure(10, 2.4 * rows.size)
    axes = np.atleast_1d(drawn.subplots(rows.size, 1))
    actual = data.targets(test)
    for axis, row in zip(axes, rows, strict=True):
        origin = int(test.period[row])
        before = np.arange(max(0, origin + 1 - HISTORY_HORIZONS * data.horizon), origin + 1)
        after = data.periods[0] + (np.arange(origin + 1, origin + 1 + data.horizon)) * (
            data.periods[1] - data.periods[0]
        )
        past = np.where(data.usable[test.series[row], before], data.values[test.series[row], before], np.nan)
        axis.plot(data.periods[before], past, color=INK, linewidth=0.9, label="history")
        if champion.quantiles is not None:
            low, high = champion.quantiles[0.1][row], champion.quantiles[0.9][row]
            axis.fill_between(
                after, np.maximum(low, 0) if (past >= 0).any() else low, high, color=BAND, label="80 % interval"
            )
        axis.plot(after, naive.mean[row], color=OTHER, linewidth=0.9, linestyle="--", label=naive.name)
        axis.plot(after, champion.mean[row], color=CHAMPION, linewidth=1.4, label="forecast")
        axis.plot(after, actual[row], "o", color=INK, markersize=2.5, label="actual")
        axis.set_title(str(data.series_ids[test.series[row]]), fontsize=8, loc="left")
        axis.set_ylabel(data.unit, fontsize=8)
        axis.tick_params(labelsize=7)
    axes[0].legend(fontsize=7, ncols=5, loc="upper left", frameon=False)
    drawn.suptitle(title, fontsize=10)
    return png(drawn)


def calibration_plot(pit: Float, coverage: Sequence[tuple[str, float]]) -> bytes:
    """Histogram of the randomised PIT (flat if calibrated) and coverage of the 80 % interval by steps ahead."""
    drawn = figure(10, 3.2)
    left, right = drawn.subplots(1, 2)
    left.hist(pit[~np.isnan(pit)], bins=PIT_BINS, density=True, color=BAND, edgecolor=CHAMPION)
    left.axhline(1.0, color=INK, linewidth=0.8, linestyle="--")
    left.set_title("randomised PIT (flat = calibrated)", fontsize=9)
    right.bar([label for label, _ in coverage], [value for _, value in coverage], color=CHAMPION)
    right.axhline(0.8, color=INK, linewidth=0.8, linestyle="--")
    right.set_ylim(0, 1)
    right.set_title("coverage of the 80 % interval", fontsize=9)
    right.tick_params(labelsize=7)
    return png(drawn)


def horizon_plot(actual: Float, forecasts: Sequence[Forecast]) -> bytes:
    """WAPE of every candidate by steps ahead; dashed where it is that of a sample of the series."""
    drawn = figure(10, 3.6)
    axis = drawn.subplots()
    steps = np.arange(1, actual.shape[1] + 1)
    for forecast in forecasts:
        error = np.nansum(np.abs(actual - forecast.mean), axis=0)
        size = np.nansum(np.where(np.isnan(forecast.mean), np.nan, np.abs(actual)), axis=0)
        wape = np.divide(error, size, out=np.full(error.shape, np.nan), where=size > 0)
        given = forecast.given.all()
        name, style = (forecast.name, "-") if given else (f"{forecast.name}, sampled series", "--")
        axis.plot(steps, wape, marker=".", linewidth=1.2, linestyle=style, label=name)
    axis.set_xlabel("periods ahead")
    axis.set_ylabel("WAPE")
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=8, frameon=False)
    return png(drawn)


def wins_plot(rows: Sequence[MetricRow]) -> bytes:
    """Left: share of series that each candidate forecasts best, a bar a segment. Right: seconds a series, logarithmic."""
    wins = [row for row in rows if row.metric == WIN_SHARE]
    cost = {row.model: row.value for row in rows if row.metric == SERIES_SECONDS and row.value > 0}
    segments = list(dict.fromkeys(row.segment for row in wins))
    models = list(dict.fromkeys([row.model for row in wins] + list(cost)))
    colours = dict(zip(models, [CHAMPION, *(f"C{index}" for index in range(len(models)))], strict=False))
    drawn = figure(11, 1.6 + 0.32 * max(len(segments), len(cost)))
    left, right = drawn.subplots(1, 2)
    start = dict.fromkeys(segments, 0.0)
    for model in models:
        share = {row.segment: row.value for row in wins if row.model == model}
        widths = [share.get(segment, 0.0) for segment in segments]
        left.barh(segments, widths, left=[start[s] for s in segments], color=colours[model], label=model)
        start = {segment: start[segment] + width for segment, width in zip(segments, widths, strict=True)}
    left.invert_yaxis()
    left.set_xlim(0, 1)
    left.set_title("share of series with the lowest RMSSE", fontsize=9)
    drawn.legend(*left.get_legend_handles_labels(), fontsize=7, ncols=4, loc="outside lower center", frameon=False)
    right.barh(list(cost), list(cost.values()), color=[colours[model] for model in cost])
    right.invert_yaxis()
    if cost:
        right.set_xscale("log")
    right.set_title("seconds a series, fit and forecast", fontsize=9)
    for axis in (left, right):
        axis.tick_params(labelsize=7)
    return png(drawn)
