"""Architecture: two stages, so that a new product needs no retraining. A class-agnostic finder, then names by nearest neighbours.

    picture (H, W, 3) -> square (1, 3, S, S) -> finder -> (1, 5, N) -> boxes (n, 4), scores (n,)
    boxes -> crops (n, 3, s, s) -> embedder -> (n, D) -> cosines to the gallery (n, P) -> product or unknown, confidence

The finder is a YOLO of one class (Redmon et al. 2016; Ultralytics' YOLO11n), the embedder a ResNet50 (He et al. 2016) fitted as a
metric, the names prototypes of a gallery (Snell et al. 2017). Their graphs and the gallery live in `networks`.
"""

from dataclasses import dataclass

from models.common.pictures import Pixels
from models.detector.networks import Detector, Namer


@dataclass(frozen=True)
class Item:
    """Something found: `box` is left, top, right, bottom in pixels; `score` in [0, 1] that it is an item; `product` None where
    unknown; `confidence` in [0, 1] that the name is right; `thing` is alike where several cameras see one thing, None where it
    is not known where they stand."""

    box: tuple[float, float, float, float]
    score: float
    product: str | None
    confidence: float
    thing: int | None = None


@dataclass(frozen=True)
class Recogniser:
    """A finder and a namer, one after the other."""

    detector: Detector
    namer: Namer

    def items(self, image: Pixels) -> tuple[Item, ...]:
        """Items of a picture (H, W, 3), best-scored first."""
        found = self.detector.detect(image)
        names = self.namer.name(image, found.boxes)
        return tuple(
            Item((box[0], box[1], box[2], box[3]), score, each.product, each.confidence)
            for box, score, each in zip(found.boxes.tolist(), found.scores.tolist(), names, strict=True)
        )
