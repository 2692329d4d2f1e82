"""Two rankers in one list: team-draft interleaving, its credit, and who is preferred.

Radlinski, Kurup and Joachims, "How does clickthrough data reflect retrieval quality?" (CIKM 2008): the rankers draft like
captains. In every round a coin says who picks first, each takes its best item not yet taken, and a click is credited to the
team of the clicked item. Both are seen by the same person in the same list, so that far fewer queries than in an
A/B test tell them apart; equal rankers are preferred equally often.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.experiments.moments import Float, Ints

NO_ITEM = -1
TEAM_A, TEAM_B, NO_TEAM = 0, 1, -1


class InterleavingError(ValueError):
    """Rankings or clicks that cannot be interleaved or credited; the message names shapes and remedy."""


@dataclass(frozen=True)
class Interleaved:
    """Lists shown to Q queries: items (Q, k) and the team (Q, k) of each place, 0 for A, 1 for B; -1 where a list is shorter."""

    items: Ints
    team: Ints


@dataclass(frozen=True)
class Preference:
    """How units preferred B over A: mean of their score in [-1, 1] with its interval, wins, and two p-values.

    p_mean: t-test of the mean score. p_sign: exact sign test of wins against losses, ties left out. NaN where undefined.
    """

    mean: float
    low: float
    high: float
    p_mean: float
    p_sign: float
    wins_a: int
    wins_b: int
    ties: int


def team_draft(ranking_a: Ints, ranking_b: Ints, *, places: int, rng: np.random.Generator) -> Interleaved:
    """Interleave two rankings (Q, L) of item numbers, best first, -1 after the end, into lists of `places`.

    Vectorised over queries. The same `rng` state gives the same lists. InterleavingError for other shapes or repeated items.
    """
    a, b = (np.asarray(ranking, dtype=np.int64) for ranking in (ranking_a, ranking_b))
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[0] or places < 1:
        raise InterleavingError(f"rankings {a.shape}, {b.shape}, places {places}: expected (Q, L) each and places >= 1")
    for name, ranking in (("A", a), ("B", b)):
        ordered = np.sort(ranking, axis=1)
        if np.any((np.diff(ordered, axis=1) == 0) & (ordered[:, 1:] != NO_ITEM)):
            raise InterleavingError(f"ranking {name}: an item stands twice in one list: keep its first place")
    queries = np.arange(a.shape[0])
    open_a, open_b = a != NO_ITEM, b != NO_ITEM
    items = np.full((queries.size, places), NO_ITEM, dtype=np.int64)
    team = np.full((queries.size, places), NO_TEAM, dtype=np.int64)
    drafted = np.zeros((queries.size, 2), dtype=np.int64)
    for place in range(places):
        coin = rng.integers(0, 2, size=queries.size)
        lead = drafted[:, TEAM_A] - drafted[:, TEAM_B]
        turn = np.where(lead == 0, coin, np.where(lead > 0, TEAM_B, TEAM_A))
        has_a, has_b = open_a.any(axis=1), open_b.any(axis=1)
        turn = np.where(has_a & has_b, turn, np.where(has_a, TEAM_A, TEAM_B))  # a captain without players passes
        picked = np.where(turn == TEAM_A, a[queries, open_a.argmax(axis=1)], b[queries, open_b.argmax(axis=1)])
        any_left = has_a | has_b
        items[:, place] = np.where(any_left, picked, NO_ITEM)
        team[:, place] = np.where(any_left, turn, NO_TEAM)
        drafted[queries, turn] += any_left
        open_a &= a != picked[:, None]
        open_b &= b != picked[:, None]
    return Interleaved(items, team)


def credit(shown: Interleaved, clicks: npt.NDArray[Any]) -> Float:
    """Score of each query, (Q,): clicks on B's items minus clicks on A's, over all clicks; 0 without clicks. clicks (Q, k)."""
    weight = np.asarray(clicks, dtype=np.float64)
    if weight.shape != shown.team.shape or not np.isfinite(weight).all() or np.any(weight < 0):
        raise InterleavingError(
            f"clicks {weight.shape}, lists {shown.team.shape}: expected equal shapes and counts >= 0"
        )
    for_a = np.sum(weight * (shown.team == TEAM_A), axis=1)
    for_b = np.sum(weight * (shown.team == TEAM_B), axis=1)
    total = for_a + for_b
    return np.asarray(np.divide(for_b - for_a, total, out=np.zeros_like(total), where=total > 0))


def preference(scores: Float, users: npt.NDArray[Any] | None = None, *, confidence: float = 0.95) -> Preference:
    """Who is preferred, by scores (Q,) of queries; `users` (Q,) names whose query it was: a user's queries are no independent
    votes, so each user then counts once, with the mean of theirs."""
    from scipy.stats import binomtest
    from scipy.stats import t as student

    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or values.size < 2 or not np.isfinite(values).all():
        raise InterleavingError(f"scores {values.shape}: expected at least two finite scores, (Q,)")
    if not 0.5 <= confidence < 1:
        raise InterleavingError(f"confidence {confidence}: expected a value inside [0.5, 1)")
    if users is not None:
        if np.shape(users) != values.shape:
            raise InterleavingError(f"users {np.shape(users)}, scores {values.shape}: expected equal (Q,)")
        _, index = np.unique(users, return_inverse=True)
        values = np.bincount(index, weights=values) / np.bincount(index)
        if values.size < 2:
            raise InterleavingError("users: 1 user: expected at least two, for a user is one vote")
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))
    half = float(student.ppf((1 + confidence) / 2, values.size - 1)) * error
    p_mean = float(2 * student.sf(abs(mean) / error, values.size - 1)) if error > 0 else float("nan")
    wins_a, wins_b = int(np.sum(values < 0)), int(np.sum(values > 0))
    p_sign = float(binomtest(wins_b, wins_a + wins_b).pvalue) if wins_a + wins_b else float("nan")
    return Preference(mean, mean - half, mean + half, p_mean, p_sign, wins_a, wins_b, values.size - wins_a - wins_b)
