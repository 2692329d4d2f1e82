"""What naming by an embedding must beat: nearest neighbours on colours and on shrunken pixels, over the same gallery pictures.

Colour histograms: Swain and Ballard (1991, "Color indexing"), brightness and tint of each crop divided out; shrunken pixels: the
"tiny images" of Torralba, Fergus and Freeman (2008).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from models.common.pictures import Pixels
from models.detector.boxes import Floats, Tensor, crop
from models.detector.data import Dataset
from models.detector.gallery import shop_crops
from models.detector.looking import Look
from models.detector.photos import item_of
from models.detector.predict import Predictor

HISTOGRAM, TINY = "colour histogram", "shrunken pixels"
SIDE = 64  # pixels of the squares that are compared
_BINS, _GREY, _TINY = 8, 110.0, 16

Ints = npt.NDArray[np.int64]


def histogram(square: Pixels) -> Tensor:
    """Shares (512,) of the pixels (S, S, 3) by colour, square-rooted: the product of two is their Bhattacharyya coefficient."""
    import cv2

    mean = np.maximum(square.reshape(-1, 3).mean(axis=0), 1.0)
    even = np.clip(square / mean * _GREY, 0, 255).astype(np.uint8)
    counts = cv2.calcHist([even], [0, 1, 2], None, [_BINS] * 3, [0, 256] * 3).ravel()
    return np.asarray(np.sqrt(counts / counts.sum()), dtype=np.float32)


def tiny(square: Pixels) -> Tensor:
    """The square (S, S, 3) shrunk to 16 x 16, mean taken off, of length 1 (768,)."""
    import cv2

    small = cv2.resize(square, (_TINY, _TINY), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    return np.asarray(small / max(float(np.linalg.norm(small)), 1e-6), dtype=np.float32)


LOOKS: Mapping[str, Callable[[Pixels], Tensor]] = {HISTOGRAM: histogram, TINY: tiny}


def peer_names(model: Predictor, data: Dataset, looks: Sequence[Look]) -> dict[str, Ints]:
    """Products (K,) of all hits of the looks in their order, by each peer, from the photos and labelled crops that the gallery
    was made of."""
    known: list[tuple[Pixels, int]] = []
    for row in data.photos():
        pixels = data.pixels(int(row))
        known.append((_square(pixels, item_of(model.detector, pixels).box), int(data.photo_of[row])))
    for number, boxes in shop_crops(data, data.config.shop_vectors):
        pixels, labelled = data.pixels(number), data.labelled[number]
        known += [(_square(pixels, labelled.boxes[box]), int(labelled.product[box])) for box in boxes]
    products = np.array([product for _, product in known], dtype=np.int64)
    asked = [_square(data.pixels(look.row), box) for look in looks for box in look.found.boxes[look.hits]]
    named = {}
    for name, describe in LOOKS.items():
        gallery = np.array([describe(square) for square, _ in known])
        likeness = np.array([describe(square) for square in asked]).reshape(len(asked), gallery.shape[1]) @ gallery.T
        named[name] = products[likeness.argmax(axis=1)]
    return named


def _square(pixels: Pixels, box: Floats) -> Pixels:
    return crop(pixels, box, SIDE)
