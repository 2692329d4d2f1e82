"""What `test_same_shape.py` needs to know of the profiles, see `forecaster_case.py`."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

CONFIG: dict[str, Any] = {"epochs": 20, "resamples": 3, "references": 2, "restarts": 2, "clusters_max": 5, "width": 4}
BASELINE = "RFM quintiles"
PEERS = ("Gaussian mixture", "agglomerative", "follow rates")
CUSTOMERS, DAYS, ITEMS = 120, 100, 30
#: Visits, clicks, lines, orders, units, spend, reduced share, days silent of three kinds: loyal, bargain hunters, gone.
KINDS = (
    (60, 120, 60, 40, 60, 400.0, 0.1, 1.0),
    (40, 90, 30, 25, 40, 150.0, 0.9, 2.0),
    (15, 30, 10, 8, 10, 60.0, 0.2, 60.0),
)


def tables(synthetic: ModuleType, cfg: Any) -> dict[str, Any]:
    """120 customers of three kinds in a ring of friends; every third one's friends follow half of what it buys."""
    del synthetic, cfg
    rng = np.random.default_rng(0)
    names = [f"c{number:03d}" for number in range(CUSTOMERS)]
    start = datetime(2026, 1, 1)
    bought: list[tuple[str, str, datetime]] = []
    for number in range(CUSTOMERS):
        for _ in range(12):
            day, item = int(rng.integers(0, DAYS)), int(rng.integers(ITEMS))
            bought.append((names[number], f"i{item:02d}", start + timedelta(days=day)))
            if number % 3 == 0 and rng.random() < 0.5:
                follower = names[(number + 1) % CUSTOMERS]
                bought.append((follower, f"i{item:02d}", start + timedelta(days=day + 1 + int(rng.integers(3)))))
    rows = np.array([KINDS[number % 3] for number in range(CUSTOMERS)])
    noisy = rows * rng.uniform(0.8, 1.25, rows.shape)
    visits, clicks, lines, orders, units, spend, share, silent = noisy.T
    ties = [(a, (a + step) % CUSTOMERS) for a in range(CUSTOMERS) for step in (-2, -1, 1, 2)]
    return {
        "customer_behaviour": pa.table(
            {
                "customer_id": names,
                "observed_days": np.full(CUSTOMERS, 100.0),
                "seen_days": 100.0 - silent,
                "silent_days": silent,
                "unbought_days": silent,
                "visits": visits,
                "clicks": clicks,
                "carts": lines,
                "lines": lines,
                "orders": np.minimum(orders, lines),
                "units": units,
                "spend": spend,
                "priced_lines": lines,
                "reduced_lines": np.minimum(share, 1.0) * lines,
            }
        ),
        "customer_purchases": pa.table(
            {
                "customer_id": [row[0] for row in bought],
                "item_id": [row[1] for row in bought],
                "happened_at": pa.array([row[2] for row in bought], pa.timestamp("us")),
            }
        ),
        "friendships": pa.table(
            {
                "customer_id": [names[a] for a, _ in ties],
                "friend_id": [names[b] for _, b in ties],
                "since": pa.nulls(len(ties), pa.date32()),
            }
        ),
    }


def request(trained: Any, data: Any) -> Any:
    from models.profiles.predict import ProfileInput

    del trained
    return ProfileInput({name: values[:9].copy() for name, values in data.sums.items()})


def outputs(reply: Any) -> dict[str, np.ndarray]:
    return {"segment": reply.segment, "confidence": reply.confidence, "distances": reply.distances}


def hostile(sound: Any) -> Iterator[tuple[str, Any]]:
    def other(**columns: Any) -> Any:
        return replace(sound, sums={**sound.sums, **columns})

    yield r"sums: expected a mapping", replace(sound, sums=[1.0])
    yield r"sums: \['visits'\] are missing", replace(sound, sums={k: v for k, v in sound.sums.items() if k != "visits"})
    yield r"sums: \['age'\] are unknown", other(age=sound.sums["visits"])
    yield r"visits: expected numbers", other(visits=["many"] * 9)
    yield r"visits: nan lies outside 0", other(visits=np.full(9, np.nan))
    yield r"spend: inf lies outside 0", other(spend=np.full(9, np.inf))
    yield r"silent_days: -1 lies outside 0", other(silent_days=np.full(9, -1.0))
    yield r"visits: 3 numbers, observed_days has 9", other(visits=np.ones(3))
    yield r"visits: shape \(3, 3\)", other(visits=np.ones((3, 3)))
    yield r"observed_days: shape \(0,\)", other(observed_days=np.zeros(0))
    yield r"reduced_lines: 1e\+06 is more than priced_lines", other(reduced_lines=np.full(9, 1e6))
