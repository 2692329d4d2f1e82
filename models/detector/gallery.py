"""What goes into a gallery: photos that show one product alone, and labelled crops of it from where it stands."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.common.pictures import Pixels
from models.detector.boxes import Floats, Tensor
from models.detector.data import TRAIN, Dataset
from models.detector.networks import Detector
from models.detector.predict import Predictor

LEAST_SCORE = 0.25  # of the item in a photo: below it the whole photo is taken
LEAST_SHARE = 0.02  # of the photo's area: a smaller box is no item that somebody photographed

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Shown:
    """Where the item of a photo is: `box` (4,), the whole photo where nothing was `found`."""

    box: Floats
    found: bool


def item_of(detector: Detector, photo: Pixels) -> Shown:
    """The largest item that is found in a photo (H, W, 3) of one product."""
    height, width = photo.shape[:2]
    seen = detector.detect(photo)
    sides = seen.boxes[:, 2:] - seen.boxes[:, :2]
    areas = np.where(seen.scores >= LEAST_SCORE, sides[:, 0] * sides[:, 1], 0.0)
    if not areas.size or areas.max() < LEAST_SHARE * height * width:
        return Shown(np.array([0.0, 0.0, width, height]), False)
    return Shown(seen.boxes[int(areas.argmax())], True)


def photo_vectors(predictor: Predictor, photos: Ints, data: Dataset) -> Tensor:
    """Unit embeddings (N, D) of the items in pictures of a dataset that show one product alone."""
    found = []
    for row in photos:
        pixels = data.pixels(int(row))
        found.append(predictor.embed(pixels, item_of(predictor.detector, pixels).box[None])[0])
    return np.array(found, np.float32).reshape(len(photos), predictor.gallery.width)


def shop_crops(data: Dataset, most: int) -> list[tuple[int, Ints]]:
    """Labelled boxes of the training pictures for the gallery, at most so many of a product, evenly over the pictures: number of a
    picture, numbers of its boxes."""
    rows = data.scenes(TRAIN)
    picture = np.repeat(rows, [len(data.labelled[row].boxes) for row in rows])
    box = np.concatenate([np.arange(len(data.labelled[row].boxes)) for row in rows])
    product = np.concatenate([data.labelled[row].product for row in rows])
    crowd = np.concatenate([data.labelled[row].crowd for row in rows])
    kept = np.zeros(len(picture), dtype=np.bool_)
    for each in np.unique(product[~crowd]):
        here = np.flatnonzero((product == each) & ~crowd)
        kept[here[np.unique(np.linspace(0, len(here) - 1, min(most, len(here))).astype(int))]] = most > 0
    return [(int(row), box[kept & (picture == row)]) for row in rows if (kept & (picture == row)).any()]
