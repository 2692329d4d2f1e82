"""The item of a photo that somebody took to show one product, and what an embedder makes of it."""

from dataclasses import dataclass

import numpy as np

from models.common.pictures import Pixels
from models.detector.boxes import Floats, Tensor
from models.detector.networks import Detector
from models.detector.predict import Predictor
from models.detector.views import SHOP_SIDES_PX, shrunk

VIEWS = len(SHOP_SIDES_PX)  # vectors of a photo: as large as shop pictures show it
LEAST_SCORE = 0.25  # of the item in a photo: below it the whole photo is taken
LEAST_SHARE = 0.02  # of the photo's area: a smaller box is no item that somebody photographed


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


def views_of(model: Predictor, photo: Pixels, box: Floats) -> Tensor:
    """Unit embeddings (VIEWS, D) of the item in a photo (H, W, 3), near and far: a photo has more detail than any shop picture."""
    views = [shrunk(photo, box, side) for side in SHOP_SIDES_PX]
    return np.concatenate([model.embed(image, at[None]) for image, at in views])
