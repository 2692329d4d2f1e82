"""Pictures of bright rectangles, which a network from scratch learns to find in a few steps."""

from typing import Any

import numpy as np

from models.detector.boxes import overlaps
from models.detector.finder_config import FinderConfig
from models.detector.finder_data import Labelled
from models.detector.finder_ultralytics import new_network
from models.detector.finder_weights import FinderWeights
from models.detector.networks import DetectorConfig, YoloDetector

SIDE = 96
TOY = FinderConfig(
    side=SIDE, crop=SIDE, epochs=3, squares=128, batch=8, learning_rate=4e-3, warmup_epochs=0.3, resized_share=0, beyond=0,
    precision="float32",
)  # fmt: skip


def toy(count: int, seed: int) -> Labelled:
    """Pictures (96, 96, 3) of one to three bright rectangles on a dark, noisy ground."""
    rng = np.random.default_rng(seed)
    pictures, boxes = [], []
    for _ in range(count):
        image = rng.integers(20, 60, (SIDE, SIDE, 3))
        found = []
        for column in rng.permutation(3)[: rng.integers(1, 4)]:
            width, height = rng.integers(14, 28, 2)
            left, top = 32 * column + rng.integers(0, 32 - width), rng.integers(0, SIDE - height)
            image[top : top + height, left : left + width] = rng.integers(150, 255, 3)
            found.append((left, top, left + width, top + height))
        pictures.append(image.astype(np.uint8))
        boxes.append(np.array(found, dtype=np.float64))
    return Labelled(pictures, boxes)


class TorchSession:
    """Answers as a graph of the weights would, without the seconds that writing one takes."""

    def __init__(self, weights: FinderWeights) -> None:
        self._network = new_network(weights.architecture)
        weights.fill(self._network)
        self._network.eval()

    def get_inputs(self) -> Any:
        """One, named as in the graph."""
        return [type("Input", (), {"name": "images"})]

    def run(self, output_names: Any, input_feed: dict[str, Any], /) -> Any:
        """Boxes and scores (1, 5, N)."""
        import torch

        del output_names
        with torch.no_grad():
            return [self._network(torch.from_numpy(input_feed["images"]))[0].numpy()]


def recall(weights: FinderWeights, labelled: Labelled) -> float:
    """Share of boxes which one of the ten surest of a picture overlaps by half."""
    detector = YoloDetector(TorchSession(weights), DetectorConfig(side=SIDE, least_score=0.0, limit=10))
    hits = [
        overlaps(boxes, detector.detect(picture).boxes).max(axis=1) >= 0.5
        for picture, boxes in zip(labelled.pictures, labelled.boxes, strict=True)
    ]
    return float(np.concatenate(hits).mean())
