"""What a visit carries out, by hand and as properties."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.settlement.basket import BasketBeliefs, Held, carried
from serving.settlement.shop_events import Moved, Passed, Tag

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def moved(deed: str, second: int, count: int = 1, confidence: float = 0.99, product: str = "milk") -> Moved:
    return Moved(
        event_id=f"{product}{deed}{second}", shop="s1", time=NOON + timedelta(seconds=second), visit_id="v", deed=deed,
        product=product, count=count, confidence=confidence, shelf="s",
    )  # fmt: skip


def passed(*products: str) -> Passed:
    tags = [Tag(epc=f"e{number}", product=product) for number, product in enumerate(products)]
    return Passed(event_id="gate", shop="s1", time=NOON + timedelta(seconds=99), visit_id="v", tags=tags)


def one(*events: Moved, gate: list[Passed] | None = None) -> Held:
    (held,) = carried(events, gate or [])
    return held


def test_one_event_is_worth_its_confidence() -> None:
    """0.9 that one was taken; of the rest 0.6 nothing, 0.2 none but one fewer (none), 0.2 two. One more unseen: 2 in 10,000."""
    held = one(moved("take", 1, confidence=0.9))
    assert (held.product, held.count) == ("milk", 1)
    assert held.confidence == pytest.approx(0.9 * (1 - 2e-4) + 0.08 * 2e-4, rel=1e-6)


def test_the_gate_speaks_for_and_against_by_bayes() -> None:
    """One of 0.9, its tag read: 0.92 by one, 2 * 0.93 * 0.07 by two, next to nothing by none."""
    beliefs = BasketBeliefs(unseen=0, gate_read=0.93, gate_stray=1e-9)
    event = moved("take", 1, confidence=0.9)
    (held,) = carried([event], [passed("milk")], beliefs)
    assert held.confidence == pytest.approx(0.9 * 0.93 / (0.9 * 0.93 + 0.02 * 2 * 0.93 * 0.07), abs=1e-6)
    assert held.evidence == ("milktake1", "gate")
    (held,) = carried([event], [passed()], beliefs)
    unread = np.array([0.08, 0.9 * 0.07, 0.02 * 0.07**2])
    assert (held.count, held.confidence) == (0, pytest.approx(0.08 / unread.sum(), abs=1e-6))


def test_what_is_put_back_is_not_carried_out() -> None:
    assert one(moved("take", 1, 3), moved("put", 5, 2)).count == 1
    held = one(moved("take", 1), moved("put", 5))
    assert held.count == 0 and held.confidence > 0.97
    assert one(moved("put", 5)).count == 0, "what was brought along and left here owes nothing"


def test_a_swap_leaves_the_other_product() -> None:
    events = [moved("take", 1), moved("put", 9), moved("take", 11, product="tea")]
    assert {held.product: held.count for held in carried(events, [passed("tea")])} == {"milk": 0, "tea": 1}


def test_two_tags_that_nobody_saw_taken_are_told() -> None:
    """They may all be strays, so a person looks."""
    for tags in (1, 2, 3):
        (held,) = carried([], [passed(*["milk"] * tags)])
        assert held.confidence < 0.95
    assert carried([], [passed()]) == []


def test_a_tag_read_twice_is_one() -> None:
    twice = [passed("milk"), passed("milk").model_copy(update={"event_id": "gate2"})]
    assert one(moved("take", 1), gate=twice).count == 1


def test_without_a_gate_nothing_speaks_against() -> None:
    without, unread = one(moved("take", 1)), one(moved("take", 1), gate=[passed()])
    assert without.confidence > unread.confidence


@given(
    st.lists(st.tuples(st.sampled_from(["take", "put"]), st.integers(1, 3), st.floats(0, 1)), max_size=8),
    st.integers(0, 4),
    st.randoms(use_true_random=False),
)
def test_order_and_repetition_of_what_is_heard_change_nothing(
    events: list[tuple[str, int, float]], tags: int, rng: Random
) -> None:
    told = [moved(deed, second, count, sure) for second, (deed, count, sure) in enumerate(events)]
    gate = [passed(*["milk"] * tags)]
    again = list(told)
    rng.shuffle(again)
    found = carried(told, gate)
    assert carried(again, gate) == found
    assert all(0 < held.confidence <= 1 and 0 <= held.count <= 60 for held in found)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=6))
def test_sure_takes_add_up(counts: list[int]) -> None:
    held = one(*[moved("take", second, count, 1.0) for second, count in enumerate(counts)])
    assert (held.count, round(held.confidence, 3)) == (sum(counts), 1.0)


def test_more_confidence_makes_surer() -> None:
    sure = [one(moved("take", 1, confidence=value)).confidence for value in (0.6, 0.8, 0.9, 0.99)]
    assert all(a < b for a, b in pairwise(sure))


def test_of_tags_that_were_followed_the_gate_says_no_more() -> None:
    followed = moved("take", 1, confidence=0.97).model_copy(update={"tags": "followed"})
    assert one(followed, gate=[passed()]).confidence == pytest.approx(one(followed).confidence)
    assert one(moved("take", 1, confidence=0.97), gate=[passed()]).confidence < 0.9
    assert one(followed, gate=[passed("milk", "milk")]).count == 2, "what else was read speaks all the same"


def test_what_came_back_is_nobodys_however_unsure_it_is_who_took_it() -> None:
    both = [
        moved(what, second, confidence=0.6).model_copy(update={"tags": "returned"})
        for what, second in (("take", 1), ("put", 5))
    ]
    held = one(*both, gate=[passed()])
    assert held.count == 0 and held.confidence > 0.999
    assert one(*both, moved("take", 9)).count == 1
