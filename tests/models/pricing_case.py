"""What `test_same_shape.py` needs to know of pricing, see `forecaster_case.py`."""

from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

CONFIG: dict[str, Any] = {
    "steps": 60, "peer_steps": 20, "shelves": 8, "batch": 8, "buffer": 400, "hidden": 16, "tuning_episodes": 50,
    "judged_episodes": 50, "fresh_shelves": 20, "fresh_days": 2, "fresh_steps": 40,
    "fresh_peer_steps": 10,
}  # fmt: skip
ANY_OF = ("instances", "fresh_goods")
BASELINE = "list price"
PEERS = ("DQN (Stable-Baselines3)", "dynamic program", "EMSR-b", "bid price", "markdown ladder", "myopic elasticity")
SALAD: dict[str, Any] = {
    "name": "salad", "kind": "perishable", "periods": 6, "periods_per_day": 2, "list_price": 3.0, "unit_cost": 1.0,
    "prices": [1.0, 2.0, 3.0], "shelf_life": 2, "room": 6, "delivery": {"every": 2, "units": 4}, "disposal_cost": 0.2,
    "mean": 2.0, "elasticity": 1.5,
    "factors": [{"name": "weather", "levels": [{"value": -0.5, "demand": 0.5}, {"value": 0.5, "demand": 1.5}]}],
}  # fmt: skip
FRESH: dict[str, Any] = {
    "level": np.array([3.0, 1.0, 5.0]), "week": np.ones((3, 7)), "level_error": np.full(3, 0.1),
    "elasticity": np.full(3, 3.0), "elasticity_error": np.full(3, 0.1), "dispersion": np.full(3, 8.0),
    "cost": np.full(3, 0.6), "disposal": np.zeros(3), "ceiling": np.array([1.0, 1.0, 100.0]), "life": np.array([1, 8, 4]),
    "lead": np.array([1, 2, 1]), "every": np.array([1, 3, 1]), "up_to": np.array([5, 6, 9]),
}  # fmt: skip
SEATS: dict[str, Any] = {
    "name": "seats", "kind": "capacity", "periods": 8, "list_price": 10, "prices": [6, 10, 14], "capacity": 4,
    "segments": [{"name": "all", "arrivals": [1.0], "willingness": 9, "spread": 2}],
}  # fmt: skip


def tables(synthetic: ModuleType, cfg: Any) -> dict[str, Any]:
    """A perishable and a capacity, each solved in no time, and three fresh goods."""
    from models.pricing.data import problem_table
    from models.pricing.fresh import Goods
    from models.pricing.fresh_data import goods_table
    from models.pricing.guardrails import Rules
    from models.pricing.instances import check_instances

    del synthetic, cfg
    return {
        "instances": problem_table(
            check_instances({"instances": [SALAD, SEATS]}), {"salad": Rules(essential=True, largest_change=0.5)}
        ),
        "fresh_goods": goods_table(["bread", "milk", "peaches"], Goods(**FRESH), "2024-06-30"),
    }


def request(trained: Any, data: Any) -> Any:
    from models.pricing.predict import PriceInput

    del trained, data
    return PriceInput(
        "salad", np.array([0, 3, 5]), np.array([[0, 4], [2, 3], [6, 0]]), np.array([3.0, 2.0, 1.0]),
        {"weather": np.array([0.5, -0.5, 0.1])},
    )  # fmt: skip


def outputs(reply: Any) -> dict[str, np.ndarray]:
    return {"price": reply.price, "wanted": reply.wanted, "worth": reply.worth, "values": reply.values}


def hostile(sound: Any) -> Iterator[tuple[str, Any]]:
    yield r"market: milk is unknown; name one of salad, seats", replace(sound, market="milk")
    yield r"period: 6: expected whole numbers from 0 to 5", replace(sound, period=[0, 3, 6])
    yield r"period: 0.5: expected whole", replace(sound, period=[0, 0.5, 1])
    yield r"period: expected numbers", replace(sound, period=["soon"] * 3)
    yield r"stock: -1: expected", replace(sound, stock=[[0, -1]] * 3)
    yield r"stock in all: 7: expected whole numbers from 0 to 6", replace(sound, stock=[[3, 4]] * 3)
    yield r"stock: shape \(3, 3\): expected \(3, 2\)", replace(sound, stock=[[1, 1, 1]] * 3)
    yield r"before: nan: expected", replace(sound, before=[np.nan] * 3)
    yield r"before: inf: expected", replace(sound, before=[np.inf] * 3)
    yield r"before: 2 numbers, 3 shelves", replace(sound, before=[1.0, 2.0])
    yield r"factors: \['weather'\] are missing", replace(sound, factors={})
    yield r"factors: \['income'\] are unknown to salad", replace(sound, factors={**sound.factors, "income": [1] * 3})
    yield r"weather: nan: expected", replace(sound, factors={"weather": [np.nan] * 3})
    yield r"period: expected numbers", replace(sound, period=[10**400, 0, 0])
    yield r"stock: expected numbers", replace(sound, stock=np.ma.masked_array(sound.stock, sound.stock > 3))
    yield r"before: expected numbers", replace(sound, before=[3.0 + 1.0j] * 3)
    yield r"market: \['salad'\] is unknown", replace(sound, market=["salad"])
    yield r"lowest: -1: expected", replace(sound, lowest=[-1.0] * 3)
