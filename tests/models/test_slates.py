"""Rules of a slate in their order of precedence, exchanges that keep them, and trials whose propensities are exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.common.protocols import InputError
from models.recommender.exploration import DRAWS, ExplorationConfig, explore
from models.recommender.slates import EMPTY, Choice, SlateConfig, allowed_by, exchangeable, slates

NO_BOUND = SlateConfig()


def choice(scores: list[float], category: str, allowed: list[int] | None = None) -> Choice:
    """One request; a letter of `category` a candidate."""
    shown = [1] * len(scores) if allowed is None else allowed
    return Choice(np.array([scores]), np.array([list(category)]), np.array([shown], dtype=bool))


def test_stock_and_purchases_come_before_scores() -> None:
    """Candidate 0 is out of stock, 1 is bought for good, 2 is bought and bought again."""
    available, bought = np.array([[0, 1, 1, 1]], dtype=bool), np.array([[1, 1, 1, 0]], dtype=bool)
    again = np.array([1, 0, 1, 0], dtype=bool)  # (C,) broadcasts
    assert allowed_by(available, bought, again).tolist() == [[False, False, True, True]]
    found = slates(choice([9, 8, 1, 2], "aaaa", [0, 0, 1, 1]), 3, NO_BOUND)
    assert found.tolist() == [[3, 2, EMPTY]]


def test_variety_by_hand() -> None:
    """At most two of a: the third a, though better, waits behind b and c; it comes back to fill the slate."""
    four = choice([9, 8, 7, 6, 5], "aaabc")
    assert slates(four, 4, SlateConfig(most_of_category=2)).tolist() == [[0, 1, 3, 4]]
    assert slates(four, 5, SlateConfig(most_of_category=2)).tolist() == [[0, 1, 3, 4, 2]]
    assert slates(four, 3, SlateConfig(most_of_category=1)).tolist() == [[0, 3, 4]]
    assert slates(four, 3, NO_BOUND).tolist() == [[0, 1, 2]]


def test_what_may_not_be_shown_takes_no_room_of_its_category() -> None:
    found = slates(choice([9, 8, 7, 6], "aaab", [0, 1, 1, 1]), 2, SlateConfig(most_of_category=1))
    assert found.tolist() == [[1, 3]]
    short = slates(choice([9, 8, 7], "abc", [1, 0, 0]), 3, SlateConfig(most_of_category=1))
    assert short.tolist() == [[0, EMPTY, EMPTY]]  # rule 1 is not broken to fill a slate


def test_exchanges_keep_the_rules() -> None:
    """Slate 0 (a), 2 (b) with at most one of each: a may stand for a, b for b, c for any; 5 is not allowed."""
    open_ = choice([9, 8, 7, 6, 5, 4], "aabbcc", [1, 1, 1, 1, 1, 0])
    rules = SlateConfig(most_of_category=1)
    slate = slates(open_, 2, rules)
    assert slate.tolist() == [[0, 2]]
    assert exchangeable(open_, slate, rules)[0].astype(int).tolist() == [[0, 1, 0, 0, 1, 0], [0, 0, 0, 1, 1, 0]]
    assert exchangeable(open_, slate, NO_BOUND)[0].astype(int).tolist() == [[0, 1, 0, 1, 1, 0]] * 2


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 12), st.one_of(st.none(), st.integers(1, 3)))
def test_every_slate_keeps_the_rules(seed: int, places: int, count: int, bound: int | None) -> None:
    """Before and after trials: allowed, each once, filled from the left, and no category over its bound without need."""
    rng = np.random.default_rng(seed)
    made = Choice(rng.normal(size=(20, count)), rng.integers(0, 4, (20, count)), rng.random((20, count)) < 0.7)
    rules = SlateConfig(most_of_category=bound)
    slate = slates(made, places, rules)
    explored = explore(made, slate, rng.random((20, DRAWS)), ExplorationConfig(share=1.0), rules)
    for shown in (slate, explored.slate):
        for row, places_of in enumerate(shown):
            items = places_of[places_of != EMPTY]
            assert len(items) == min(places, made.allowed[row].sum()) == len(set(items.tolist()))
            assert made.allowed[row, items].all() and (places_of[: len(items)] != EMPTY).all()
            if bound is not None:
                most = np.bincount(made.category[row, items], minlength=4)
                all_of = np.bincount(made.category[row, made.allowed[row]], minlength=4)
                needed = len(items) > np.minimum(all_of, bound).sum()
                assert needed or (most <= bound).all()


@pytest.mark.parametrize("bound", [None, 1])
def test_propensities_are_exact(bound: int | None) -> None:
    """Frequencies over 60,000 requests against the propensity of each (candidate, place); they sum to 1 a place."""
    count, places = 60_000, 3
    one = choice([2.0, 1.5, 1.0, 0.5, 0.0, -3.0], "aabbcc")
    many = Choice(*(np.repeat(getattr(one, name), count, axis=0) for name in ("scores", "category", "allowed")))
    rules, cfg = SlateConfig(most_of_category=bound), ExplorationConfig(share=0.6, temperature=0.8)
    slate = slates(many, places, rules)
    explored = explore(many, slate, np.random.default_rng(0).random((count, DRAWS)), cfg, rules)
    may = exchangeable(one, slate[:1], rules)[0]
    for place in range(places):
        shown, first = np.unique(explored.slate[:, place], return_index=True)
        told = explored.propensity[first, place]
        frequency = np.bincount(explored.slate[:, place], minlength=6)[shown] / count
        assert set(shown.tolist()) == {int(slate[0, place]), *np.flatnonzero(may[place]).tolist()}
        assert told.sum() == pytest.approx(1.0)
        assert np.abs(frequency - told).max() < 4 * 0.5 / np.sqrt(count)
        for item, chance in zip(shown, told, strict=True):
            assert (explored.propensity[explored.slate[:, place] == item, place] == chance).all()
    kept = explored.slate[:, 0] == slate[0, 0]
    assert explored.propensity[kept, 0] == pytest.approx(1 - 0.6 / 3)


def test_nothing_to_try_is_certain() -> None:
    """Two candidates for two places, and a slate of one and an empty place: propensity 1, nothing moves."""
    full, short = choice([1, 2], "ab"), choice([1, 2], "ab", [1, 0])
    for made in (full, short):
        slate = slates(made, 2, NO_BOUND)
        found = explore(made, slate, np.zeros((1, DRAWS)), ExplorationConfig(share=1.0), NO_BOUND)
        assert (found.slate == slate).all() and found.propensity.tolist() == [[1.0, 1.0]]
    asked = choice([1, 2, 3], "abc")
    slate = slates(asked, 2, NO_BOUND)
    still = explore(asked, slate, np.zeros((1, DRAWS)), ExplorationConfig(share=0.0), NO_BOUND)
    assert (still.slate == slate).all() and still.propensity.tolist() == [[1.0, 1.0]]


def test_hostile_input_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="NaN for a candidate that may be shown"):
        choice([np.nan, 1.0], "ab")
    assert slates(choice([np.nan, 1.0], "ab", [0, 1]), 1, NO_BOUND).tolist() == [[1]]
    with pytest.raises(InputError, match="expected one shape"):
        Choice(np.zeros((1, 2)), np.zeros((1, 3)), np.ones((1, 2), dtype=bool))
    asked = choice([1.0, 2.0], "ab")
    for places in (0, 1_001):
        with pytest.raises(InputError, match=f"places {places}: expected 1 to 1000"):
            slates(asked, places, NO_BOUND)
    slate = slates(asked, 1, NO_BOUND)
    for draws in (np.zeros((2, DRAWS)), np.ones((1, DRAWS)), np.full((1, DRAWS), np.nan)):
        with pytest.raises(InputError, match="uniform numbers"):
            explore(asked, slate, draws, ExplorationConfig(), NO_BOUND)
