"""Losses of recommenders on the held-out item of each customer, and what a recommendation costs in time."""

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from orchestration.latency import p99_ms
from orchestration.registry import RegisteredVersion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.recommender.data import Dataset
    from models.recommender.histories import Histories, Ints
    from models.recommender.predict import Predictor
    from models.recommender.scoring import Scorer

LATENCY_RUNS = 200
LISTED = 10  # items of a list that is judged


def unseen(data: "Dataset", version: RegisteredVersion) -> "NDArray[np.bool_]":
    """Of which judged customers (J,) the last item is shown not to have been in the version's training.

    Of all, where it was trained on these very data, which held those items out; else of those who took it on a later day
    than any that the version's data speak of. Where the source tells no time none can be shown.
    """
    import numpy as np

    if version.data_fingerprint == data.fingerprint:
        return np.ones(len(data.judged), dtype=np.bool_)
    return np.asarray(
        data.test_days > np.datetime64(version.trained_until), dtype=np.bool_
    )  # NaT is later than nothing


def losses(scorer: "Scorer", data: "Dataset", rows: "Ints") -> "NDArray[np.float64]":
    """1 - NDCG@10 (R,) of the held-out item of some judged customers `rows` (R,), ranked among all items."""
    import numpy as np

    from models.recommender.scoring import judge

    target, customers = data.test_items[rows], data.judged[rows]
    rank = judge(scorer, data.known, customers, target, len(data.items), lists=False).rank
    gain = np.where(rank <= LISTED, 1.0 / np.log2(1.0 + rank), 0.0)
    return np.asarray(1.0 - gain, dtype=np.float64)


def score_challenger(predictor: "Predictor", data: "Dataset", rows: "Ints") -> "NDArray[np.float64]":
    """Losses of a model; it may be older than the data, and not know all items."""
    return losses(_of_model(predictor, data), data, rows)


def score_baseline(data: "Dataset", rows: "Ints") -> "NDArray[np.float64]":
    """Losses of what most customers took."""
    from models.recommender.peers import popularity

    return losses(popularity(data.known, len(data.items), {}, 0), data, rows)


def score_champion(
    champion: RegisteredVersion, data: "Dataset", rows: "Ints", *, least: int
) -> "tuple[NDArray[np.float64], None] | tuple[None, str]":
    """The champion's losses on customers whose item it did not see, or why they cannot be taken."""
    from models.recommender.predict import load

    if rows.size < least:
        return None, (
            f"{rows.size} customers took anything since its data ended on {champion.trained_until}, at least {least} are "
            "needed to compare: wait for more days, or override with a reason"
        )
    try:
        return score_challenger(load(champion.folder), data, rows), None
    except ValueError as error:  # ArtifactError and InputError are such
        logging.getLogger(__name__).warning("champion version %d cannot be scored: %s", champion.version, error)
        return None, str(error)


def latency_p99_ms(predictor: "Predictor", data: "Dataset") -> float:
    """p99 of ten recommendations for one customer, one customer after another."""
    import numpy as np

    from models.recommender.predict import RecommendInput

    customers = np.resize(data.judged, LATENCY_RUNS).tolist()
    return p99_ms(
        lambda: (
            partial(predictor.predict, RecommendInput([taken_by(data, customer)], k=LISTED)) for customer in customers
        )
    )


def taken_by(data: "Dataset", customer: int) -> list[str]:
    """Names of what a customer took, oldest first, the held-out item left out."""
    known = data.known
    names: list[str] = data.items[known.items[known.starts[customer] : known.starts[customer + 1]]].tolist()
    return names


def _of_model(predictor: "Predictor", data: "Dataset") -> "Scorer":
    """Scores in the order of the data's items; an item that the model does not know cannot be recommended (-inf)."""
    import numpy as np

    from models.recommender.histories import Histories

    own = {name: place for place, name in enumerate(predictor.spec.items)}
    places = np.asarray([own.get(name, -1) for name in data.items.tolist()], dtype=np.int64)
    known = np.flatnonzero(places >= 0)

    def score(theirs: "Histories", customers: "Ints") -> Any:
        del customers
        kept = places[theirs.items] >= 0
        starts = np.concatenate([[0], np.cumsum(np.bincount(theirs.rows[kept], minlength=len(theirs)))])
        scores = np.full((len(theirs), places.size), -np.inf, dtype=np.float32)
        found = predictor.scores(Histories(starts, places[theirs.items[kept]]))
        scores[:, known] = found[:, places[known]]
        return scores

    return score
