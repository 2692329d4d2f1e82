"""Choosing how much each part of the recommender has to say, on items that none of the parts has seen."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.common.ranking import best, ranks, summary
from models.recommender.config import Config
from models.recommender.data import Dataset
from models.recommender.histories import Histories, Ints
from models.recommender.predict import Predictor
from models.recommender.spec import Mix

FIRST = Mix(sequence=1.0, linear=1.5, popularity=0.0)  # the search starts from it
ALONE = (
    Mix(sequence=0, linear=0, popularity=1),
    Mix(sequence=0, linear=1, popularity=0),
    Mix(sequence=1, linear=0, popularity=0),
)
POPULARITY_STEP = 0.2
SMALLEST_STEP = 0.1
CHUNK_CUSTOMERS = 1_000
NOWHERE = np.float32(-1e30)  # of an empty place: below all, and 0 where the part has no say


@dataclass(frozen=True)
class Candidates:
    """Of N customers the best items by each part and, in the last place, the item each took: parts' scores (N, C + 1).

    Every part brings its own: among items that another found, what it ranks first itself would be no rival.
    """

    sequence: npt.NDArray[np.float32]
    linear: npt.NDArray[np.float32]  # logarithms
    popularity: npt.NDArray[np.float32]

    def ndcg(self, mix: Mix) -> float:
        """NDCG@10 of the last place among all places."""
        total = mix.sequence * self.sequence + mix.linear * self.linear + mix.popularity * self.popularity
        target = np.full(len(total), total.shape[1] - 1)
        return summary(ranks(total, target), np.zeros((1, 10), dtype=np.int64), 1).ndcg_10


def choose_mix(predictor: Predictor, data: Dataset, cfg: Config, *, seed: int) -> tuple[Mix, float]:
    """The weights with the highest NDCG@10 on the validation items, and that NDCG@10; `predictor` was fitted without them.

    Steps of one weight at a time, halved when none helps; each part alone is tried too, and wins ties.
    """
    rng = np.random.default_rng(seed)
    some = np.sort(rng.permutation(len(data.judged))[: cfg.mix_customers])
    candidates = _gather(predictor, data, some, cfg)
    tried = {}

    def reached(mix: Mix) -> float:
        if mix not in tried:
            tried[mix] = candidates.ndcg(mix)
        return tried[mix]

    found, step = FIRST, 1.0
    while step >= SMALLEST_STEP:
        better = max((found, *_near(found, step)), key=reached)
        if better == found:
            step /= 2
        found = better
    return max((*ALONE, found), key=reached), max(map(reached, (*ALONE, found)))


def _near(mix: Mix, step: float) -> Iterator[Mix]:
    """The linear part a share of `step` louder and softer, the popular a bit more and less."""
    for factor in (1.0 + step, 1.0 / (1.0 + step)):
        yield mix.model_copy(update={"linear": mix.linear * factor})
    for sign in (1.0, -1.0):
        yield mix.model_copy(update={"popularity": mix.popularity + sign * step * POPULARITY_STEP})


def _gather(predictor: Predictor, data: Dataset, some: Ints, cfg: Config) -> Candidates:
    """Parts' scores of the candidates; the target stands in the last place alone."""
    parts: dict[str, list[npt.NDArray[np.float32]]] = {"sequence": [], "linear": [], "popularity": []}
    popularity = predictor.popularity
    for first in range(0, len(some), CHUNK_CUSTOMERS):
        block = some[first : first + CHUNK_CUSTOMERS]
        theirs = data.train.take(data.judged[block])
        target = data.validation_items[block]
        sequence, linear = predictor.sequence(theirs), predictor.log_linear(theirs)
        crowd = np.broadcast_to(popularity, sequence.shape)
        found = [
            _best(part, theirs, target, cfg.mix_candidates) for part in (sequence, linear, crowd, sequence + linear)
        ]
        items = np.column_stack([_each_once(np.concatenate(found, axis=1)), target])
        empty, at = items < 0, np.maximum(items, 0)
        parts["sequence"].append(np.where(empty, NOWHERE, np.take_along_axis(sequence, at, axis=1)))
        parts["linear"].append(np.where(empty, NOWHERE, np.take_along_axis(linear, at, axis=1)))
        parts["popularity"].append(np.where(empty, NOWHERE, popularity[at]))
    return Candidates(
        *(np.concatenate(parts[name]).astype(np.float32) for name in ("sequence", "linear", "popularity"))
    )


def _best(scores: npt.NDArray[np.float32], theirs: Histories, target: Ints, count: int) -> Ints:
    """The best items (N, C) that a customer neither has nor took next."""
    scores = scores.copy()
    scores[theirs.rows, theirs.items] = -np.inf
    scores[np.arange(len(target)), target] = -np.inf
    return best(scores, count)


def _each_once(items: Ints) -> Ints:
    """Items (N, C) in any order, -1 in the place of every repeated one."""
    items = np.sort(items, axis=1)
    items[:, 1:][items[:, 1:] == items[:, :-1]] = -1
    return items
