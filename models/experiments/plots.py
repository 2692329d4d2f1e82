"""Pictures of an experiment as PNG bytes: the effect over time, what the covariates bought, and off-policy estimates."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.common.figures import BAND, CHAMPION, INK, OTHER, figure, png
from models.experiments.analyse import Comparison
from models.experiments.moments import Float
from models.experiments.off_policy import Estimate

PLAIN = "#8896a5"  # what stands beside the answer
SHOWN_WIDTHS = (
    8.0  # the axis spans so many widths of the last interval; the first looks are far wider and would flatten it
)


def effect_plot(comparison: Comparison, look_days: npt.NDArray[np.datetime64], *, title: str, unit: str) -> bytes:
    """Estimate with its always-valid band at every look, and the fixed-horizon interval inside it, dashed."""
    drawn = figure(9, 3.8)
    axis = drawn.subplots()
    track = comparison.adjusted
    shown = np.isfinite(track.always.low)
    days, estimate = look_days[shown], track.effect.estimate[shown]
    low, high = track.always.low[shown], track.always.high[shown]
    axis.fill_between(days, low, high, color=BAND, label="always valid: look whenever you like")
    axis.plot(days, track.fixed.low[shown], color=PLAIN, linewidth=0.9, linestyle="--", label="valid at one look alone")
    axis.plot(days, track.fixed.high[shown], color=PLAIN, linewidth=0.9, linestyle="--")
    axis.plot(days, estimate, color=CHAMPION, linewidth=1.6, marker=".", markersize=4, label="estimate")
    axis.axhline(0, color=INK, linewidth=0.8)
    if comparison.decided is not None:
        day = look_days[comparison.decided]
        axis.axvline(day, color=OTHER, linewidth=1, linestyle=":", label=f"decided on {day}")
    half = SHOWN_WIDTHS / 2 * (high[-1] - low[-1])
    axis.set_ylim(
        max(low.min(), min(estimate[-1] - half, -half / 4)), min(high.max(), max(estimate[-1] + half, half / 4))
    )
    axis.set_ylabel(unit, fontsize=8)
    axis.set_title(title, fontsize=10, loc="left")
    axis.tick_params(labelsize=8)
    axis.legend(fontsize=8, frameon=False, ncols=2)
    drawn.autofmt_xdate()
    return png(drawn)


def cuped_plot(comparisons: Sequence[Comparison], *, unit: str) -> bytes:
    """The last estimate of each arm with and without covariates, both with their always-valid intervals."""
    drawn = figure(9, 1.4 + 0.9 * len(comparisons))
    axis = drawn.subplots()
    labels: list[str] = []
    for comparison in comparisons:
        ways = ((comparison.plain, PLAIN, "as measured"), (comparison.adjusted, CHAMPION, "adjusted (CUPED)"))
        for track, colour, name in ways:
            place = len(labels)
            low, high = track.always.low[-1], track.always.high[-1]
            axis.plot([low, high], [place, place], color=colour, alpha=0.35, linewidth=14, solid_capstyle="butt")
            axis.plot(track.effect.estimate[-1], place, "o", color=colour, markersize=6)
            labels.append(f"{comparison.arm}, {name}")
        saved = comparison.adjusted.effect.variance_reduction[-1]
        note = f"variance -{saved:.0%}"
        axis.annotate(
            note,
            (comparison.adjusted.always.high[-1], len(labels) - 1),
            (6, -3),
            fontsize=8,
            textcoords="offset points",
        )
    axis.axvline(0, color=INK, linewidth=0.8)
    axis.set_yticks(range(len(labels)), labels, fontsize=8)
    axis.margins(x=0.15)
    axis.set_ylim(len(labels) - 0.4, -0.6)
    axis.set_title("what the past of the units buys, always-valid intervals", fontsize=10, loc="left")
    axis.set_xlabel(f"difference from {comparisons[0].control}, {unit}", fontsize=8)
    axis.tick_params(labelsize=8)
    return png(drawn)


def off_policy_plot(estimates: Sequence[Estimate], *, logged: float, truth: float | None = None, unit: str) -> bytes:
    """Value of a policy by each estimator with its interval, beside what the logging policy earned (and the truth, if known)."""
    drawn = figure(9, 1.4 + 0.38 * len(estimates))
    axis = drawn.subplots()
    places = np.arange(len(estimates))
    values = np.array([estimate.value for estimate in estimates])
    reach: Float = np.array([[e.value - e.low for e in estimates], [e.high - e.value for e in estimates]])
    axis.errorbar(values, places, xerr=reach, fmt="o", color=CHAMPION, ecolor=BAND, elinewidth=6, markersize=5)
    axis.axvline(logged, color=PLAIN, linewidth=1, linestyle="--", label="logging policy")
    if truth is not None:
        axis.axvline(truth, color=OTHER, linewidth=1.2, linestyle=":", label="truth")
    axis.set_yticks(places, [estimate.name for estimate in estimates], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel(unit, fontsize=8)
    axis.tick_params(labelsize=8)
    drawn.legend(fontsize=8, frameon=False, ncols=2, loc="outside upper right")
    return png(drawn)
