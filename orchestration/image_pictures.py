"""Sheets of pictures for a person to look at: of an image set with their labels, of a packing line; and how the UI gets them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from models.common.pictures import Pixels
    from sources.images.image_set import ImageSet

SHOWN, A_ROW = 8, 4
_INCHES, _LONGEST = 2.4, 14  # of a picture; letters of a label that fit above it


def contact_sheet(image_set: "ImageSet", count: int = SHOWN) -> bytes:
    """PNG of at most `count` pictures, evenly spaced through the set; boxes and classes drawn, crowds dashed."""
    from matplotlib.patches import Rectangle

    from models.common.figures import INK, OTHER, png

    ids = image_set.images["image_id"].to_pylist()
    chosen = spaced(ids, count)
    labels = image_set.only(chosen).labels_by_image()
    drawn, axes = _grid(len(chosen))
    for axis, name in zip(axes, chosen, strict=False):
        axis.imshow(image_set.pixels(name))
        whole = []
        for row in labels[name]:
            if row["x_min_px"] is None:
                whole.append(row["label"])
                continue
            left, top = row["x_min_px"], row["y_min_px"]
            style = {"linestyle": "--" if row["is_crowd"] else "-", "edgecolor": OTHER, "linewidth": 1.2, "fill": False}
            axis.add_patch(Rectangle((left, top), row["x_max_px"] - left, row["y_max_px"] - top, **style))
            axis.text(left, top, _short(row["label"]), color="white", fontsize=6, va="bottom", clip_on=True,
                      bbox={"facecolor": OTHER, "edgecolor": "none", "pad": 0.6})  # fmt: skip
        said = ", ".join(map(_short, whole)) or f"{len(labels[name])} boxes"
        axis.set_title(f"{_tail(name)}\n{said}", fontsize=6, color=INK)
    return png(drawn)


def plain_sheet(pictures: "Sequence[Pixels]", titles: Sequence[str]) -> bytes:
    """PNG of pictures, each with its title."""
    from models.common.figures import INK, png

    drawn, axes = _grid(len(pictures))
    for axis, picture, title in zip(axes, pictures, titles, strict=False):
        axis.imshow(picture)
        axis.set_title(title, fontsize=6, color=INK)
    return png(drawn)


def spaced(ids: Sequence[str], count: int = SHOWN) -> list[str]:
    """At most `count` of some ids, evenly spaced through them."""
    return [ids[place] for place in np.unique(np.linspace(0, len(ids) - 1, min(count, len(ids))).round().astype(int))]


def markdown(text: str, *pictures: bytes) -> Any:
    """Text and PNG files as metadata that the UI renders."""
    import base64

    import dagster as dg

    shown = [f"![picture](data:image/png;base64,{base64.b64encode(png).decode()})" for png in pictures]
    return dg.MetadataValue.md("\n\n".join([text, *shown] if text else shown))


def _grid(count: int) -> tuple[Any, Any]:
    """A figure with axes for so many pictures."""
    from models.common.figures import figure

    rows = -(-count // A_ROW)
    drawn = figure(_INCHES * A_ROW, (_INCHES + 0.3) * rows)
    axes = drawn.subplots(rows, A_ROW, squeeze=False).ravel()
    for axis in axes:
        axis.axis("off")
    return drawn, axes


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"


def _tail(name: str) -> str:
    """The end of a picture's path, which tells it from its neighbours."""
    return name if len(name) <= 2 * _LONGEST else f"…{name[1 - 2 * _LONGEST :]}"
