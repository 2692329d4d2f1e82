"""What `test_same_shape.py` needs to know of the report on label quality, see `experiments_case.py`.

`photos` and `shelves` serve the tests of the room as well: sets whose wrong labels are known.
"""

from collections.abc import Iterable
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

CONFIG: dict[str, Any] = {}
OPTIONAL = ()
BASELINE = "every disagreement"
CLASSES = ("apple", "pear", "plum", "fig")
EDGES = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")


def tables(synthetic: ModuleType, cfg: Any) -> dict[str, Any]:
    """Whole pictures and boxes in one set."""
    del synthetic, cfg
    whole, boxed = photos(200)[0], shelves()
    return {
        name: whole[name] if name == "label_classes" else pa.concat_tables([whole[name], boxed[name]]) for name in whole
    }


def rows(name: str, found: list[dict[str, Any]]) -> pa.Table:
    texts = {"image_labels": ("label_id", "image_id", "label"), "predictions": ("image_id", "label")}[name]
    numbers = (*EDGES, "confidence") if name == "predictions" else EDGES
    columns = {column: pa.array([row[column] for row in found], pa.string()) for column in texts}
    columns |= {column: pa.array([row.get(column) for row in found], pa.float64()) for column in numbers}
    if name == "image_labels":
        columns["is_crowd"] = pa.array([row.get("is_crowd") for row in found], pa.bool_())
    return pa.table(columns)


def classes() -> pa.Table:
    return pa.table({"label": list(CLASSES), "position": list(range(len(CLASSES)))})


def images(ids: Iterable[str]) -> pa.Table:
    return pa.table({"image_id": pa.array(ids, pa.string())})


def photos(count: int, *, wrong: float = 0.06, doubt: float = 0.15, seed: int = 1) -> tuple[dict[str, Any], set[str]]:
    """Pictures of four classes, a share of them labelled as the next class; a model of 1 - `doubt` accuracy that was not
    told so is unsure where it errs. Returns the tables and the ids of the wrong labels."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, len(CLASSES), count)
    is_wrong = draw.random(count) < wrong
    given = np.where(is_wrong, (truth + 1) % len(CLASSES), truth)
    errs = draw.random(count) < doubt
    labels, predictions = [], []
    for i in range(count):
        top = (truth[i] + 2) % len(CLASSES) if errs[i] else truth[i]
        chance = np.full(len(CLASSES), 0.02)
        chance[top] += 0.3 if errs[i] else 0.7
        chance[truth[i]] += 0.25 if errs[i] else 0.0
        chance += draw.random(len(CLASSES)) * 0.1
        labels.append({"label_id": f"w{i:04}", "image_id": f"photo{i:04}", "label": CLASSES[given[i]]})
        predictions += [
            {"image_id": f"photo{i:04}", "label": name, "confidence": float(share)}
            for name, share in zip(CLASSES, chance / chance.sum(), strict=True)
        ]
    found = {"label_classes": classes(), "images": images(f"photo{i:04}" for i in range(count))}
    found |= {"image_labels": rows("image_labels", labels), "predictions": rows("predictions", predictions)}
    return found, {f"w{i:04}" for i in np.flatnonzero(is_wrong)}


def box(x: float, y: float, size: float = 40.0) -> dict[str, float]:
    return dict(zip(EDGES, (x, y, x + size, y + size), strict=True))


def shelves() -> dict[str, Any]:
    """Twenty pictures of three items each, found by a sure model. Shelf 0: the first is called by another's name. Shelf 1:
    the first is drawn half beside its item. Shelf 2: nobody drew the first. Shelf 3: the model is unsure and of another mind.
    Shelf 4: the first is drawn as a crowd that reaches over the others and over a fig that nobody drew, not over the first."""
    labels, predictions = [], []
    for shelf in range(20):
        for item in range(3):
            place, image_id = box(10 + 100 * item, 20), f"shelf{shelf:02}"
            name = CLASSES[item]
            label = {"label_id": f"{image_id}/{item}", "image_id": image_id, "label": name, **place}
            guess = {"image_id": image_id, "label": name, "confidence": 0.97, **box(12 + 100 * item, 21)}
            if (shelf, item) == (0, 0):
                label["label"] = "fig"
            if (shelf, item) == (1, 0):
                label |= box(10 + 26, 20)
            if (shelf, item) == (3, 0):
                guess |= {"label": "fig", "confidence": 0.6}
            if (shelf, item) == (4, 0):
                label |= {"is_crowd": True, **box(40, 30, 200)}
            predictions.append(guess)
            if (shelf, item) != (2, 0):
                labels.append(label)
    crowded = {"image_id": "shelf04", "label": "fig", "confidence": 0.97, **box(142, 121)}
    found = {"label_classes": classes(), "images": images(f"shelf{shelf:02}" for shelf in range(20))}
    found |= {"image_labels": rows("image_labels", labels)}
    return found | {"predictions": rows("predictions", [*predictions, crowded])}
