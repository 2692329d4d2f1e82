"""Networks that see coloured squares, for tests of what is around networks. Not a test."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from models.detector.networks import DetectorConfig, Gallery, GalleryNamer, NamerConfig, YoloDetector

# Each product is a colour; a crop of nothing but it has the colour as its embedding.
PRODUCTS = {"milk": (250, 20, 20), "tea": (20, 250, 20), "rice": (20, 20, 250), "salt": (240, 240, 10)}
SIDE = 64


class Session:
    """Like ONNX Runtime's: `answer(tensor)` is the one output."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.calls = answer, 0

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="images")]

    def run(self, outputs: Any, feed: dict[str, np.ndarray], /) -> list[np.ndarray]:
        self.calls += 1
        return [self.answer(feed["images"])]


def squares(tensor: np.ndarray) -> np.ndarray:
    """(1, 5, P): the box of each product's colour in (1, 3, S, S), score 0.9 where it is seen."""
    rows = []
    for colour in PRODUCTS.values():
        near = (np.abs(tensor[0] * 255 - np.array(colour)[:, None, None]) < 30).all(axis=0)
        down, across = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
        if down.size:
            top, bottom, left, right = down[0], down[-1] + 1, across[0], across[-1] + 1
            rows.append([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top, 0.9])
    return np.array(rows, dtype=np.float32).reshape(-1, 5).T[None]


def colours(tensor: np.ndarray) -> np.ndarray:
    """(B, 3): the mean colour of each crop."""
    seen = tensor * np.array([0.229, 0.224, 0.225])[:, None, None] + np.array([0.485, 0.456, 0.406])[:, None, None]
    return seen.mean(axis=(2, 3)).astype(np.float32)


def gallery() -> Gallery:
    vectors = np.array(list(PRODUCTS.values()), dtype=np.float64)
    return Gallery(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), list(PRODUCTS))


def networks(detect: Any = squares, embed: Any = colours) -> tuple[YoloDetector, GalleryNamer]:
    detector = YoloDetector(Session(detect), DetectorConfig(side=SIDE))
    return detector, GalleryNamer(Session(embed), gallery(), NamerConfig(side=16, margin=0, least_similarity=0.9))


def picture(**places: int) -> np.ndarray:
    """A shelf (64, 64, 3): each product named as a square of 12 pixels whose left edge is at the place given."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    for row, (product, colour) in enumerate(PRODUCTS.items()):
        if product in places:
            left = places[product]
            image[2 + 15 * row : 14 + 15 * row, left : left + 12] = colour
    return image


def story(folder: Path, count: int) -> Path:
    """Pictures, ten a second, the same story every 8 s: tea is taken after 3 s, rice is put after 5, then it is as at first."""
    import cv2

    folder.mkdir()
    for number in range(count):
        tea, rice = {"tea": 5} if number % 80 < 30 else {}, {"rice": 5} if number % 80 >= 50 else {}
        file = folder / f"{number:03d}.png"
        cv2.imwrite(str(file), picture(milk=5, **tea, **rice)[..., ::-1])
        os.utime(file, (1_767_600_000 + number / 10,) * 2)
    return folder
