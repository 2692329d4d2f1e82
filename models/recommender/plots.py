"""Pictures of an evaluation as PNG bytes: who finds more, how deep one has to look, for whom."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.figures import CHAMPION, INK, OTHER, figure, png
from models.recommender.scoring import Judged

DEPTHS = np.unique(np.round(np.logspace(0, 2, 30)).astype(int))  # 1 to 100 places
Named = Sequence[tuple[str, Judged]]


def models_plot(models: Named) -> bytes:
    """HR@10 and NDCG@10 of every model, with two standard errors."""
    drawn = figure(10, 0.5 + 0.36 * len(models))
    left, right = drawn.subplots(1, 2, sharey=True)
    names = [name for name, _ in models][::-1]
    for axis, title, gain in ((left, "HR@10", _hits), (right, "NDCG@10", _gains)):
        values = [gain(judged.rank) for _, judged in models][::-1]
        means = [float(value.mean()) for value in values]
        spread = [2 * float(value.std() / np.sqrt(max(value.size, 1))) for value in values]
        colors = [CHAMPION if place == len(names) - 1 else OTHER for place in range(len(names))]
        axis.barh(names, means, xerr=spread, color=colors, ecolor=INK, capsize=2)
        axis.set_title(f"{title} of the held-out item, two standard errors", fontsize=9)
        axis.tick_params(labelsize=8)
    return png(drawn)


def depth_plot(models: Named) -> bytes:
    """Share of held-out items among the first 1 to 100 of the list."""
    drawn = figure(10, 3.6)
    axis = drawn.subplots()
    for number, (name, judged) in enumerate(models):
        found = [(judged.rank <= depth).mean() for depth in DEPTHS]
        style: dict[str, Any] = {"color": CHAMPION, "linewidth": 2.0} if number == 0 else {"linewidth": 1.0}
        axis.plot(DEPTHS, found, label=name, **style)
    axis.set_xscale("log")
    axis.set_xlabel("places of the list", fontsize=8)
    axis.set_ylabel("share of customers whose item is there", fontsize=8)
    axis.legend(fontsize=7, ncols=2, frameon=False)
    axis.tick_params(labelsize=8)
    return png(drawn)


def segments_plot(models: Named, segments: Mapping[str, npt.NDArray[np.bool_]]) -> bytes:
    """HR@10 of the first model and of the best other one in each segment."""
    drawn = figure(10, 3.2)
    axis = drawn.subplots()
    first, *others = models
    place = np.arange(len(segments))
    own = [float(_hits(first[1].rank[rows]).mean()) for rows in segments.values()]
    rival = [
        max((float(_hits(judged.rank[rows]).mean()) for _, judged in others), default=0.0) for rows in segments.values()
    ]
    axis.bar(place - 0.2, own, width=0.4, color=CHAMPION, label=first[0])
    axis.bar(place + 0.2, rival, width=0.4, color=OTHER, label="best peer of the segment")
    axis.set_xticks(place, [f"{name}\n{int(rows.sum()):,} customers" for name, rows in segments.items()], fontsize=7)
    axis.set_ylabel("HR@10", fontsize=8)
    axis.legend(fontsize=7, frameon=False)
    return png(drawn)


def _hits(rank: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return (rank <= 10).astype(np.float64)


def _gains(rank: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.where(rank <= 10, 1.0 / np.log2(1.0 + rank), 0.0)
