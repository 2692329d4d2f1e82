"""Shelves far outside what networks were trained on, and what the service answers of them. Loaded by path, not a test."""

from pathlib import Path
from typing import Any

import numpy as np

from models.pricing.ladder import read_ladders
from serving.guarded import make_breaker
from serving.pricing_batches import price, rows_of
from serving.pricing_champion import Champion, load_model
from serving.pricing_fresh import of_fresh_items
from serving.pricing_fresh_schemas import FreshItem
from serving.pricing_markets import of_items
from serving.pricing_schemas import Item
from serving.settings import ServeSettings

FRESH = "fresh"
SHARE = 0.6  # of shelves that are bent, each in one or two ways


class Cloud:
    """The service's answering layer on the release in `folder`, as `/quote` and `/quote_fresh` use it."""

    def __init__(self, folder: Path) -> None:
        settings, ladders = ServeSettings(), read_ladders(folder / "fallback")
        model = load_model(folder / "artifact")
        two = (make_breaker(settings), make_breaker(settings))
        self.champion = Champion(model.manifest.artifact_id, "1", ladders.markets, model, *two, fresh=ladders.fresh)

    def rows(self, market: str, shelves: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows of the reply to these shelves, `serving.pricing_schemas.Priced` or that of fresh goods."""
        known = self.champion
        if market == FRESH:
            asked: Any = of_fresh_items(known.fresh, [FreshItem.model_validate(each) for each in shelves])
        else:
            items = [Item.model_validate({"item_id": f"i{number}", **each}) for number, each in enumerate(shelves)]
            asked = of_items(known.ladders[market], items)
        return rows_of(price(asked, known.model), known)


def bend(shelves: list[dict[str, Any]], *, seed: int) -> list[dict[str, Any]]:
    """The shelves, most of them moved out of the range of training: too late, too full, too new, too cheap or dear, a reading
    beyond its levels or not there; in some of them prices of the past 30 days."""
    rng, bent = np.random.default_rng(seed), []
    for shelf in shelves:
        told = dict(shelf)
        if rng.random() < SHARE:
            ways = _FRESH_WAYS if "good" in told else _WAYS
            for way in rng.choice(len(ways), rng.integers(1, 3), replace=False):
                ways[way](told, rng)
        if rng.random() < 0.3:
            told["lowest"] = round(float(rng.uniform(0.5, 1.5)) * told["before"], 2) + 0.01
        bent.append(told)
    return bent


def _late(told: dict[str, Any], rng: np.random.Generator) -> None:
    told["period"] = int(told["period"] + rng.integers(0, 60))


def _full(told: dict[str, Any], rng: np.random.Generator) -> None:
    told["stock"] = [*told["stock"][:-1], int(rng.integers(0, 2_000))]


def _new(told: dict[str, Any], rng: np.random.Generator) -> None:
    """Units that keep longer than any do, or columns more without one."""
    told["stock"] = [*told["stock"], *rng.integers(0, 2, rng.integers(1, 4)).tolist()][:30]


def _before(told: dict[str, Any], rng: np.random.Generator) -> None:
    told["before"] = max(round(float(np.exp(rng.uniform(-4, 4))) * told["before"], 2), 0.01)


def _reading(told: dict[str, Any], rng: np.random.Generator) -> None:
    factors = {name: float(rng.uniform(-100, 100)) for name in told["factors"]}
    kept = [name for name in factors if rng.random() < 0.7]
    told["factors"] = {name: factors[name] for name in kept}


def _orders(told: dict[str, Any], rng: np.random.Generator) -> None:
    told["coming"], told["wait"] = int(rng.integers(0, 5_000)), int(rng.integers(0, 8))


def _demand(told: dict[str, Any], rng: np.random.Generator) -> None:
    if "expected" in told:
        told["expected"] = np.minimum(np.array(told["expected"]) * np.exp(rng.uniform(0, 6)), 5_000.0).tolist()


def _untold(told: dict[str, Any], rng: np.random.Generator) -> None:
    for name in ("expected", "up_to"):
        if rng.random() < 0.7:
            told.pop(name, None)


_WAYS = (_late, _full, _new, _before, _reading)
_FRESH_WAYS = (_full, _new, _before, _orders, _untold, _demand)
