"""What `test_same_shape.py` needs to know of the choice of what to label next, see `experiments_case.py`."""

from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

CONFIG: dict[str, Any] = {"count": 12}
OPTIONAL = ("predictions",)
BASELINE = "random"
EDGES = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")


def tables(synthetic: ModuleType, cfg: Any) -> dict[str, Any]:
    """60 pictures in three heaps, ten of them labelled, with probabilities of three classes."""
    del synthetic, cfg
    draw = np.random.default_rng(3)
    heap = np.arange(60) % 3
    embeddings = np.eye(3)[heap] * 5 + draw.normal(size=(60, 3))
    chances = draw.dirichlet([0.7] * 3, 60)
    ids = [f"p{i:02}" for i in range(60)]
    return {
        "pictures": pictures(ids, embeddings, np.arange(60) < 10),
        "predictions": whole(ids, chances),
    }


def pictures(ids: list[str], embeddings: np.ndarray, labelled: Any) -> pa.Table:
    listed = pa.array([row.tolist() for row in np.asarray(embeddings, float)], pa.list_(pa.float64()))
    return pa.table({"image_id": ids, "embedding": listed, "is_labelled": pa.array(np.asarray(labelled, bool))})


def whole(ids: list[str], chances: np.ndarray) -> pa.Table:
    """A row for each picture and class A, B, ... with its probability."""
    rows = [(name, "ABCDEFG"[k], float(c)) for name, row in zip(ids, chances, strict=True) for k, c in enumerate(row)]
    names, labels, confidence = zip(*rows, strict=True)
    nothing = pa.nulls(len(rows), pa.float64())
    return pa.table({"image_id": names, "label": labels, "confidence": confidence, **dict.fromkeys(EDGES, nothing)})


def boxes(rows: list[tuple[str, float]]) -> pa.Table:
    """A row for each (picture, confidence), each a box of milk."""
    edges = {edge: [10.0 * number + 1.0] * len(rows) for number, edge in enumerate(EDGES)}
    return pa.table(
        {"image_id": [r[0] for r in rows], "label": ["milk"] * len(rows), "confidence": [r[1] for r in rows], **edges}
    )
