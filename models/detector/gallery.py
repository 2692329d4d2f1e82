"""What goes into a gallery: photos that show one product alone, and labelled crops of it from where it stands."""

import numpy as np
import numpy.typing as npt

from models.detector.boxes import Tensor
from models.detector.data import TRAIN, Dataset
from models.detector.photos import item_of, views_of
from models.detector.predict import Predictor

Ints = npt.NDArray[np.int64]


def photo_vectors(predictor: Predictor, photos: Ints, data: Dataset) -> Tensor:
    """Unit embeddings (N * VIEWS, D) of the items in pictures of a dataset that show one product alone, photo by photo."""
    found = [np.zeros((0, predictor.gallery.width), np.float32)]
    for row in photos:
        pixels = data.pixels(int(row))
        found.append(views_of(predictor, pixels, item_of(predictor.detector, pixels).box))
    return np.concatenate(found)


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
