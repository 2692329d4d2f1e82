"""From a customer's history to a slate: candidates, re-weighting by what was learned online, diversity, exploration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.recommender.exploration import DRAWS, ExplorationConfig, explore
from models.recommender.fallback import PopularItems
from models.recommender.histories import Histories
from models.recommender.online_features import text_codes
from models.recommender.reweighting import Candidates, Context, Reweighting, Scores
from models.recommender.slates import Choice, SlateConfig, slates
from serving.recommender_champion import Bools, Ints, Model

Floats = npt.NDArray[np.float64]
FAINTEST = 1e-3  # share of a new item's customers, of whom there are none yet, beside the most popular one's
NEW_AMONG_COLD = 10  # new items among the candidates of somebody of whom nothing is known
NO_NAME = text_codes(np.array([""]))[0]


@dataclass(frozen=True)
class Asked:
    """What slates of N customers are wanted: histories by item number; `segment` and `customer` (N,) by name."""

    histories: Histories
    segment: tuple[str, ...]
    customer: tuple[str, ...]
    device: str
    hour: int
    k: int
    allowed: Bools | None
    with_taken: bool
    most_of_category: int | None
    explore: float


@dataclass(frozen=True)
class Shortlists:
    """Candidates (N, C) by item number, best first, and their offline scores; -1 and NaN where no item is left."""

    items: Ints
    scores: npt.NDArray[np.float32]
    cold: Bools


@dataclass(frozen=True)
class Slate:
    """Items (K,) of one customer in their order, with what impression ids hold of them."""

    items: Ints
    scores: Floats
    propensity: Floats
    explored: Bools
    codes: Ints
    offsets: Floats


def shortlists(model: Model, popular: PopularItems, asked: Asked, count: int) -> Shortlists:
    """Candidates of all: the model's where something of the history is known to it, else what is popular and what is new."""
    cold = asked.histories.lengths == 0
    items = np.full((len(cold), count), -1, dtype=np.int64)
    scores = np.full(items.shape, np.nan, dtype=np.float32)
    warm = np.flatnonzero(~cold)
    if warm.size:
        theirs = asked.histories if warm.size == len(cold) else asked.histories.take(warm)
        found, said = model.predictor.shortlist(theirs, count, with_taken=asked.with_taken, allowed=asked.allowed)
        items[warm, : found.shape[1]], scores[warm, : found.shape[1]] = found, said
    for row in np.flatnonzero(cold).tolist():
        places, shares = _cold(model, popular, asked, asked.segment[row], count)
        items[row, : len(places)], scores[row, : len(places)] = places, shares
    return Shortlists(items, scores, cold)


def make_slates(
    model: Model,
    shortlist: Shortlists,
    asked: Asked,
    online: Scores,
    reweighting: Reweighting,
    rng: np.random.Generator,
) -> list[Slate]:
    """Slates of all customers; those with as many candidates are re-weighted together."""
    made: list[Slate | None] = [None] * len(shortlist.items)
    there = (shortlist.items >= 0).sum(axis=1)
    for count in np.unique(there).tolist():
        rows = np.flatnonzero(there == count)
        for row, slate in zip(
            rows.tolist(), _alike(model, shortlist, asked, rows, count, online, reweighting, rng), strict=True
        ):
            made[row] = slate
    return [slate for slate in made if slate is not None]


def _alike(
    model: Model,
    shortlist: Shortlists,
    asked: Asked,
    rows: Ints,
    count: int,
    online: Scores,
    reweighting: Reweighting,
    rng: np.random.Generator,
) -> list[Slate]:
    items = shortlist.items[rows, :count]
    if not count:
        nothing = np.zeros(0)
        codes = np.zeros((0, len(reweighting.features.columns)), dtype=np.int64)
        return [Slate(items[0], nothing, nothing, nothing > 0, codes, nothing)] * len(rows)
    unknown = np.full(items.shape, NO_NAME)
    candidates = Candidates(
        model.item_codes[items],
        model.category_codes[items],
        unknown,
        shortlist.scores[rows, :count].astype(np.float64),
        np.full(items.shape, np.nan),
    )
    context = Context(
        np.full(len(rows), asked.device),
        np.full(len(rows), asked.hour),
        np.asarray([asked.segment[row] for row in rows], dtype=np.str_),
        np.asarray([asked.customer[row] for row in rows], dtype=np.str_),
    )
    offsets = reweighting.offsets(candidates.scores)
    scores = reweighting.scores(online, context, candidates)
    # Stock and what was taken are out of the shortlist already, so that places go to what may be shown.
    choice = Choice(scores, candidates.categories, np.ones(items.shape, dtype=np.bool_))
    rules, trials = SlateConfig(most_of_category=asked.most_of_category), ExplorationConfig(share=asked.explore)
    planned = slates(choice, min(asked.k, count), rules)
    explored = explore(choice, planned, rng.random((len(rows), DRAWS)), trials, rules)
    at = explored.slate
    shown, offset = candidates.take(at), np.take_along_axis(offsets, at, axis=1)
    position = np.broadcast_to(np.arange(at.shape[1]), at.shape)
    codes = reweighting.codes(context, shown, offset, position).reshape(*at.shape, -1)
    found = zip(
        np.take_along_axis(items, at, axis=1),
        np.take_along_axis(scores, at, axis=1),
        explored.propensity,
        at != planned,
        codes,
        offset,
        strict=True,
    )
    return [Slate(*parts) for parts in found]


def _cold(model: Model, popular: PopularItems, asked: Asked, segment: str, count: int) -> tuple[list[int], list[float]]:
    """Item numbers of what is popular in the segment, then of what is new; scores are logarithms of their shares."""

    def allowed(name: str) -> bool:
        place = model.places.get(name)
        return place is not None and (asked.allowed is None or bool(asked.allowed[place]))

    names, shares = popular.best(segment, max(count - NEW_AMONG_COLD, 1), allowed)
    listed = set(names)
    new: Sequence[str] = popular.newest(count - len(names), lambda name: name not in listed and allowed(name))
    said = np.log(np.maximum([*shares, *[FAINTEST] * len(new)], FAINTEST)).tolist()
    return [model.places[name] for name in (*names, *new)], said
