"""Row of the recommender with friends: LastFM listeners of whom five artists are known, with the friendship graph and without."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from bench_row import BenchContext, BenchResult, BenchRow

from models.common.ranking import best
from models.recommender.config import Config
from models.recommender.data import Dataset, prepare
from models.recommender.histories import Histories
from models.recommender.peers import PEERS
from models.recommender.scoring import Scorer
from models.recommender.social import Company
from models.recommender.social_fit import fit_social

SEEDS = (0, 1, 2, 3, 4)
TUNING_SEED = 100  # of the draw on which the peers' knobs are chosen: none of those reported
LISTENERS, KEPT = 500, 5
FEWEST = 10  # artists of a listener who may be drawn: some must be left to find
BAR = 1.10
TRIALS = 8
BESIDE = ("popularity", "item-kNN (implicit)", "EASE")
RESAMPLES = 2_000
DISCOUNT = 1.0 / np.log2(np.arange(2, 12))

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cut:
    """All lists, of the drawn `listeners` (n,) only five artists; `hidden` (n, I) is what else these have."""

    listeners: npt.NDArray[np.int64]
    lists: Histories
    hidden: npt.NDArray[np.bool_]

    def ndcg(self, scores: npt.NDArray[np.float32]) -> Floats:
        """NDCG@10 (n,) of the hidden artists among all that are not known."""
        scores = np.array(scores, dtype=np.float32)
        theirs = self.lists.take(self.listeners)
        scores[theirs.rows, theirs.items] = -np.inf
        hit = np.take_along_axis(self.hidden, best(scores, 10), axis=1)
        ideal = np.cumsum(DISCOUNT)[np.minimum(self.hidden.sum(axis=1), 10) - 1]
        return np.asarray((hit * DISCOUNT).sum(axis=1) / ideal)


@dataclass(frozen=True)
class Drawn:
    """NDCG@10 (n,) of one draw's listeners by the same regression fitted without friends and with them."""

    listeners: npt.NDArray[np.int64]
    without: Floats
    friends: Floats


def listeners(folder: Path) -> Dataset:
    """LastFM as the recommender reads it."""
    import ibis

    from features.interactions import build_interactions
    from sources.adapters.lastfm import LastfmSource

    source = LastfmSource(folder)
    raw = ibis.memtable(source.read("events").read_all())
    events = raw.mutate(
        event_time=ibis.null("timestamp"), ordinal=raw.ordinal.cast("int64"), amount=raw.amount.cast("float64")
    )
    found = build_interactions(events=events)
    tables = {"interactions": found.to_pyarrow(), "friendships": source.read("friendships").read_all()}
    empty = {name: [] for name in ("item_id", "attribute", "value")}
    return prepare({**tables, "item_attributes": _texts(empty)}, Config())


def _texts(columns: dict[str, list[str]]) -> object:
    import pyarrow as pa

    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def cut(data: Dataset, seed: int) -> Cut:
    """500 listeners by chance, five artists of each by chance; what is hidden is nowhere, their friends' lists included."""
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(np.flatnonzero(data.histories.lengths >= FEWEST), LISTENERS, replace=False))
    lists = [data.histories.take(np.array([customer])).items for customer in range(len(data.customers))]
    hidden = np.zeros((LISTENERS, len(data.items)), dtype=bool)
    for row, customer in enumerate(drawn):
        shuffled = rng.permutation(lists[customer])
        lists[customer] = shuffled[:KEPT]
        hidden[row, shuffled[KEPT:]] = True
    return Cut(drawn, Histories.of(lists), hidden)


def draw(data: Dataset, cfg: Config, *, seed: int) -> Drawn:
    """Fit on the lists of one draw, with five artists of the listeners drawn, and rank what these have beside."""
    known = cut(data, seed)
    if data.ties is None:
        raise ValueError("no friendships: LastFM has them in user_friends.dat")
    model = fit_social(known.lists, data.ties, len(data.items), cfg, seed=seed, longest=KEPT)
    if model is None:
        raise ValueError("too few listeners with friends to learn of")
    theirs = known.lists.take(known.listeners)
    company = Company.among(known.listeners, data.ties, known.lists)
    found = (known.ndcg(model.scores(theirs, told)) for told in (None, company))
    return Drawn(known.listeners, *found)


def interval(draws: list[Drawn]) -> tuple[float, float, float]:
    """Ratio of the mean NDCG@10 with friends to that without, and its 95 % interval: listeners are drawn again, with all of
    their draws, for one who was drawn twice is no new witness."""
    rng = np.random.default_rng(0)
    who, row = np.unique(np.concatenate([each.listeners for each in draws]), return_inverse=True)
    sums = [
        np.bincount(row, weights=np.concatenate(parts), minlength=len(who))
        for parts in ([each.friends for each in draws], [each.without for each in draws])
    ]
    again = rng.integers(0, len(who), (RESAMPLES, len(who)))
    low, high = np.quantile(sums[0][again].sum(axis=1) / sums[1][again].sum(axis=1), (0.025, 0.975))
    return float(sums[0].sum() / sums[1].sum()), float(low), float(high)


def _beside(data: Dataset) -> dict[str, float]:
    """Mean NDCG@10 over all draws of peers whose knobs a draw of its own chose."""
    cuts = {seed: cut(data, seed) for seed in (TUNING_SEED, *SEEDS)}
    found = {}
    for number, peer in enumerate(peer for peer in PEERS if peer.name in BESIDE):
        rng = np.random.default_rng(number)
        params = [peer.draw(rng) for _ in range(peer.trials or TRIALS)]
        chosen = max(params, key=lambda each: _reached(peer.fit, each, cuts[TUNING_SEED]))
        found[peer.name] = float(np.mean([_reached(peer.fit, chosen, cuts[seed]) for seed in SEEDS]))
    return found


def _reached(fit: "Callable[..., Scorer]", params: object, known: Cut) -> float:
    """On artists of three listeners or more: EASE inverts a matrix of all items, and nothing is known of the others."""
    n_items = known.hidden.shape[1]
    kept = np.flatnonzero(np.bincount(known.lists.items, minlength=n_items) >= 3)
    number = np.full(n_items, -1)
    number[kept] = np.arange(len(kept))
    lists = Histories.of([each[each >= 0] for each in np.split(number[known.lists.items], known.lists.starts[1:-1])])
    scores = np.full(known.hidden.shape, -np.inf, dtype=np.float32)
    scores[:, kept] = fit(lists, len(kept), params, 0)(lists.take(known.listeners), known.listeners)
    return float(known.ndcg(scores).mean())


def _friends(context: BenchContext) -> BenchResult:
    if context.real_data is None:
        raise ValueError("LastFM is a real data set: set STORELOOP_REAL_DATA")
    data = listeners(context.real_data / "lastfm_hetrec2011")
    draws = [draw(data, Config(), seed=seed) for seed in SEEDS]
    ratio, low, high = interval(draws)
    without = float(np.mean([each.without.mean() for each in draws]))
    friends = float(np.mean([each.friends.mean() for each in draws]))
    each = ", ".join(f"{one.friends.mean() / one.without.mean() - 1:+.1%}" for one in draws)
    peers = ", ".join(f"{name} {value:.4f}" for name, value in _beside(data).items())
    note = (
        f"{ratio - 1:+.1%} [{low - 1:+.1%}, {high - 1:+.1%}] (95 %, listeners resampled); by seed {each}; without friends "
        f"also: {peers}, their knobs chosen on a draw of its own; {LISTENERS} listeners a seed, all {len(data.items):,} artists"
    )
    bound = f"NDCG@10 >= {BAR:.2f}x the same model without the friendship graph"
    return BenchResult(friends, "ndcg@10", "the same without friends", without, bound, ratio >= BAR, note)


ROWS = [
    BenchRow(
        "recommender-friends",
        "recommender",
        "LastFM, five artists known of 500 listeners, with friends",
        _friends,
        needs_real_data=True,
        rooms=("sources", "data_checks", "features", "models"),
    ),
]
