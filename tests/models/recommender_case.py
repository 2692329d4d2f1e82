"""What `test_same_shape.py` needs to know of the recommender, see `forecaster_case.py`."""

from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

CONFIG: dict[str, Any] = {
    "threads": 1, "width": 16, "epochs": 2, "steps_min": 10, "batch": 64, "negatives": 20, "max_length": 12,
    "linear_neighbours": 20, "mix_candidates": 10,
}  # fmt: skip
BASELINE = "popularity"
PEERS = ("item-kNN (implicit)", "EASE", "ALS (implicit)", "BPR (implicit)")
KINDS, ITEMS_A_KIND = 6, 10


def tables(synthetic: ModuleType, cfg: Any) -> dict[str, Any]:
    """400 customers walk through items of two of six kinds, mostly on to the next one of the kind."""
    del synthetic, cfg
    rng = np.random.default_rng(0)
    rows: list[tuple[str, str, int]] = []
    for customer in range(400):
        kinds = rng.choice(KINDS, 2, replace=False)
        at = rng.integers(0, ITEMS_A_KIND, KINDS)
        for place in range(int(rng.integers(3, 9))):
            kind = int(rng.choice(kinds))
            at[kind] = (at[kind] + (1 if rng.random() < 0.8 else rng.integers(ITEMS_A_KIND))) % ITEMS_A_KIND
            rows.append((f"c{customer:03d}", f"k{kind}-{at[kind]}", place))
    items = [f"k{kind}-{number}" for kind in range(KINDS) for number in range(ITEMS_A_KIND)]
    return {
        "interactions": pa.table(
            {
                "customer_id": [row[0] for row in rows],
                "item_id": [row[1] for row in rows],
                "place": pa.array([row[2] for row in rows], pa.int64()),
                "happened_at": pa.nulls(len(rows), pa.timestamp("us")),
                "kind": ["purchase"] * len(rows),
                "amount": pa.nulls(len(rows), pa.float64()),
            }
        ),
        "item_attributes": pa.table(
            {"item_id": items, "attribute": ["kind"] * len(items), "value": [item[:2] for item in items]}
        ),
    }


def request(trained: Any, data: Any) -> Any:
    from models.recommender.predict import RecommendInput

    del trained
    known = data.known
    names = [data.items[known.items[known.starts[u] : known.starts[u + 1]]].tolist() for u in range(5)]
    return RecommendInput([*names, []], k=7)


def outputs(reply: Any) -> dict[str, np.ndarray]:
    return {"scores": reply.scores, "known": reply.known, "items": np.char.str_len(reply.items)}


def hostile(sound: Any) -> Iterator[tuple[str, Any]]:
    yield r"k 0: expected a whole number from 1 to", replace(sound, k=0)
    yield r"k 1000000", replace(sound, k=1_000_000)
    yield r"k nan", replace(sound, k=float("nan"))
    yield r"k True", replace(sound, k=True)
    yield r"histories: 0 customers", replace(sound, histories=[])
    yield r"histories: expected a list of lists", replace(sound, histories="k0-1")
    yield r"histories\[0\]: expected a list of item names, found str", replace(sound, histories=["k0-1"])
    yield r"histories\[0\]: expected a list of item names, found NoneType", replace(sound, histories=[None])
    yield r"histories\[1\]: nan: an item is named by text", replace(sound, histories=[[], [float("nan")]])
    yield r"histories\[0\]: '': an item is named by text", replace(sound, histories=[[""]])
    yield r"histories\[0\]: 10001 items: at most 10000", replace(sound, histories=[["k0-1"] * 10_001])
    yield r"histories\[0\]: 'x{20,}", replace(sound, histories=[["x" * 201]])
