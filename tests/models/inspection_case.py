"""What `test_same_shape.py` needs to know of visual inspection, see `forecaster_case.py`."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

CONFIG: dict[str, Any] = {
    "epochs": 2,
    "width": 4,
    "batch": 16,
    "resamplings": 5,
    "miss_level": 0.1,
    "reject_level": 0.1,
}
BASELINE = "sensor thresholds"
PEERS = ("logistic regression, readings and mean difference", "Gaussian anomaly model (PaDiM)")
SIDE, BATCH, NOMINAL = 32, 40, (500.0, 40.0, 4.0)


def png(pixels: np.ndarray) -> bytes:
    """A picture as a file without loss."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def made(count: int = 240, *, seed: int = 0) -> dict[str, pa.Table]:
    """Plain packages with a bright square, some with a dark spot, some too light; batches of BATCH, one a day."""
    rng = np.random.default_rng(seed)
    batches = -(-count // BATCH)
    approved = np.full((batches, SIDE, SIDE, 3), 40, np.uint8)
    for number in range(batches):
        approved[number, 6:26, 6:26] = rng.integers(120, 220, 3)
    kind = rng.choice(["none", "none", "spot", "underfill"], count)
    batch = np.arange(count) // BATCH
    pictures = np.clip(approved[batch] + rng.normal(0, 3, (count, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    for row in range(count):
        if kind[row] == "spot":
            down, across = rng.integers(8, 20, 2)
            pictures[row, down : down + 4, across : across + 4] = 20
        pictures[row] = np.roll(pictures[row], rng.integers(-2, 3, 2), axis=(0, 1))
    readings = np.array(NOMINAL) + rng.normal(size=(count, 3)) * (5.0, 1.0, 0.3)
    readings[kind == "underfill", 0] -= 50.0
    days = [date(2024, 1, 1) + timedelta(days=int(number)) for number in range(batches)]
    names = ("weight_g", "pressure_kpa", "temperature_c")
    ids = [f"B{number}" for number in range(batches)]
    return {
        "inspections": pa.table(
            {
                "package_id": [f"K{row:05d}" for row in range(count)],
                "batch_id": [ids[number] for number in batch],
                "packed_on": [days[number] for number in batch],
                "picture": [png(each) for each in pictures],
                **{name: readings[:, column] for column, name in enumerate(names)},
                "defect": kind.tolist(),
            }
        ),
        "approved_samples": pa.table(
            {
                "batch_id": ids,
                "picture": [png(each) for each in approved],
                **{name: [NOMINAL[column]] * batches for column, name in enumerate(names)},
            }
        ),
    }


def tables(synthetic: ModuleType, cfg: Any) -> dict[str, Any]:
    del synthetic, cfg
    return made()


def request(trained: Any, data: Any) -> Any:
    from models.inspection.predict import InspectionInput

    del trained
    last = slice(-12, None)
    readings = np.array(NOMINAL) + data.off[last] * (NOMINAL[0], 1.0, 1.0)
    nominal = np.tile(NOMINAL, (len(data.approved), 1))
    return InspectionInput(data.pictures[last], data.approved, data.batch[last], readings, nominal)


def outputs(reply: Any) -> dict[str, np.ndarray]:
    return {"probability": reply.probability, "kinds": reply.kinds, "score": reply.score}


def hostile(sound: Any) -> Iterator[tuple[str, Any]]:
    yield (
        r"pictures: expected an array of uint8, found ndarray of float64",
        replace(sound, pictures=sound.pictures / 255),
    )
    yield r"pictures: expected an array of uint8, found bytes", replace(sound, pictures=b"\xff\xd8")
    yield r"pictures: shape \(12, 16, 16, 3\)", replace(sound, pictures=sound.pictures[:, ::2, ::2])
    yield r"pictures: shape \(0, 32, 32, 3\)", replace(sound, pictures=sound.pictures[:0])
    yield r"pictures: shape \(12, 32, 32, 1\)", replace(sound, pictures=sound.pictures[..., :1])
    yield r"approved: shape \(32, 32, 3\)", replace(sound, approved=sound.approved[0])
    yield r"batch: 6: expected 0 to 5", replace(sound, batch=np.full(12, 6))
    yield r"batch: -1: expected", replace(sound, batch=np.full(12, -1))
    yield r"batch: expected 12 whole numbers", replace(sound, batch=np.zeros(12))
    yield r"batch: expected 12 whole numbers", replace(sound, batch=np.zeros(5, int))
    yield r"readings: shape \(12, 2\)", replace(sound, readings=np.ones((12, 2)))
    yield r"readings: nan: expected finite", replace(sound, readings=np.full((12, 3), np.nan))
    yield r"readings: expected 12 rows", replace(sound, readings=[["heavy"] * 3] * 12)
    yield r"readings: expected .* masked", replace(sound, readings=np.ma.masked_array(np.ones((12, 3)), True))
    yield r"nominal: shape \(1, 3\)", replace(sound, nominal=[NOMINAL])
    yield r"nominal: weight_g 0: expected above 0", replace(sound, nominal=np.zeros((6, 3)))
