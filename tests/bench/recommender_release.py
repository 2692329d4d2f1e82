"""A recommender of a large shop for the rows that measure its service: as many numbers as training gives, made in seconds."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

CUSTOMERS, ITEMS, TASTES = 100_000, 50_000, 250
LENGTHS = (3, 30)  # items a customer took
OWN_TASTE = 0.85  # of what a customer takes, from the tastes that are his
SEGMENTS = ("loyal", "new", "at risk", "big basket", "occasional", "lapsed")
FIRST_DAY = "2026-01-05"
# Width, length of histories, neighbours and candidates are the defaults: latency depends on them.
SMALL: dict[str, Any] = {"epochs": 1, "steps_min": 1, "ranker_epochs": 1, "threads": 1}


@dataclass(frozen=True)
class Shop:
    """Who took what: customer u took `items[starts[u]:starts[u + 1]]`, oldest first, each once; and what is known of both."""

    starts: np.ndarray  # (U + 1,)
    items: np.ndarray  # (nnz,)
    taste: np.ndarray  # (I,), category of an item
    segment: np.ndarray  # (U,)

    def history(self, customer: int) -> tuple[str, ...]:
        return tuple(map(item_name, self.items[self.starts[customer] : self.starts[customer + 1]].tolist()))


def item_name(number: int) -> str:
    return f"I{number:05d}"


def customer_name(number: int) -> str:
    return f"C{number:06d}"


def make_shop(*, customers: int = CUSTOMERS, items: int = ITEMS, seed: int = 0) -> Shop:
    """Customers of three tastes each, within which few items get most; every item is taken by somebody."""
    rng = np.random.default_rng(seed)
    tastes = min(TASTES, items // 20)
    size = items // tastes
    lengths = np.minimum(rng.geometric(1 / 8, customers) + LENGTHS[0] - 1, LENGTHS[1])
    who = np.repeat(np.arange(customers), lengths)
    mine = rng.integers(0, tastes, (customers, 3))
    taste = np.where(
        rng.random(who.size) < OWN_TASTE,
        mine[who, rng.integers(0, 3, who.size)],
        rng.integers(0, tastes, who.size),
    )
    rank = np.minimum((size ** rng.random(who.size)).astype(np.int64) - 1, size - 1)  # 1 / rank, as sales are
    what = taste * size + rank
    firsts = np.cumsum(lengths) - lengths
    once = min(items, customers)
    what[firsts[:once]] = rng.permutation(items)[:once]
    _, kept = np.unique(who * items + what, return_index=True)
    kept.sort()
    starts = np.concatenate([[0], np.cumsum(np.bincount(who[kept], minlength=customers))])
    return Shop(starts, what[kept], np.arange(items) // size, rng.integers(0, len(SEGMENTS), customers))


def tables(shop: Shop, customers: int) -> dict[str, Any]:
    """What `models.recommender` is trained on, of the first customers."""
    import pyarrow as pa

    count = int(shop.starts[customers])
    lengths = np.diff(shop.starts[: customers + 1])
    place = np.arange(count) - np.repeat(shop.starts[:customers], lengths)
    who = np.repeat(np.arange(customers), lengths)
    names = pa.array([customer_name(number) for number in range(customers)])
    items = pa.array([item_name(number) for number in range(len(shop.taste))])
    return {
        "interactions": pa.table(
            {
                "customer_id": names.take(who),
                "item_id": items.take(shop.items[:count]),
                "place": place,
                "happened_at": np.datetime64(FIRST_DAY, "us") + place * np.timedelta64(1, "D"),
                "kind": pa.array(["purchase"]).take(np.zeros(count, dtype=np.int64)),
                "amount": pa.nulls(count, pa.float64()),
            }
        ),
        "item_attributes": pa.table(
            {
                "item_id": items,
                "attribute": ["category"] * len(items),
                "value": [f"taste {number}" for number in shop.taste.tolist()],
            }
        ),
    }


def make_artifact(shop: Shop, folder: Path, *, seed: int = 0) -> str:
    """Write an artifact of the shop; its id. Its graphs were trained in a small shop, whose size they do not know; its arrays
    are made here: item vectors by taste, and how often two items were taken by one customer as what one says of the other.
    How well it ranks is thus not to be measured, how fast it does is.
    """
    from safetensors.numpy import save

    from models.recommender.config import Config
    from models.recommender.data import prepare
    from models.recommender.linear import attribute_rows
    from models.recommender.predict import ARRAYS
    from models.recommender.train import train

    cfg = Config(**SMALL)
    small = make_shop(customers=1_500, items=300, seed=seed)
    trained = train(prepare(tables(small, 1_500), cfg), cfg, seed=seed)
    data = prepare(tables(shop, len(shop.segment)), cfg)
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((len(data.items), cfg.width)) * 0.1
    tastes = rng.standard_normal((int(shop.taste.max()) + 1, cfg.width))[shop.taste] * 0.1
    arrays = {
        "vectors": (own + tastes).astype(np.float32),
        "counts": np.bincount(data.histories.items).astype(np.int64),
    }
    weights = _together(data.histories.matrix(len(data.items)), cfg.linear_neighbours)
    for name, rows in (("linear", weights), ("attributes", attribute_rows(data))):
        arrays |= {f"{name}_starts": rows.starts, f"{name}_targets": rows.targets, f"{name}_values": rows.values}
    spec = trained.spec.model_copy(
        update={
            "items": tuple(data.items.tolist()),
            "categories": tuple(data.categories.tolist()),
            "attributes": data.attributes.shape[1],
        }
    )
    made = replace(trained, spec=spec, files=trained.files | {ARRAYS: save(arrays)}, data_fingerprint=data.fingerprint)
    return made.save(folder).artifact_id


def _together(taken: Any, neighbours: int) -> Any:
    """For each item those most often taken with it, as shares of its customers: rows of a sparse matrix."""
    from scipy import sparse

    from models.recommender.sparse_rows import SparseRows

    both = (taken.T @ taken).tocsr()
    both.setdiag(0)
    both.eliminate_zeros()
    lengths = np.diff(both.indptr)
    row = np.repeat(np.arange(both.shape[0]), lengths)
    order = np.lexsort((-both.data, row))
    kept = np.sort(order[np.arange(order.size) - both.indptr[row[order]] < neighbours])
    share = both.data[kept] / np.asarray(taken.sum(axis=0)).ravel()[row[kept]]
    return SparseRows.of(sparse.csr_matrix((share, (row[kept], both.indices[kept])), shape=both.shape))
