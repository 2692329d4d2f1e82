"""Judging a recommender: where it ranks the last item of each customer among all items, beside tuned peers."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.common.protocols import ProgressCallback, silent
from models.common.report import MetricRow, Report
from models.recommender.data import Dataset
from models.recommender.histories import Histories, Ints
from models.recommender.peers import PEERS, tuned_peers
from models.recommender.plots import depth_plot, models_plot, segments_plot
from models.recommender.predict import Predictor
from models.recommender.scoring import Floats, Judged, Scorer, judge
from models.recommender.social import Company
from models.recommender.spec import Mix

CHAMPION = "champion"
BASELINE = PEERS[0].name
SHORT, LONG = 5, 10  # items of a history below which it is short, and from which it is long
HEAD_SHARE = 0.2  # of the items, those that most customers took
PARTS = {
    "linear alone": Mix(sequence=0, linear=1, popularity=0),
    "sequence alone": Mix(sequence=1, linear=0, popularity=0),
}


@dataclass(frozen=True)
class _Row:
    """A model as it was judged on the test items."""

    name: str
    judged: Judged


def evaluate(
    model: Predictor,
    data: Dataset,
    *,
    world: Any = None,
    truth: Any = None,
    trials: int = 5,
    train_seconds: float = float("nan"),
    seed: int = 0,
    on_progress: ProgressCallback = silent,
) -> Report:
    """HR@10, NDCG@10, Recall@20 and coverage@10 on the test items, seen items removed, by segment too.

    Beside it the same model without friends, each of its parts alone, and the peers, whose knobs are chosen in `trials`
    draws on the validation items. On a source that is no simulation `world` and `truth` are None; what they hold is not
    judged here.
    """
    del world, truth
    rows = [_Row(CHAMPION, _judged(_scorer(model, data if model.knows_friends else None), data))]
    on_progress("champion judged", 0.05)
    mix = model.spec.mix
    if model.knows_friends:
        rows.append(_Row("without friends", _judged(_scorer(model), data)))
    others = ({"without ranker": mix} if model.spec.candidates else {}) | PARTS
    rows += [_Row(name, _judged(_scorer(model.with_mix(other)), data)) for name, other in others.items()]
    began = time.perf_counter()
    peers, notes = tuned_peers(
        data, trials=trials, seed=seed, on_progress=lambda stage, done: on_progress(stage, 0.15 + 0.8 * done)
    )
    peer_seconds = time.perf_counter() - began
    rows += [_Row(peer.name, peer.judged) for peer in peers]
    segments = _segments(data)
    metrics = [metric for row in rows for metric in _metrics(row, segments)]
    metrics += [
        MetricRow(CHAMPION, "seconds", train_seconds, "s"),
        MetricRow("all peers", "seconds", peer_seconds, "s"),
    ]
    chosen = [f"{peer.name}: {_knobs(peer.params)} of {trials} draws" for peer in peers if peer.params]
    split = (
        f"{len(data.judged):,} customers with three items or more, {len(data.items):,} items; the last item of each is ranked "
        "among all, the one before it chose all knobs"
    )
    weights = f"weights of the parts: sequence {mix.sequence:g}, linear {mix.linear:g}, popularity {mix.popularity:g}"
    named = [(row.name, row.judged) for row in rows]
    plots = {
        "models": models_plot(named),
        "depth": depth_plot(named),
        "segments": segments_plot([named[0], *((peer.name, peer.judged) for peer in peers)], segments),
    }
    on_progress("report written", 1.0)
    return Report(CHAMPION, tuple(metrics), plots, (split, weights, *chosen, *notes))


def _judged(scorer: Scorer, data: Dataset) -> Judged:
    return judge(scorer, data.known, data.judged, data.test_items, len(data.items))


def _scorer(model: Predictor, data: Dataset | None = None) -> Scorer:
    """Where `data` is given, told what friends took, test items left out."""

    def score(theirs: Histories, customers: Ints) -> Floats:
        ties = None if data is None else data.ties
        company = None if data is None or ties is None else Company.among(customers, ties, data.known)
        return model.scores(theirs, company=company)

    return score


def _segments(data: Dataset) -> dict[str, np.ndarray]:
    """Customers (N,) of each segment: by how much they took, and by whether many take what they took last."""
    length = data.known.lengths[data.judged]
    count = np.bincount(data.known.items, minlength=len(data.items))
    head = np.argsort(-count, kind="stable")[: max(1, int(HEAD_SHARE * len(data.items)))]
    popular = np.isin(data.test_items, head)
    found = {
        f"history: under {SHORT}": length < SHORT,
        f"history: {SHORT} to {LONG - 1}": (length >= SHORT) & (length < LONG),
        f"history: {LONG} and more": length >= LONG,
        f"item: most taken {HEAD_SHARE:.0%}": popular,
        "item: all others": ~popular,
    }
    return {name: rows for name, rows in found.items() if rows.any()}


def _metrics(row: _Row, segments: "dict[str, np.ndarray]") -> Sequence[MetricRow]:
    scores = row.judged.scores
    whole = {
        "hr@10": scores.hit_rate_10,
        "ndcg@10": scores.ndcg_10,
        "recall@20": scores.recall_20,
        "coverage@10": scores.coverage_10,
    }
    found = [MetricRow(row.name, metric, value, "share") for metric, value in whole.items()]
    for segment, rows in segments.items():
        part = row.judged.of(rows)
        found += [
            MetricRow(row.name, "hr@10", part.hit_rate_10, "share", segment),
            MetricRow(row.name, "ndcg@10", part.ndcg_10, "share", segment),
        ]
    return found


def _knobs(params: Any) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in params.items()
    )
