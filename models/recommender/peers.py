"""The models every report stands beside: popularity, nearest items, EASE, ALS and BPR, each tuned by random search.

Nearest items, ALS and BPR are those of `implicit`; EASE (Steck 2019, "Embarrassingly shallow autoencoders for sparse data")
is one matrix inversion. Nearest items and EASE may weigh what was taken lately more: without it they lose to ours for a
reason that is none of theirs.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.common.protocols import ProgressCallback, silent
from models.recommender.data import Dataset
from models.recommender.histories import Histories, Ints
from models.recommender.scoring import Floats, Judged, Scorer, judge

EASE_ITEMS_MAX = 20_000  # a dense matrix of 20,000 x 20,000 float32 takes 1.6 GB, and as much again to invert it
Params = Mapping[str, Any]


@dataclass(frozen=True)
class Peer:
    """A model with the space its knobs are drawn from."""

    name: str
    draw: Callable[[np.random.Generator], Params]
    fit: "Callable[[Histories, int, Params, int], Scorer]"
    trials: int | None = None  # where one is enough: there is nothing to choose


@dataclass(frozen=True)
class TunedPeer:
    """A peer as it was judged on the test items: its best knobs, and how it did with them on the validation items."""

    name: str
    params: Params
    validation_ndcg_10: float
    judged: Judged


def popularity(histories: Histories, n_items: int, params: Params, seed: int) -> Scorer:
    """How many customers took an item."""
    del params, seed
    count = np.bincount(histories.items, minlength=n_items).astype(np.float32)
    return lambda theirs, _: np.broadcast_to(count, (len(theirs), n_items))


def nearest_items(histories: Histories, n_items: int, params: Params, seed: int) -> Scorer:
    """Sum of the similarities to what the customer took, weighted by age (implicit's nearest neighbours)."""
    from implicit import nearest_neighbours as nn
    from implicit.utils import ParameterWarning

    del seed
    kind = {"cosine": nn.CosineRecommender, "tf-idf": nn.TFIDFRecommender, "bm25": nn.BM25Recommender}[params["kind"]]
    model = kind(K=params["neighbours"], num_threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ParameterWarning)  # implicit warns of a matrix of its own making
        model.fit(histories.matrix(n_items), show_progress=False)
    return _linear(model.similarity.T.tocsr(), params["decay"], n_items)


def ease(histories: Histories, n_items: int, params: Params, seed: int) -> Scorer:
    """EASE on histories weighted by age; B = I - P / diag(P), P = (X'X + l2 I)^-1."""
    from scipy import linalg

    del seed
    taken = histories.matrix(n_items, decay=params["decay"])
    gram = (taken.T @ taken).toarray()
    gram[np.diag_indices(n_items)] += params["l2"]
    factor, failed = linalg.lapack.spotrf(gram, lower=1, overwrite_a=1)
    inverse, failed = linalg.lapack.spotri(factor, lower=1, overwrite_c=1) if not failed else (factor, failed)
    if failed:
        raise ValueError(f"EASE: the Gram matrix cannot be inverted with l2 = {params['l2']:g}; raise it")
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices(n_items)] = 0.0
    return _linear(weights, params["decay"], n_items)


def als(histories: Histories, n_items: int, params: Params, seed: int) -> Scorer:
    """Implicit-feedback ALS (Hu, Koren, Volinsky 2008)."""
    from implicit.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    knobs = {name: params[name] for name in ("factors", "regularization", "alpha")}
    with threadpool_limits(1, "blas"):  # its many small solutions are slower where BLAS has threads of its own
        model = AlternatingLeastSquares(**knobs, iterations=15, num_threads=1, random_state=seed)
        model.fit(histories.matrix(n_items), show_progress=False)
    return _factors(model)


def bpr(histories: Histories, n_items: int, params: Params, seed: int) -> Scorer:
    """Bayesian personalised ranking (Rendle et al. 2009)."""
    from implicit.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(**params, num_threads=1, random_state=seed)
    model.fit(histories.matrix(n_items), show_progress=False)
    return _factors(model)


def _linear(weights: Any, decay: float, n_items: int) -> Scorer:
    def score(theirs: Histories, customers: Ints) -> Floats:
        del customers
        found = theirs.matrix(n_items, decay=decay) @ weights
        return np.asarray(found.toarray() if hasattr(found, "toarray") else found)

    return score


def _factors(model: Any) -> Scorer:
    return lambda _, customers: np.asarray(model.user_factors[customers] @ model.item_factors.T)


PEERS: tuple[Peer, ...] = (
    Peer("popularity", lambda _: {}, popularity, trials=1),
    Peer(
        "item-kNN (implicit)",
        lambda rng: {
            "kind": str(rng.choice(["cosine", "tf-idf", "bm25"])),
            "neighbours": int(rng.choice([20, 50, 100, 200, 500])),
            "decay": float(rng.choice([1.0, 0.9, 0.8, 0.7, 0.6])),
        },
        nearest_items,
    ),
    Peer(
        "EASE",
        lambda rng: {
            "l2": float(np.exp(rng.uniform(np.log(20.0), np.log(1_000.0)))),
            "decay": float(rng.choice([1.0, 0.9, 0.8, 0.7, 0.6])),
        },
        ease,
    ),
    Peer(
        "ALS (implicit)",
        lambda rng: {
            "factors": int(rng.choice([32, 64, 128, 256])),
            "regularization": float(np.exp(rng.uniform(np.log(1e-3), np.log(10.0)))),
            "alpha": float(np.exp(rng.uniform(0.0, np.log(40.0)))),
        },
        als,
    ),
    Peer(
        "BPR (implicit)",
        lambda rng: {
            "factors": int(rng.choice([32, 64, 128, 256])),
            "learning_rate": float(np.exp(rng.uniform(np.log(0.01), np.log(0.2)))),
            "regularization": float(np.exp(rng.uniform(np.log(1e-3), np.log(0.1)))),
            "iterations": int(rng.choice([50, 100, 200])),
        },
        bpr,
    ),
)


def tuned_peers(
    data: Dataset, *, trials: int, seed: int, on_progress: ProgressCallback = silent
) -> tuple[list[TunedPeer], list[str]]:
    """Every peer, its knobs chosen in `trials` by NDCG@10 on the validation items, then judged on the test items.

    The second list says what was left out and why.
    """
    found, notes = [], []
    for number, peer in enumerate(PEERS):
        if peer.name == "EASE" and len(data.items) > EASE_ITEMS_MAX:
            notes.append(
                f"EASE was left out: {len(data.items):,} items, its dense matrix is for {EASE_ITEMS_MAX:,} at most"
            )
            continue
        on_progress(f"tuning {peer.name}", number / len(PEERS))
        rng = np.random.default_rng([seed, number])
        found.append(_tuned(peer, data, peer.trials or trials, seed, rng))
    on_progress("peers judged", 1.0)
    return found, notes


def _tuned(peer: Peer, data: Dataset, trials: int, seed: int, rng: np.random.Generator) -> TunedPeer:
    n_items = len(data.items)
    best: tuple[float, Params] | None = None
    for _ in range(trials):
        params = peer.draw(rng)
        scorer = peer.fit(data.train, n_items, params, seed)
        reached = judge(scorer, data.train, data.judged, data.validation_items, n_items, lists=False).scores.ndcg_10
        if best is None or reached > best[0]:
            best = (reached, params)
    if best is None:
        raise ValueError(f"trials = {trials}: at least one is needed to tune {peer.name}")
    scorer = peer.fit(data.known, n_items, best[1], seed)
    return TunedPeer(peer.name, best[1], best[0], judge(scorer, data.known, data.judged, data.test_items, n_items))
