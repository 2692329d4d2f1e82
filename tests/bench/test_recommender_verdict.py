"""The recommender's row says yes only where both figures reach their bounds and stand above every peer."""

import sys
from pathlib import Path

import pytest

from models.common.report import MetricRow, Report

sys.path.insert(0, str(Path(__file__).parent))  # the rows are no package

from recommender_rows import HR, NDCG, PEERS, verdict


def report(hit_rate: float, ndcg: float, *, best_peer: float = 0.05) -> Report:
    models = {"champion": (hit_rate, ndcg), **dict.fromkeys(PEERS, (0.04, 0.03)), "EASE": (best_peer, 0.04)}
    rows = [
        MetricRow(model, metric, value, "share", segment)
        for model, values in models.items()
        for metric, value in zip(("hr@10", "ndcg@10", "recall@20"), (*values, 0.2), strict=True)
        for segment in ("all", "history: under 5")
    ]
    return Report("champion", (*rows, MetricRow("all peers", "seconds", 9.0, "s")), notes=("5 customers",))


@pytest.mark.parametrize(
    ("hit_rate", "ndcg", "best_peer", "met"),
    [
        (HR, NDCG, 0.05, True),
        (HR - 0.001, NDCG, 0.05, False),
        (HR, NDCG - 0.001, 0.05, False),
        (HR, NDCG, HR, False),
    ],
)
def test_bounds_and_peers_decide(hit_rate: float, ndcg: float, best_peer: float, met: bool) -> None:
    found = verdict(report(hit_rate, ndcg, best_peer=best_peer))
    assert (found.met, found.value, found.peer, found.peer_value) == (met, ndcg, "EASE", 0.04)
    assert "5 customers" in found.note
