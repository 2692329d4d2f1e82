"""Pictures of profiles as PNG bytes: who is in a segment, how many there are, whom friends follow, what campaigns bring."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.common.figures import BAND, CHAMPION, INK, OTHER, figure, png
from models.profiles.behaviour import Floats, Ints
from models.profiles.campaigns import Campaign
from models.profiles.spec import ModelSpec

_COLOURS = ("#0b6e4f", "#c8553d", "#3d6fb4", "#d9a441", "#7a5195", "#4fb0ae", "#8a6d3b", "#b05a8c")
_WORDS = {
    "silence": "days since last seen", "pace": "visits a day", "conversion": "bought per click", "basket": "spend per order",
    "reduced": "share at reduced prices",
}  # fmt: skip


def segments_plot(spec: ModelSpec) -> bytes:
    """Centres of all segments, feature by feature, from below usual to above."""
    drawn = figure(10, 1.4 + 0.5 * len(spec.segments))
    axis = drawn.subplots()
    values = np.array([segment.center for segment in spec.segments])
    bound = max(0.5, float(np.abs(values).max()))
    picture = axis.imshow(values, cmap="RdBu_r", vmin=-bound, vmax=bound, aspect="auto")
    axis.set_xticks(range(len(spec.features)), [_WORDS[name] for name in spec.features], fontsize=8)
    axis.set_yticks(
        range(len(spec.segments)), [f"{each.name} ({each.share:.0%})" for each in spec.segments], fontsize=8
    )
    for (row, column), value in np.ndenumerate(values):
        axis.text(
            column, row, f"{value:+.2f}", ha="center", va="center", fontsize=8,
            color="white" if abs(value) > 0.7 * bound else INK,
        )  # fmt: skip
    axis.set_title(
        "How a segment differs from the median customer (1 = range from 10th to 90th percentile)", fontsize=9
    )
    drawn.colorbar(picture, ax=axis, shrink=0.8).ax.tick_params(labelsize=7)
    return png(drawn)


def map_plot(numbers: Floats, own: Ints, spec: ModelSpec, some: Ints) -> bytes:
    """Customers by days since their last purchase and by orders, coloured by segment; one point a customer."""
    drawn = figure(10, 4.6)
    axis = drawn.subplots()
    shift = np.random.default_rng(0).uniform(0.85, 1.15, (2, len(some)))  # whole numbers would hide one another
    for place, segment in enumerate(spec.segments):
        here = own[some] == place
        recency, orders, spend = numbers[some][here].T
        axis.scatter(
            (recency + 1.0) * shift[0][here],
            (orders + 0.5) * shift[1][here],
            s=np.clip(np.sqrt(spend + 1.0), 4, 60),
            alpha=0.45,
            linewidths=0,
            color=_COLOURS[place % len(_COLOURS)],
            label=segment.name,
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("recency: days since the last purchase, plus 1", fontsize=8)
    axis.set_ylabel("frequency: orders", fontsize=8)
    axis.set_title("Size of a point: what the customer spent", fontsize=9)
    axis.tick_params(labelsize=8)
    for handle in axis.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5)).legend_handles:
        handle.set_sizes([30])
        handle.set_alpha(0.9)
    return png(drawn)


def choice_plot(spec: ModelSpec) -> bytes:
    """Silhouette, stability and gap of each number of segments that was tried; the one that was taken is marked."""
    drawn = figure(10, 3.0)
    numbers = [each.clusters for each in spec.tried]
    series: list[tuple[str, list[float], list[list[float]] | None]] = [
        ("silhouette", [each.silhouette for each in spec.tried], None),
        (
            "stability: bootstrap ARI, mean and least",
            [each.stability for each in spec.tried],
            [[each.stability - each.least_stability for each in spec.tried], [0.0] * len(numbers)],
        ),
        ("gap statistic, one error", [each.gap for each in spec.tried], [[each.gap_error for each in spec.tried]] * 2),
    ]
    for axis, (title, values, error) in zip(drawn.subplots(1, 3), series, strict=True):
        axis.axvline(len(spec.segments), color=BAND, linewidth=8, zorder=0)
        axis.errorbar(numbers, values, yerr=error, color=CHAMPION, ecolor=INK, elinewidth=0.8, marker="o", markersize=4)
        axis.set_title(title, fontsize=9)
        axis.set_xticks(numbers)
        axis.set_xlabel("segments", fontsize=8)
        axis.tick_params(labelsize=8)
    return png(drawn)


def follow_plot(predicted: Floats, seen: Floats, observed: Floats) -> bytes:
    """Friends moved per purchase, as predicted and as observed on days held out, by tenth of customers."""
    drawn = figure(10, 3.6)
    axis = drawn.subplots()
    known = np.flatnonzero(seen > 0)
    parts = np.array_split(known[np.argsort(predicted[known], kind="stable")], 10)
    parts = [part for part in parts if part.size]
    said = [float(np.average(predicted[part], weights=seen[part])) for part in parts]
    found = [float(observed[part].sum() / seen[part].sum()) for part in parts]
    rng = np.random.default_rng(0)
    spread = []
    for part in parts:
        rows = part[rng.integers(0, len(part), (500, len(part)))]
        spread.append(2.0 * float((observed[rows].sum(axis=1) / seen[rows].sum(axis=1)).std()))
    top = max([*said, *(each + more for each, more in zip(found, spread, strict=True))], default=1.0)
    axis.plot([0, top], [0, top], color=INK, linewidth=0.8, linestyle="--", label="as predicted")
    axis.errorbar(
        said, found, yerr=spread, color=CHAMPION, ecolor=INK, elinewidth=0.8, marker="o", linestyle="",
        label="a tenth of the customers, two standard errors",
    )  # fmt: skip
    axis.set_xlabel("friends moved by one purchase: predicted from earlier days", fontsize=8)
    axis.set_ylabel("observed on days held out", fontsize=8)
    axis.legend(fontsize=8, frameon=False)
    axis.tick_params(labelsize=8)
    return png(drawn)


def campaign_plot(campaigns: Sequence[Campaign]) -> bytes:
    """Mean conversions of campaigns of equally many seeds, with 95 % intervals of the mean over draws."""
    drawn = figure(10, 0.9 + 0.5 * len(campaigns))
    axis = drawn.subplots()
    shown = list(campaigns)[::-1]
    means = [float(each.conversions.mean()) for each in shown]
    error = [1.96 * float(each.conversions.std() / np.sqrt(len(each.conversions))) for each in shown]
    style: dict[str, Any] = {"color": [CHAMPION if each is campaigns[0] else OTHER for each in shown]}
    axis.barh(
        [f"{each.name} (graph network)" if each is campaigns[0] else each.name for each in shown],
        means, xerr=error, ecolor=INK, capsize=3, **style,
    )  # fmt: skip
    for place, (mean, more) in enumerate(zip(means, error, strict=True)):
        axis.text(mean + more, place, f"  {mean:.0f}", va="center", fontsize=8)
    axis.set_xlabel("conversions of a campaign, 95 % interval of the mean", fontsize=8)
    axis.set_xlim(0, max(means) * 1.15)
    axis.tick_params(labelsize=8)
    return png(drawn)
