"""Deliveries of pictures, and what waits for a steward afterwards."""

from pathlib import Path

import numpy as np

from data_checks.quarantine import Quarantine
from models.common.pictures import encode_picture
from orchestration.image_sets import ImageSets

PICTURES = 60


def delivery(root: Path, *, broken_boxes: int = 0, broken_pictures: int = 0) -> str:
    """A YOLO folder of 60 pictures with two boxes each, some of the first boxes absurd, some of the last pictures cut off."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "data.yaml").write_text("train: images\nnames: [milk, bread]\n")
    for i in range(PICTURES):
        data = encode_picture(np.full((20, 40, 3), i, np.uint8))
        (root / f"images/{i:02}.png").write_bytes(data[:50] if i >= PICTURES - broken_pictures else data)
        first = "0 1.5 0.5 0.2 0.2" if i < broken_boxes else "0 0.5 0.5 0.2 0.2"
        (root / f"labels/{i:02}.txt").write_text(f"{first}\n1 0.25 0.25 0.1 0.1\n")
    return f"yolo:{root}"


def held(sets: ImageSets, table: str) -> dict[str, list[str]]:
    rows = Quarantine(sets.folder("shelves")).rows(table, status="open").to_pylist()
    return {row.get("label_id") or row["image_id"]: row["rules"] for row in rows}
