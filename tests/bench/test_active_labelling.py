"""The row's reading of curves and its verdict, by hand; and the loop on a small pool."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the rows are no package

from active_labelling import LEARNT_EMBEDDING, Belt, Curves, curves, drawn, right_kinds
from active_labelling_rows import labels_verdict, ratio


def needed(quality: list[float], full: float = 0.9) -> float:
    return Curves(np.array([50, 100, 200]), {"mix": np.array(quality)}, full).needed("mix")


def test_labels_count_until_quality_stays_within_a_point() -> None:
    assert needed([0.89, 0.9, 0.9]) == 50
    assert needed([0.87, 0.91, 0.91]) == pytest.approx(75)  # 0.89 lies half way from 0.87 to 0.91
    assert needed([0.95, 0.88, 0.9]) == pytest.approx(150)  # above it too early, and then below it again
    assert needed([0.5, 0.6, 0.7]) == 200


def test_the_ratio_is_a_geometric_mean_with_its_interval() -> None:
    """Logarithms -ln 2 and -ln 8: mean -ln 4, standard deviation ln 4 / sqrt 2, half width 12.706 ln 4 / 2."""
    middle, low, high = ratio(np.array([100.0, 50.0]), np.array([200.0, 400.0]))
    assert middle == pytest.approx(0.25)
    assert (low * 4, high * 4) == pytest.approx((4**-6.353, 4**6.353))


def verdict(ours: list[float], blind: list[float]) -> tuple[bool | None, float]:
    asked = {"a": {"random": np.full(5, 1000.0), "mix": np.array(ours), "margin": np.full(5, 500.0)},
             "b": {"random": np.full(5, 2000.0), "mix": np.array(blind)}}  # fmt: skip
    said = labels_verdict(asked, {name: np.full(5, 0.9) for name in asked})
    assert said.peer_value == pytest.approx(1000) and "other strategies margin 0.50" in said.note
    return said.met, said.value


def test_the_verdict_asks_every_seed_of_every_embedding() -> None:
    assert verdict([200.0] * 5, [500.0] * 5) == (True, pytest.approx(200))
    assert verdict([200.0] * 4 + [650.0], [500.0] * 5)[0] is False
    assert verdict([200.0] * 5, [500.0] * 4 + [1300.0])[0] is False
    assert verdict([580.0, 585.0, 575.0, 580.0, 582.0], [500.0] * 5)[0] is True
    assert verdict([200.0, 599.0, 300.0, 599.0, 599.0], [500.0] * 5)[0] is False  # each within, the upper end is not


def test_a_rare_kind_is_found_with_fewer_labels_than_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """1 in 40 of a pool is of each of two rare kinds; with every label all kinds are told apart."""
    monkeypatch.setattr("active_labelling.ROUNDS", (20, 40, 60, 100, 150, 200, 300, 400))
    monkeypatch.setattr("active_labelling.DRAWS", 1)
    draw = np.random.default_rng(2)
    kind = draw.choice(3, 800, p=[0.95, 0.025, 0.025])
    seen = 4 * np.eye(3)[kind] + draw.normal(size=(800, 3))
    found = curves(Belt({LEARNT_EMBEDDING: seen}, kind), LEARNT_EMBEDDING, 3, ("random", "mix"))
    assert found.quality["mix"][0] == found.quality["random"][0]  # the same first labels
    assert found.quality["mix"][-1] == pytest.approx(found.full) == found.quality["random"][-1]
    assert found.needed("mix") < 0.6 * found.needed("random")
    assert drawn({"small": [found]}).startswith(b"\x89PNG")


def test_every_kind_counts_alike() -> None:
    class Always:
        def predict(self, seen: np.ndarray) -> np.ndarray:
            return np.zeros(len(seen))

    assert right_kinds(Always(), np.zeros((10, 1)), np.array([0] * 9 + [1])) == 0.5
