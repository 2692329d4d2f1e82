"""What `test_same_shape.py` needs to know of attention and dwell, see `forecaster_case.py`."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

CONFIG: dict[str, Any] = {"epochs": 2, "width": 6, "batch": 8}
BASELINE = "naive rule"
PEERS = ("XGBoost, numbers made by hand", "scikit-learn's booster, same numbers")
DAYS, VISITS, LANES, LEVELS, LANE_M = 6, 12, 4, 2, 0.3
FRONTS = ((2.0, 3.0, 0, -1), (5.0, 3.0, 0, -1))  # x, y and facing of two gondolas at one wall


def shop() -> dict[str, pa.Table]:
    """Two gondolas of two boards with four lanes each; lane 3 is the third from the left of the lower board."""
    lanes = [(g, level * LANES + k, level, k) for g in range(2) for level in range(LEVELS) for k in range(LANES)]
    left = [LANE_M * (k - LANES / 2) for _, _, _, k in lanes]
    x, y, facing_x, facing_y = zip(*FRONTS, strict=True)
    return {
        "gondolas": pa.table(
            {
                "gondola": [0, 1],
                "x": x,
                "y": y,
                "facing_x": facing_x,
                "facing_y": facing_y,
                "width_m": [LANES * LANE_M] * 2,
            }
        ),
        "lanes": pa.table(
            {
                "gondola": [g for g, _, _, _ in lanes],
                "lane": [lane for _, lane, _, _ in lanes],
                "level": [level for _, _, level, _ in lanes],
                "product_id": [f"P{8 * g + lane:04d}" for g, lane, _, _ in lanes],
                "left_m": left,
                "right_m": [each + LANE_M for each in left],
            }
        ),
    }


def made(*, seed: int = 0) -> dict[str, pa.Table]:
    """Shoppers who walk to one gondola, look at two of its lanes, take from the second and walk out."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[tuple[Any, ...]]] = {
        name: [] for name in ("visits", "tracks", "shelf_events", "mat_activity", "looks", "stops")
    }
    for number in range(DAYS * VISITS):
        day, visit = date(2024, 1, 1) + timedelta(days=number // VISITS), f"V{number:03d}"
        rows["visits"].append((visit, day, 1))
        gondola, now = int(rng.integers(2)), 36_000.0 + 100 * (number % VISITS)
        front, times, places = FRONTS[gondola], [now, now + 3], [(0.5, 0.2), (FRONTS[gondola][0], 2.4)]
        begun = now = now + 3
        for place, lane in enumerate(rng.choice(LANES * LEVELS, 2, replace=False).tolist()):
            level, k = divmod(lane, LANES)
            at = front[0] + LANE_M * (k - LANES / 2 + 0.5)
            now += 1.0
            long = float(np.exp(rng.normal(1.2, 0.4)))
            rows["looks"].append((visit, f"{visit}.0", gondola, lane, now, now + long))
            times += [now, now + long]
            places += [(at, 2.5)] * 2
            now += long
            if place:
                rows["shelf_events"].append((visit, f"{visit}.0", now + 1.0, gondola, lane, "take"))
                rows["mat_activity"].append((day, gondola, level, now + 0.8))
                now += 2.0
                times.append(now)
                places.append((at, 2.5))
        rows["stops"].append((visit, f"{visit}.0", gondola, begun, now))
        fixes = np.arange(times[0], now + 3, 0.2)
        x, y = (
            np.interp(fixes, [*times, now + 3], [*each, end])
            for each, end in zip(zip(*places, strict=True), (7, 0.2), strict=True)
        )
        x, y = x + rng.normal(0, 0.05, len(x)), y + rng.normal(0, 0.05, len(y))
        rows["tracks"] += [
            (visit, f"{visit}.0", *each) for each in zip(fixes.tolist(), x.tolist(), y.tolist(), strict=True)
        ]
    from models.behaviour.data import COLUMNS

    return shop() | {
        name: pa.table(dict(zip(COLUMNS[name], zip(*each, strict=True), strict=True))) for name, each in rows.items()
    }


def tables(synthetic: ModuleType, cfg: Any) -> dict[str, Any]:
    del synthetic, cfg
    return made()


def request(trained: Any, data: Any) -> Any:
    """One in mid-stop, and one who has just come in."""
    from models.behaviour.predict import BehaviourInput

    del trained, data
    at_s = np.concatenate([np.arange(0, 12, 0.2), [11.0, 11.5]])
    return BehaviourInput(
        party=[1, 2],
        path=np.repeat([0, 1], [60, 2]),
        at_s=at_s,
        x=np.where(at_s < 3, 0.5 + 0.5 * at_s, 2.2),
        y=np.where(at_s < 3, 0.2 + 0.7 * at_s, 2.4),
        event_path=[0],
        event_s=[9.5],
        event_gondola=[0],
        event_lane=[1],
        event_put=[False],
        mat_gondola=[0, 1],
        mat_level=[0, 1],
        mat_s=[9.4, 2.0],
    )


def outputs(reply: Any) -> dict[str, np.ndarray]:
    return {
        name: getattr(reply, name) for name in ("attention_s", "attention_sd_s", "dwell_s", "standing_at", "left_s")
    }


def hostile(sound: Any) -> Iterator[tuple[str, Any]]:
    yield r"party: 0 values: expected 1 to", replace(sound, party=[])
    yield r"party: 0: expected 1 to 100", replace(sound, party=[0, 1])
    yield r"path: 2: expected 0 to 1", replace(sound, path=sound.path + 1)
    yield r"path: 1: expected a fix of each", replace(sound, path=sound.path * 0)
    yield r"path: float64: expected whole", replace(sound, path=sound.path * 1.0)
    yield r"x: nan: expected a finite", replace(sound, x=sound.x * np.nan)
    yield r"x: shape \(3,\): expected 62 values", replace(sound, x=[1.0, 2.0, 3.0])
    yield r"y: 1e\+09: expected a finite", replace(sound, y=sound.y * 0 + 1e9)
    yield r"at_s: a path of \d+ s: expected", replace(sound, at_s=sound.at_s * 2_000)
    many = np.repeat(np.arange(100), 2)
    far = {name: np.zeros(200) for name in ("x", "y")}
    yield (
        r"at_s: 300000 s of all paths: expected <= 250000",
        replace(sound, party=[1] * 100, path=many, at_s=np.tile([0.0, 3_000.0], 100), **far),
    )
    yield r"at_s: expected plain values, found a masked", replace(sound, at_s=np.ma.masked_array(sound.at_s, True))
    yield r"event_gondola: 2: expected 0 to 1", replace(sound, event_gondola=[2])
    yield r"event_lane: 99: expected 0 to 7", replace(sound, event_lane=[99])
    yield r"event_s: shape \(0,\): expected 1 values", replace(sound, event_s=[])
    yield r"event_put: <U4: expected whole", replace(sound, event_put=["take"])
    yield r"mat_level: 2: expected 0 to 1", replace(sound, mat_level=[0, 2])
