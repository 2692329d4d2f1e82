"""Image sets made by hand, and boxes drawn at random, for the tests of exports and imports."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from data_checks.contracts import load_contract
from models.common.pictures import encode_picture
from sources.images.files import add_picture
from sources.images.image_set import TABLES, ImageSet, write_image_set
from sources.images.open import open_images
from sources.images.rows import ImageRows

WIDTH, HEIGHT = 64, 48
EDGES = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")


def typed(table: str, rows: list[dict[str, Any]]) -> pa.Table:
    schema = load_contract(table).arrow_schema()
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)


def image_set(folder: Path, splits: list[str | None], labels: list[dict[str, Any]]) -> ImageSet:
    """One picture a split, p0, p1, ..., of classes milk (of drinks), Brötchen and "a & b"."""
    found = ImageRows(folder / "from")
    for i in range(len(splits)):
        path = found.root / f"photos/p{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_picture(np.full((HEIGHT, WIDTH, 3), i, np.uint8)))
        add_picture(found, f"photos/p{i}.png")
    images = [
        {**row, "image_id": f"p{i}", "width_px": WIDTH, "height_px": HEIGHT, "split": splits[i]}
        for i, row in enumerate(found.images.to_arrow().to_pylist())
    ]
    classes = [
        {"label": name, "position": i, "parent": "drinks" if i == 0 else None}
        for i, name in enumerate(["milk", "Brötchen", "a & b"])
    ]
    rows = [{"label_id": f"L{i}", **label} for i, label in enumerate(labels)]
    tables = {name: typed(name, kept) for name, kept in zip(TABLES, (classes, images, rows), strict=True)}
    return write_image_set(folder / "set", found.root, tables)


def content(rows: ImageRows) -> list[tuple[Any, ...]]:
    """(digest of the picture, class, edges, confidence) of every label, in an order of their own."""
    digests = {row["image_id"]: row["sha256"] for row in rows.images.to_arrow().to_pylist()}
    return sorted(
        (
            digests[row["image_id"]],
            row["label"],
            *(None if row[edge] is None else round(float(row[edge]), 4) for edge in EDGES),
            row["confidence"] and round(float(row["confidence"]), 6),
        )
        for row in rows.labels.to_arrow().to_pylist()
    )


def stored(found: ImageSet) -> ImageRows:
    return open_images(f"image_set:{found.folder}")


# Eighths of a pixel, so that what rounding leaves of a tool's decimals is told from a wrong edge by any order of rows.
edges = st.tuples(st.integers(0, 384), st.integers(0, 384)).map(sorted).filter(lambda pair: pair[0] < pair[1])


@st.composite
def boxes(draw: st.DrawFn) -> dict[str, Any]:
    (left, right), (top, bottom) = draw(edges), draw(edges)
    return {
        "image_id": draw(st.sampled_from(["p0", "p1", "p2"])),
        "label": draw(st.sampled_from(["milk", "Brötchen", "a & b"])),
        "x_min_px": left / 8, "x_max_px": right / 8, "y_min_px": top / 8, "y_max_px": bottom / 8,
        "confidence": draw(st.none() | st.floats(0, 1).map(lambda value: round(value, 6))),
        "occluded_share": draw(st.none() | st.floats(0, 1)),
        "is_crowd": False,
    }  # fmt: skip
