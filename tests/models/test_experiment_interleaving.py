"""Team-draft interleaving: the draft's rules, fair credit, and the better ranker wins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.experiments.interleaving import (
    NO_ITEM,
    Interleaved,
    InterleavingError,
    credit,
    preference,
    team_draft,
)


def clicks_by_relevance(shown: Interleaved, relevance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Clicks (Q, k) with the probability of the item's relevance (Q, items), halved at every lower place."""
    chance = np.take_along_axis(relevance, shown.items, axis=1) * 0.7 ** np.arange(shown.items.shape[1])
    return (rng.random(chance.shape) < chance).astype(float)


def rankings(relevance: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Items (Q, L) by relevance seen through noise."""
    return np.argsort(-(relevance + noise * rng.standard_normal(relevance.shape)), axis=1)


def test_a_draft_worked_by_hand() -> None:
    """A ranks 1 2 3, B ranks 2 3 1. If A begins: A 1, B 2, then whoever the coin names takes 3. If B: B 2, A 1, then 3."""
    shown = team_draft(
        np.tile([1, 2, 3], (200, 1)), np.tile([2, 3, 1], (200, 1)), places=3, rng=np.random.default_rng(0)
    )
    lists = {(tuple(items), tuple(team)) for items, team in zip(shown.items.tolist(), shown.team.tolist(), strict=True)}
    assert lists == {
        ((1, 2, 3), (0, 1, 0)),
        ((1, 2, 3), (0, 1, 1)),
        ((2, 1, 3), (1, 0, 0)),
        ((2, 1, 3), (1, 0, 1)),
    }


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), queries=st.integers(1, 8), length=st.integers(1, 9), places=st.integers(1, 12))
def test_every_list_keeps_the_rules_of_the_draft(seed: int, queries: int, length: int, places: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (np.argsort(rng.random((queries, 12)), axis=1)[:, :length] for _ in range(2))
    shown = team_draft(a, b, places=places, rng=np.random.default_rng(seed))
    again = team_draft(a, b, places=places, rng=np.random.default_rng(seed))
    np.testing.assert_array_equal(shown.items, again.items)
    for row in range(queries):
        items, team = shown.items[row], shown.team[row]
        filled = items != NO_ITEM
        union = set(a[row]) | set(b[row])
        assert len(set(items[filled])) == filled.sum() == min(places, len(union))
        assert set(items[filled]) <= union
        assert items[0] == (a if team[0] == 0 else b)[row, 0]
        for place in np.flatnonzero(filled):  # each pick is the best its captain had left
            own = (a if team[place] == 0 else b)[row]
            left = [item for item in own if item not in items[:place]]
            assert items[place] == left[0]
        if len(set(a[row]) & set(b[row])) == length:  # neither captain runs out early
            assert abs(int(np.sum(team == 0)) - int(np.sum(team == 1))) <= 1


def test_credit_worked_by_hand() -> None:
    """Teams A B A. Clicks on places 1 and 2: one each, 0. On place 2: all B's, +1. On 1, 2, 3: (1 - 2) / 3."""
    shown = Interleaved(np.array([[5, 6, 7]] * 4), np.array([[0, 1, 0]] * 4))
    clicks = np.array([[1, 1, 0], [0, 1, 0], [1, 1, 1], [0, 0, 0]])
    np.testing.assert_allclose(credit(shown, clicks), [0, 1, -1 / 3, 0])


def test_preference_worked_by_hand() -> None:
    """Scores 1, 1, 1, -1: mean 0.5, deviation 1, error 0.5, t = 1 with 3 degrees of freedom: p = 0.3910.
    Sign test, 3 of 4: p = 2 x (4 + 1) / 16 = 0.625."""
    found = preference(np.array([1.0, 1, 1, -1]))
    assert (found.mean, found.wins_a, found.wins_b, found.ties) == (0.5, 1, 3, 0)
    assert found.p_mean == pytest.approx(0.3910, abs=1e-4)
    assert found.p_sign == pytest.approx(0.625)
    assert (found.low + found.high) / 2 == pytest.approx(0.5)


def test_a_user_is_one_vote_however_many_queries() -> None:
    scores, users = np.array([1.0] * 50 + [-1.0, -1.0]), np.array(["a"] * 50 + ["b", "c"])
    found = preference(scores, users)
    assert found.mean == pytest.approx(-1 / 3) and (found.wins_a, found.wins_b) == (2, 1)


def test_the_better_ranker_is_preferred_and_equal_ones_are_not() -> None:
    rng = np.random.default_rng(3)
    relevance = rng.beta(1, 3, (3_000, 10))
    good, bad, as_bad = (rankings(relevance, noise, rng) for noise in (0.1, 0.5, 0.5))
    better = team_draft(bad, good, places=6, rng=rng)
    found = preference(credit(better, clicks_by_relevance(better, relevance, rng)))
    assert found.low > 0 and found.p_sign < 1e-6
    equal = team_draft(bad, as_bad, places=6, rng=rng)
    found = preference(credit(equal, clicks_by_relevance(equal, relevance, rng)))
    assert found.low < 0 < found.high


def test_equal_rankers_win_as_often_as_a_fair_coin() -> None:
    """The very same list from both: whatever is clicked, over 400 experiments 5 % are called different (binomial bounds)."""
    from scipy.stats import binomtest

    rng = np.random.default_rng(4)
    called = 0
    for _ in range(400):
        relevance = rng.beta(1, 3, (100, 6))
        ranking = rankings(relevance, 0.2, rng)
        shown = team_draft(ranking, ranking, places=4, rng=rng)
        called += preference(credit(shown, clicks_by_relevance(shown, relevance, rng))).p_mean <= 0.05
    interval = binomtest(called, 400).proportion_ci(0.95, method="exact")
    assert interval.low <= 0.05 <= interval.high


def test_what_cannot_be_interleaved_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InterleavingError, match="stands twice"):
        team_draft(np.array([[1, 1]]), np.array([[1, 2]]), places=2, rng=rng)
    with pytest.raises(InterleavingError, match="places 0"):
        team_draft(np.array([[1, 2]]), np.array([[1, 2]]), places=0, rng=rng)
    with pytest.raises(InterleavingError, match="equal shapes"):
        credit(Interleaved(np.zeros((1, 2), int), np.zeros((1, 2), int)), np.zeros((1, 3)))
    with pytest.raises(InterleavingError, match="two finite scores"):
        preference(np.array([1.0]))
    with pytest.raises(InterleavingError, match="1 user"):
        preference(np.array([1.0, 0.0]), np.array(["a", "a"]))
