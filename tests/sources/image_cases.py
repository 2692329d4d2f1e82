"""Small deliveries of pictures, made by hand, for the tests of this room."""

import json
from pathlib import Path

import numpy as np

from models.common.pictures import encode_picture


def draw(path: Path, width: int = 40, height: int = 20, level: int = 0) -> Path:
    """A picture of one grey level, in the format that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {".png": "PNG", ".webp": "WEBP"}.get(path.suffix, "JPEG")
    path.write_bytes(encode_picture(np.full((height, width, 3), level, np.uint8), kind))  # type: ignore[arg-type]
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def yolo_folder(root: Path) -> Path:
    """Two train pictures and one val picture of 40 x 20 pixels, classes milk and bread."""
    write(
        root / "data.yaml", "path: /somewhere/else\ntrain: images/train\nval: images/val\nnames: {0: milk, 1: bread}\n"
    )
    draw(root / "images/train/a.png", level=1)
    draw(root / "images/train/empty.png", level=2)
    draw(root / "images/val/c.jpg", level=3)
    write(root / "labels/train/a.txt", "0 0.5 0.5 0.25 0.5\n1 0.1 0.2 0.5 0.2 0.5 0.8\n1 0.5 0.5 0.1 0.1 0.75\n")
    write(root / "labels/val/c.txt", "1 0.25 0.5 0.5 1.0\n")
    return root


def coco_folder(root: Path, **changes: object) -> Path:
    """One file, instances_val2017.json, over two pictures; categories 7 (milk, of drinks) and 3 (bread)."""
    draw(root / "val2017/a.jpg", level=1)
    draw(root / "val2017/b.jpg", level=2)
    document = {
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 40, "height": 20, "date_captured": "2026-03-01 10:00:00"},
            {"id": 2, "file_name": "b.jpg", "width": 40, "height": 20},
        ],
        "annotations": [
            {"id": 11, "image_id": 1, "category_id": 7, "bbox": [4, 2, 10, 5], "iscrowd": 0},
            {"id": 12, "image_id": 1, "category_id": 3, "bbox": [0, 0, 40, 20], "iscrowd": 1},
            {"id": 13, "image_id": 2, "category_id": 3, "segmentation": [[1, 2, 9, 2, 5, 8.5]]},
        ],
        "categories": [{"id": 7, "name": "milk", "supercategory": "drinks"}, {"id": 3, "name": "bread"}],
        **changes,
    }
    write(root / "annotations/instances_val2017.json", json.dumps(document))
    return root
