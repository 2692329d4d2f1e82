"""The report on a choice: how doubtful and how diverse the chosen pictures are beside a choice by chance, and the list itself."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from models.active_learning.analyse import Analysis
from models.active_learning.selection import Ints, Pool, coverage
from models.common.figures import BAND, INK, OTHER, figure, png
from models.common.report import MetricRow, Report

BASELINE = "random"


def report(analysis: Analysis) -> Report:
    """Doubt and diversity of the chosen pictures, beside as many by chance. The labels they save show in a learning curve alone."""
    pool, strategy = analysis.data.pool, analysis.cfg.strategy
    rows: list[MetricRow] = []
    for model, chosen in {strategy: analysis.chosen, BASELINE: analysis.by_chance}.items():
        rows += [
            MetricRow(model, "pictures", len(chosen), "count"),
            MetricRow(model, "mean doubt", _mean(pool.doubt[analysis.cfg.doubt][chosen]), "fraction"),
            MetricRow(model, "distance to the nearest chosen", _apart(pool, chosen), "of embeddings"),
            MetricRow(model, "distance of the pool to the labelled", coverage(pool, chosen), "of embeddings"),
        ]
    return Report(strategy, tuple(rows), {"chosen": _plot(pool, analysis.chosen)}, tuple(_notes(analysis)))


def selection(analysis: Analysis) -> Any:
    """The chosen pictures as a pyarrow table: image_id, rank from 1, most wanted first, and doubt in 0 to 1."""
    import pyarrow as pa

    doubt = analysis.data.pool.doubt[analysis.cfg.doubt]
    return pa.table(
        {
            "image_id": pa.array([analysis.data.image_ids[row] for row in analysis.chosen], pa.string()),
            "rank": pa.array(range(1, len(analysis.chosen) + 1), pa.int64()),
            "doubt": pa.array(doubt[analysis.chosen], pa.float64()),
        }
    )


def _notes(analysis: Analysis) -> Iterator[str]:
    data, cfg = analysis.data, analysis.cfg
    yield (
        f"{len(analysis.chosen):,} of {len(data.image_ids):,} unlabelled pictures, by {cfg.strategy}; "
        f"{len(data.pool.labelled):,} are labelled."
    )
    if len(analysis.chosen) < cfg.count:
        yield f"{cfg.count:,} were asked for: label these and the pool is empty."
    if data.told == "nothing":
        yield "No model was asked: every picture counts as equally doubtful, and diversity alone decides."
    if data.without:
        yield f"In {data.without:,} pictures of the pool the model sees nothing: they count as free of doubt."


def _mean(values: Any) -> float:
    return float(values.mean()) if len(values) else 0.0


def _apart(pool: Pool, chosen: Ints) -> float:
    """Mean distance of a chosen picture to the nearest other one; 0 of fewer than two."""
    from sklearn.neighbors import NearestNeighbors

    if len(chosen) < 2:
        return 0.0
    points = pool.embeddings[chosen]
    return float(NearestNeighbors(n_neighbors=1).fit(points).kneighbors()[0].mean())


def _plot(pool: Pool, chosen: Ints) -> bytes:
    """The pool on the two directions in which it varies most, with what is labelled and what is chosen."""
    drawn = figure(6, 4.5)
    axes = drawn.add_subplot()
    everything = np.concatenate([pool.embeddings, pool.labelled])
    centred = everything - everything.mean(axis=0) if len(everything) else everything
    directions = np.zeros((centred.shape[1], 2))
    if len(centred) > 1:
        found = np.linalg.eigh(centred.T @ centred)[1][:, -2:][:, ::-1]
        directions[:, : found.shape[1]] = found
    flat = centred @ directions
    free, known = flat[: len(pool.embeddings)], flat[len(pool.embeddings) :]
    for points, colour, size, label in (
        (free, BAND, 6, "unlabelled"),
        (known, INK, 8, "labelled"),
        (free[chosen], OTHER, 22, "to label next"),
    ):
        axes.scatter(*points.T, color=colour, s=size, label=f"{label} ({len(points):,})", edgecolors="none")
    axes.set_xlabel("first principal direction of the embeddings")
    axes.set_ylabel("second")
    axes.legend(fontsize=8)
    return png(drawn)
