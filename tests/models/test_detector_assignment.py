"""The assignment on an edge box is SciPy's."""

import numpy as np
import pytest

from models.detector.assignment import assign


def test_pairs_by_hand() -> None:
    """Best first would take (0, 0) for 1 and be left with 9: 10 against 2 + 3 = 5."""
    rows, columns = assign(np.array([[1.0, 2.0], [3.0, 9.0]]))
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [1, 0])
    rows, columns = assign(np.array([[5.0], [1.0], [7.0]]))
    assert (rows.tolist(), columns.tolist()) == ([1], [0])
    assert [each.size for each in assign(np.zeros((0, 3)))] == [0, 0]
    with pytest.raises(ValueError, match="not finite"):
        assign(np.array([[np.inf]]))


def test_it_is_that_of_scipy() -> None:
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(2)
    for _ in range(300):
        shape = tuple(rng.integers(1, 9, 2))
        cost = np.where(
            rng.random(shape) < 0.3, 1e3, rng.normal(0, 3, shape)
        )  # pairs that must not be, as the callers have
        rows, columns = assign(cost)
        wanted = linear_sum_assignment(cost)
        assert rows.tolist() == wanted[0].tolist() and len(set(columns.tolist())) == len(columns) == min(shape)
        assert cost[rows, columns].sum() == pytest.approx(cost[wanted].sum())
    cost = rng.random((6, 6))  # no ties: the very same pairs
    assert assign(cost)[1].tolist() == linear_sum_assignment(cost)[1].tolist()


def test_fusion_needs_no_library_that_a_box_has_not() -> None:
    """What the fusion's modules import, inside functions, too."""
    from pathlib import Path

    import models.detector

    folder = Path(models.detector.__path__[0])
    for name in ("fusion", "carried", "tracks", "inventory", "scales", "rfid", "geometry", "observed", "assignment"):
        told = (folder / f"{name}.py").read_text(encoding="utf-8")
        assert "scipy" not in told.replace("SciPy", "") and "sklearn" not in told and "import torch" not in told, name
