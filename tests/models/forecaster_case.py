"""What `test_same_shape.py` needs to know of the forecaster (a new model writes such a file of its own).

CONFIG: a small config as keyword arguments; tables(synthetic, cfg): its tables; request(trained, data): a sound request;
outputs(reply): arrays of a reply; BASELINE, PEERS: model names that a report must hold; hostile(request): (what, request).
"""

from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

CONFIG: dict[str, Any] = {"horizon": 7, "trees": 20, "quantile_trees": 10, "threads": 1, "max_pairs": 300}
BASELINE = "seasonal naive"
PEERS = ("lightgbm (mlforecast)", "autoets (statsforecast)", "theta (statsforecast)", "prophet")


def tables(synthetic: ModuleType, cfg: Any) -> dict[str, Any]:
    found: dict[str, Any] = synthetic.shop(cfg, n_series=6, n_periods=120).tables
    return found


def request(trained: Any, data: Any) -> Any:
    from models.forecaster.predict import ForecastInput

    return ForecastInput(data.test.state, data.test.known_future, data.test.origin).only(trained.spec)


def outputs(reply: Any) -> dict[str, np.ndarray]:
    return {name: getattr(reply, name) for name in ("mean", "q10", "q50", "q90", "confidence")}


def hostile(sound: Any) -> Iterator[tuple[str, Any]]:
    first = next(iter(sorted(set(sound.state) - {"scale"})))
    n_series = sound.origin.shape[0]

    def state(**changes: Any) -> Any:
        return replace(sound, state={**sound.state, **changes})

    def future(**changes: Any) -> Any:
        return replace(sound, known_future={**sound.known_future, **changes})

    yield r"state\.scale: 6 of 6 are missing", state(scale=np.full(n_series, np.nan))
    yield r"state\.scale", state(scale=np.zeros(n_series))
    yield r"infinite", state(**{first: np.full(n_series, np.inf)})
    yield r"infinite", future(promo_depth=np.full((n_series, 7), -np.inf))
    yield r"shape \(5,\)", state(**{first: np.zeros(n_series - 1)})
    yield r"shape \(6,\)", future(promo_depth=np.zeros(n_series))
    yield r"shape \(6, 0\)", future(promo_depth=np.zeros((n_series, 0)))
    yield r"widths", future(promo_depth=np.zeros((n_series, 3)))
    yield r"unknown \['gossip'\]", state(gossip=np.zeros(n_series))
    yield r"missing \['promo_depth'\]", replace(sound, known_future={"is_holiday": sound.known_future["is_holiday"]})
    yield r"array of numbers", state(**{first: np.array(["a"] * n_series)})
    yield r"array of numbers", state(**{first: [1.0] * n_series})
    yield r"steps 4000000", replace(sound, steps=4_000_000)
    yield r"steps 0", replace(sound, steps=0)
    yield r"origin", replace(sound, origin=sound.origin[:0])
    yield r"origin", replace(sound, origin=np.array([np.datetime64("NaT")] * n_series, dtype="datetime64[D]"))
    yield r"origin", replace(sound, origin=np.arange(n_series))
