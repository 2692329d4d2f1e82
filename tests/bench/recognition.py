"""The base checkpoint at work on the twin's pictures, as the rows of product recognition judge it: boxes found, and what they show."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.common.pictures import Pixels
    from models.detector.boxes import Detections
    from models.detector.networks import YoloDetector
    from models.detector.observed import Camera
    from orchestration.package_crops import Crops
    from sources.twin.cameras.truth import Boxes, Scene

LEAST_SEEN = 0.25  # share of a package below which its box is a crowd: neither asked nor wrong
MATCH_IOU = 0.5


def base_finder(*, least_score: float | None = None) -> "YoloDetector":
    """The base checkpoint's graph in this process, asked as the room asks it; `least_score`: another bound on scores."""
    from orchestration.base_networks import base_graphs

    return finder_of(base_graphs()[0], least_score=least_score)


def finder_of(graph: bytes, *, least_score: float | None = None) -> "YoloDetector":
    """A graph asked as the room asks it, as `base_finder`."""
    from models.common.sessions import open_session
    from models.detector.networks import DetectorConfig, YoloDetector

    config = DetectorConfig() if least_score is None else DetectorConfig(least_score=least_score)
    return YoloDetector(open_session(graph), config)


def pictures(scenes: Iterable["Scene"]) -> Iterator[tuple["Pixels", "Boxes"]]:
    """Every picture of some scenes with its true boxes."""
    for scene in scenes:
        for number, picture in enumerate(scene.seen.pictures):
            yield picture.pixels, scene.truth.boxes.of(number)


@dataclass(frozen=True, eq=False)
class Found:
    """All boxes found in the pictures of some scenes: `crops` of them (product -1 where a box is no labelled package), `boxes` (N, 4)
    and the `picture` (N,) of each; of each picture its `cameras` (F,) and its `scene` (F,); `items` were to be found."""

    crops: "Crops"
    boxes: np.ndarray
    picture: np.ndarray
    cameras: "Sequence[Camera]"
    scene: np.ndarray
    items: int

    @property
    def labelled(self) -> np.ndarray:
        """Rows (M,) that show a labelled package."""
        return np.flatnonzero(self.crops.product >= 0)


def found_boxes(finder: "YoloDetector", scenes: "Iterable[tuple[int, Scene]]", side: int) -> Found:
    """What a finder finds in scenes, each with its kind, and which labelled package each box shows."""
    from models.detector.matching import match
    from models.detector.networks import NamerConfig
    from models.detector.views import view
    from orchestration.package_crops import Crops

    margin, items = NamerConfig().margin, 0
    squares: list[Pixels] = []
    product, share, kinds, boxes, picture, cameras, of = [], [], [], [], [], [], []
    for number, (kind, scene) in enumerate(scenes):
        cameras += list(scene.seen.cameras)
        for pixels, true in pictures([scene]):
            seen = finder.detect(pixels)
            found = seen.boxes
            items += int((true.share >= LEAST_SEEN).sum())
            label = match(seen, true.visible, true.share < LEAST_SEEN, MATCH_IOU).label
            squares += [view(pixels, box, side, margin=margin) for box in found]
            product += [int(true.product[k]) if k >= 0 else -1 for k in label.tolist()]
            share += [float(true.share[k]) if k >= 0 else 0.0 for k in label.tolist()]
            kinds += [kind] * len(found)
            picture += [len(of)] * len(found)
            boxes.append(found)
            of.append(number)
    crops = Crops(np.stack(squares), np.array(product), np.array(share), np.array(kinds))
    return Found(crops, np.concatenate(boxes), np.array(picture), cameras, np.array(of), items)


def precision(found: Sequence["Detections"], boxes: Sequence["Boxes"]) -> tuple[float, float, float]:
    """mAP50, mAP50-95 and the recall at an overlap of one half."""
    from models.detector.matching import precision_curves

    crowds = [each.share < LEAST_SEEN for each in boxes]
    curves = precision_curves(found, [each.visible for each in boxes], crowds)
    return curves[0.5].area, float(np.mean([curve.area for curve in curves.values()])), curves[0.5].recall
