"""A predictor at work on labelled pictures: what it finds, which label each found box is, and what crops look like to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.common.protocols import ProgressCallback, silent
from models.detector.boxes import Detections, Tensor
from models.detector.data import Dataset, Labels
from models.detector.matching import Matched, match
from models.detector.predict import Predictor

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Look:
    """One picture: number `row` of the dataset, what is `labelled`, what was `found` and which label it is, and unit embeddings
    (n, D) of the found boxes."""

    row: int
    labelled: Labels
    found: Detections
    matched: Matched
    embeddings: Tensor

    @property
    def hits(self) -> Ints:
        """Numbers (k,) of the found boxes that are labelled items."""
        return np.flatnonzero(self.matched.label >= 0)

    @property
    def product(self) -> Ints:
        """The right product (k,) of each hit."""
        return np.asarray(self.labelled.product[self.matched.label[self.hits]])


def look_at(
    model: Predictor, data: Dataset, rows: Ints, *, iou: float, on_progress: ProgressCallback = silent
) -> tuple[Look, ...]:
    """Look at pictures of a dataset one after the other."""
    looks = []
    for number, row in enumerate(rows.tolist()):
        pixels, labelled = data.pixels(row), data.labelled[row]
        found = model.detector.detect(pixels)
        matched = match(found, labelled.boxes, labelled.crowd, iou)
        looks.append(Look(row, labelled, found, matched, model.embed(pixels, found.boxes)))
        on_progress("pictures", (number + 1) / len(rows))
    return tuple(looks)


def columns(model: Predictor, products: Sequence[str]) -> Ints:
    """Number (P,) in the gallery of each product of a dataset, -1 for one without a vector."""
    known = {product: number for number, product in enumerate(model.gallery.products)}
    return np.array([known.get(product, -1) for product in products], dtype=np.int64)
