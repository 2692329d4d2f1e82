"""Pressure mats by hand: what came or went where, hands that only rest there, dead cells; and what that says beside other sensors."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from models.behaviour import mats
from models.behaviour.mat_deeds import MatDeedConfig, joined, mat_deeds
from models.behaviour.mats import MatChange, MatMatrices, mat_changes
from models.behaviour.people_observed import Floats, Ints
from models.behaviour.visit_events import ShelfDeed
from models.common.protocols import InputError

EDGES = np.linspace(-20.0, 20.0, 9)  # eight columns of 5 cm, two rows
STAY = np.array([0.0, 0.6, 1.2, 1.8])


@dataclass(frozen=True, eq=False)
class Shelf:
    """Lanes of 10 cm from -20 cm on, for products 0 to 3 on board 0 and product 4 on board 1; products 0 and 3 weigh alike."""

    level: Ints = field(default_factory=lambda: np.array([0, 0, 0, 0, 1]))
    product: Ints = field(default_factory=lambda: np.array([0, 1, 2, 3, 4]))
    left: Floats = field(default_factory=lambda: np.array([-20.0, -10.0, 0.0, 10.0, -20.0]))
    right: Floats = field(default_factory=lambda: np.array([-10.0, 0.0, 10.0, 20.0, 20.0]))
    weight_g: Floats = field(default_factory=lambda: np.array([300.0, 100.0, 200.0, 300.0, 50.0]))


SHELVES = {0: Shelf()}


def load(*things: tuple[int, float]) -> np.ndarray:
    """Grams on two columns beside one another, the first of which is told, in the front row."""
    cells = np.full((8, 2), 1.0)
    for column, grams in things:
        cells[column : column + 2, 0] += grams / 2
    return cells


def told(at_s: np.ndarray, loads: list[np.ndarray], level: int = 0) -> MatMatrices:
    board = np.full(at_s.size, level)
    return MatMatrices(np.zeros(at_s.size, dtype=np.int64), board, at_s, np.array(loads), EDGES)


def test_what_went_and_where() -> None:
    """300 g stood on columns 0 and 1, which meet at -15 cm; a hand of 90 g rests there before and after it goes."""
    full, bare = load((0, 300.0)), load()
    (change,) = mat_changes(told(STAY, [full, full + load((0, 90.0)), load((0, 120.0)), bare]))
    assert (change.gondola, change.level, change.at_s, change.whole) == (0, 0, pytest.approx(0.9), True)
    assert (change.grams, change.centre_cm) == (pytest.approx(-300.0), pytest.approx(-15.0))
    (change,) = mat_changes(told(STAY, [bare, load((0, 150.0)), full, full]))
    assert change.grams == pytest.approx(300.0)
    (deed,) = mat_deeds([change], SHELVES)
    first = deed.told()
    assert (first.deed, first.product, first.count, first.along_m) == ("put", 0, 1, pytest.approx(-0.15))
    assert deed.belief.sum() == pytest.approx(1.0) and first.confidence > 0.95


def test_a_hand_alone_changes_nothing_and_a_shelf_at_rest_neither() -> None:
    bare = load((4, 200.0))
    hand = bare + load((1, 150.0)) - 1
    assert mat_changes(told(STAY, [bare, hand, hand + load((1, 40.0)) - 1, bare])) == []
    assert mat_changes(told(STAY, [bare, bare, bare, bare])) == []
    none = told(STAY, [bare] * 4)
    assert mat_changes(MatMatrices(none.gondola[:0], none.level[:0], none.at_s[:0], none.grams[:0], EDGES)) == []


def test_two_at_one_board_at_once_and_one_after_another() -> None:
    before, after = load((0, 300.0), (4, 200.0)), load((4, 400.0))
    both = mat_changes(told(STAY, [before, before + load((0, 90.0)) - 1, after + load((4, 80.0)) - 1, after]))
    assert [(round(each.grams), round(each.centre_cm)) for each in sorted(both, key=lambda c: c.grams)] == [
        (-300, -15), (200, 5),
    ]  # fmt: skip
    # Out and back within one burst: between the stays the board lies still.
    full, bare = load((0, 300.0)), load()
    stays = [full, full + load((0, 60.0)) - 1, bare + load((0, 30.0)) - 1, bare, bare, bare + 50.0, full + 50.0, full]
    at_s = np.concatenate([STAY, STAY + 2.4])
    assert [round(each.grams) for each in mat_changes(told(at_s, stays))] == [-300, 300]


def test_the_order_of_matrices_does_not_matter() -> None:
    loads = [load((0, 300.0)), load((0, 390.0)), load((0, 120.0)), load()]
    straight = told(STAY, loads)
    mixed = [2, 0, 3, 1]
    assert mat_changes(told(STAY[mixed], [loads[k] for k in mixed])) == mat_changes(straight)


def test_a_dead_cell_hides_some_of_a_weight() -> None:
    loads = np.array([load((0, 300.0)), load((0, 390.0)), load((0, 90.0)), load()])
    loads[:, 1, 0] = 0.0
    (change,) = mat_changes(told(STAY, list(loads)))
    assert (change.grams, change.whole) == (pytest.approx(-150.0), False)
    (deed,) = mat_deeds([change], SHELVES)
    assert (deed.told().product, deed.told().count) == (0, 1), "of its lane, though it told half of the weight"


def change(grams: float, centre_cm: float, at_s: float = 10.0) -> MatChange:
    return MatChange(0, 0, at_s, grams, 8.0, centre_cm, 0.5, True)


@pytest.mark.parametrize(("grams", "product", "count"), [(-100.0, 1, 1), (-200.0, 1, 2), (-305.0, 1, 3)])
def test_weights_tell_counts(grams: float, product: int, count: int) -> None:
    (deed,) = mat_deeds([change(grams, -5.0)], SHELVES)
    assert (deed.told().product, deed.told().count) == (product, count)


def fused(product: int, sure: float, at_s: float = 10.0, what: str = "take", along_m: float = -0.15) -> ShelfDeed:
    return ShelfDeed(what, product, 1, 0, along_m, at_s, sure)  # type: ignore[arg-type]


def test_where_both_tell_of_it_the_lane_says_which_of_two_that_weigh_alike() -> None:
    mat = mat_deeds([change(-300.0, -15.0)], SHELVES)
    (agreed,) = joined([fused(0, 0.9, 10.3)], mat, SHELVES)
    assert (agreed.product, agreed.at_s) == (0, pytest.approx(10.15)) and agreed.confidence > 0.99
    (differ,) = joined([fused(3, 0.7, along_m=0.15)], mat, SHELVES)
    assert differ.product == 0 and [option.product for option in differ.others][:1] == [3]


def test_who_sees_what_is_planned_elsewhere_is_believed() -> None:
    """A put of product 3 into the lane of product 0, which weighs alike: seen there, or told of its own lane."""
    mat = mat_deeds([change(300.0, -15.0)], SHELVES)
    (there,), (elsewhere,) = (joined([fused(3, 0.6, what="put", along_m=at)], mat, SHELVES) for at in (-0.15, 0.15))
    assert (there.product, elsewhere.product) == (3, 0)


def test_what_one_alone_tells_is_believed_less() -> None:
    cfg, mat = MatDeedConfig(), mat_deeds([change(-300.0, -15.0)], SHELVES)
    (silent,) = joined([fused(0, 0.9)], [], SHELVES, cfg)
    assert silent.confidence == pytest.approx(0.009 / (0.009 + 0.1), abs=1e-6)
    (light,) = joined([fused(4, 0.9)], [], SHELVES, cfg)
    missed = 0.9 * (0.01 + np.exp(-50 / 15))
    assert light.confidence == pytest.approx(missed / (missed + 0.1)), "a mat may well miss 50 g"
    (alone,) = joined([], mat, SHELVES, cfg)
    assert alone.confidence == pytest.approx(mat[0].told().confidence * cfg.change_alone)
    assert len(joined([fused(0, 0.9, what="put")], mat, SHELVES)) == 2
    assert len(joined([fused(1, 0.9, 20.0)], mat, SHELVES)) == 2
    assert len(joined([fused(0, 0.9), fused(0, 0.9, 12.5)], mat, SHELVES)) == 1, (
        "once more of what a mat tells but once"
    )
    assert [deed.at_s for deed in joined([fused(1, 0.9, 30.0), fused(2, 0.9, 1.0)], mat, SHELVES)] == [1.0, 10.0, 30.0]


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    good = told(STAY, [load()] * 4)
    with pytest.raises(InputError, match=r"expected \(4, 7, D\)"):
        mat_changes(replace(good, edges_cm=EDGES[:-1]))
    with pytest.raises(InputError, match="edges_cm do not ascend"):
        mat_changes(replace(good, edges_cm=EDGES[::-1]))
    with pytest.raises(InputError, match="not finite"):
        mat_changes(replace(good, grams=good.grams * np.nan))
    monkeypatch.setattr(mats, "MOST_MATRICES", 3)
    with pytest.raises(InputError, match="4 matrices"):
        mat_changes(good)
