"""Single tags by hand: what moved by them and by weight, whose deeds they tie together, and what came back."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from models.behaviour.exit_tags import Passing, ReadTag, read_tags
from models.behaviour.mats import MatChange
from models.behaviour.people_config import ExitConfig
from models.behaviour.people_observed import Floats, Ints
from models.behaviour.tag_chains import last_takes, returned, tied
from models.behaviour.tag_deeds import MovedTag, TagDeedConfig, tagged
from models.behaviour.visit_events import GateReads, Option, ShelfDeed

CFG, GATE = TagDeedConfig(), ExitConfig()


@dataclass(frozen=True, eq=False)
class Shelf:
    """Two lanes of 10 cm on board 0, for products 0 and 1 of 300 g each."""

    level: Ints = field(default_factory=lambda: np.array([0, 0]))
    product: Ints = field(default_factory=lambda: np.array([0, 1]))
    left: Floats = field(default_factory=lambda: np.array([-10.0, 0.0]))
    right: Floats = field(default_factory=lambda: np.array([0.0, 10.0]))
    weight_g: Floats = field(default_factory=lambda: np.array([300.0, 300.0]))


def moved(epc: str, product: int, at_s: float, what: str = "take") -> MovedTag:
    return MovedTag(what, epc, product, 0, 0, at_s)  # type: ignore[arg-type]


def deed(
    product: int, count: int = 1, at_s: float = 10.0, what: str = "take", sure: float = 0.99, **more: object
) -> ShelfDeed:
    return ShelfDeed(what, product, count, 0, -0.05, at_s, sure, **more)  # type: ignore[arg-type]


def weighed(grams: float, at_s: float = 10.0) -> MatChange:
    return MatChange(0, 0, at_s, grams, 6.0, 5.0, 0.2, whole=True)


def told(deeds: list[ShelfDeed], tags: list[MovedTag], changes: list[MatChange], **silent: float) -> list[ShelfDeed]:
    return tagged(deeds, tags, changes, {0: Shelf()}, {int(name[1:]): share for name, share in silent.items()})


def test_two_who_take_at_once_are_told_apart_by_tags_that_weigh_the_same() -> None:
    """Mats and cameras told of two of product 0; one tag of each product left, and 600 g with them."""
    first, second = told([deed(0, 2)], [moved("a", 0, 10.1), moved("b", 1, 10.3)], [weighed(-600.0)])
    assert [(each.product, each.count, each.epcs, each.confidence) for each in (first, second)] == [
        (0, 1, ("a",), CFG.sure),
        (1, 1, ("b",), CFG.sure),
    ]
    assert (first.along_m, second.along_m) == (-0.05, 0.05), "of the second a mat's change alone tells where"
    assert first.traced and second.traced


def test_one_is_not_told_twice() -> None:
    """Two of product 0 and another one were told; two tags left, with 600 g, each nearest to one of the two."""
    found = told([deed(0, 2, 10.0), deed(0, 1, 11.0)], [moved("a", 0, 10.0), moved("b", 0, 11.1)], [weighed(-600.0)])
    assert [(each.count, each.at_s, each.epcs) for each in found] == [(1, 10.0, ("a",)), (1, 11.0, ("b",))]


def test_what_no_tag_tells_of_has_a_dead_one_or_was_not() -> None:
    """0.9 times a quarter of the product's tags that nobody ever read, against 0.1 that it was nothing."""
    (dead,) = told([deed(0, sure=0.9)], [], [], p0=0.25)
    assert dead.confidence == pytest.approx(0.9 * 0.25 / (0.9 * 0.25 + 0.1)) and dead.traced
    (none,) = told([deed(0, sure=0.9)], [], [])
    assert none.confidence == pytest.approx(0.9 * CFG.dead / (0.9 * CFG.dead + 0.1))


def test_one_of_two_may_be_dead() -> None:
    """600 g less a tag that weighs 300 g: two of product 0, one of which is dead; where none is, the count was wrong."""
    options = {"others": (Option(0, 1, 0.009),)}
    (dead,) = told([deed(0, 2, **options)], [moved("a", 0, 10.0)], [weighed(-600.0)], p0=0.2)
    (alive,) = told([deed(0, 2, **options)], [moved("a", 0, 10.0)], [weighed(-600.0)])
    assert (dead.count, dead.epcs) == (2, ("a", "dead 0")) and dead.confidence > 0.95
    assert alive.count == 1 or alive.confidence < 0.9


def test_a_tag_alone_is_believed_where_something_moved() -> None:
    lone = [moved("a", 1, 10.0)]
    assert told([], lone, [weighed(-300.0, 500.0)]) == [], "mats tell of another time, and of nothing then"
    (here,) = told([], lone, [weighed(-300.0)])
    (bare,) = told([], lone, [])
    assert (here.product, here.confidence, bare.confidence) == (1, CFG.sure, CFG.alone)
    (named,) = told([deed(0, others=(Option(1, 1, 0.005),))], lone, [weighed(-450.0)])
    assert (named.product, named.along_m, named.confidence) == (1, -0.05, CFG.alone), "what was told may have been this"


def test_what_is_put_with_a_dead_tag_was_taken_with_one() -> None:
    """One is taken, another one too, and one is put: that which was taken last."""
    deeds = [deed(0, at_s=10.0), deed(0, at_s=20.0), deed(0, at_s=30.0, what="put"), deed(0, at_s=40.0, what="put")]
    found = told(deeds, [], [], p0=0.3)
    assert returned(found) == [True] * 4
    assert [each.epcs for each in told(deeds[:3], [], [], p0=0.3)] == [("dead 0",), ("dead 1",), ("dead 1",)]
    assert all(not each.epcs for each in told(deeds, [], [])), "where none is silent none is dead"


def test_who_puts_a_tag_back_took_it() -> None:
    """Alone the take is as likely either's, the put nine to one the second's."""
    deeds = [deed(0, epcs=("a",)), deed(0, at_s=20.0, what="put", epcs=("a",)), deed(0, at_s=30.0, epcs=("a",))]
    share = np.array([[0.5, 0.5], [0.1, 0.9], [0.5, 0.5]])
    found = tied(deeds, share, [], {0, 1}, GATE)
    assert found[0] == pytest.approx([0.1, 0.9], abs=0.001) and found[1] == pytest.approx(found[0])
    assert found[2] == pytest.approx([0.5, 0.5]), "the next to take it may be anybody"
    assert returned(deeds) == [True, True, False]
    assert last_takes(deeds) == {"a": 2}


def test_who_carries_a_tag_out_took_it_last() -> None:
    read = [ReadTag("a", 0, (1,), (12.0,))]
    deeds = [deed(0, epcs=("a",)), deed(0, epcs=("b",))]
    found = tied(deeds, np.full((2, 2), 0.5), read, {0, 1}, GATE)
    assert found[0, 1] > 0.999 and found[1].tolist() == [0.5, 0.5]
    unseen = tied(deeds, np.array([[0.99, 0.01], [0.5, 0.5]]), read, {1}, GATE)
    assert unseen[0, 0] > 0.8, "one who was never seen to pass may have passed then"


def test_what_is_kept_of_two_has_not_come_back() -> None:
    deeds = [deed(0, 2, epcs=("a", "b")), deed(0, at_s=20.0, what="put", epcs=("a",))]
    assert returned(deeds) == [False, False]
    deeds.append(deed(0, at_s=30.0, what="put", epcs=("b",)))
    assert returned(deeds) == [True, True, True]


def test_an_antennas_clock_is_told_by_those_who_pass_alone() -> None:
    """All reads come 0.4 s late: read midway between two passings, a tag went with the first."""
    alone_s = np.arange(10.0, 20.0) * 60
    at_s = np.concatenate([np.repeat(alone_s + 0.4, 4), np.full(6, 2_000.6)])
    epc = [f"t{k}" for k in range(10) for _ in range(4)] + ["asked"] * 6
    reads = GateReads(epc, at_s, np.full(at_s.size, -50.0), [0] * at_s.size)
    passings = [Passing(k, float(when)) for k, when in enumerate(alone_s)] + [
        Passing(10, 2_000.2),
        Passing(11, 2_001.0),
    ]
    asked = next(tag for tag in read_tags(reads, passings, GATE) if tag.epc == "asked")
    ratio = dict(zip(asked.visits, asked.log_ratio, strict=True))
    assert ratio[10] > ratio[11] + 1.0
