"""The base checkpoint at work on the twin's pictures, as the rows of product recognition judge it: boxes found, and what they show."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.common.pictures import Pixels
    from models.detector.boxes import Detections
    from models.detector.networks import YoloDetector
    from orchestration.package_crops import Crops
    from sources.twin.cameras.truth import Boxes, Scene

LEAST_SEEN = 0.25  # share of a package below which its box is a crowd: neither asked nor wrong
MATCH_IOU = 0.5


def base_finder(*, least_score: float | None = None) -> "YoloDetector":
    """The base checkpoint's graph in this process, asked as the room asks it; `least_score`: another bound on scores."""
    from models.common.sessions import open_session
    from models.detector.finder import finder_onnx
    from models.detector.finder_weights import read_finder
    from models.detector.networks import DetectorConfig, YoloDetector
    from models.detector.parts import BASE

    config = DetectorConfig() if least_score is None else DetectorConfig(least_score=least_score)
    return YoloDetector(open_session(finder_onnx(read_finder(BASE / "finder.safetensors"), config.side)), config)


def pictures(scenes: Iterable["Scene"]) -> Iterator[tuple["Pixels", "Boxes"]]:
    """Every picture of some scenes with its true boxes."""
    for scene in scenes:
        for number, picture in enumerate(scene.seen.pictures):
            yield picture.pixels, scene.truth.boxes.of(number)


def found_crops(finder: "YoloDetector", scenes: Iterable["Scene"], *, kind: int, side: int) -> "Crops":
    """What the found boxes of some scenes show that are a labelled package, each with the product that it is."""
    from models.detector.matching import match
    from models.detector.networks import NamerConfig
    from models.detector.views import view
    from orchestration.package_crops import Crops

    margin = NamerConfig().margin
    squares: list[Pixels] = []
    product: list[int] = []
    share: list[float] = []
    for pixels, boxes in pictures(scenes):
        found = finder.detect(pixels)
        label = match(found, boxes.visible, boxes.share < LEAST_SEEN, MATCH_IOU).label
        squares += [view(pixels, box, side, margin=margin) for box in found.boxes[label >= 0]]
        product += boxes.product[label[label >= 0]].tolist()
        share += boxes.share[label[label >= 0]].tolist()
    return Crops(np.stack(squares), np.array(product), np.array(share), np.full(len(squares), kind))


def precision(found: Sequence["Detections"], boxes: Sequence["Boxes"]) -> tuple[float, float, float]:
    """mAP50, mAP50-95 and the recall at an overlap of one half."""
    from models.detector.matching import precision_curves

    crowds = [each.share < LEAST_SEEN for each in boxes]
    curves = precision_curves(found, [each.visible for each in boxes], crowds)
    return curves[0.5].area, float(np.mean([curve.area for curve in curves.values()])), curves[0.5].recall
