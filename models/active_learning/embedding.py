"""What tells one picture from another where no network is at hand: where which colours lie, and which way edges run."""

from typing import Final

import numpy as np
import numpy.typing as npt

from models.active_learning.uncertainty import Float

_SIDE: Final = 64  # of the square that a picture is brought to, its proportions given up
_COLOURS: Final = 8  # blocks a side whose mean colour is kept
_CELLS: Final = 4  # blocks a side in which edges are counted
_DIRECTIONS: Final = 8  # of edges, over half a turn
WIDTH: Final = 3 * _COLOURS**2 + _DIRECTIONS * _CELLS**2


def plain_embedding(picture: npt.NDArray[np.uint8]) -> Float:
    """Of a picture (H, W, 3) numbers (WIDTH,): mean colours by block in 0 to 1, and each block's histogram of gradients of
    length 1 or 0 (Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human Detection", coarsely)."""
    import cv2

    small = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64) / 255
    colours = small.reshape(_COLOURS, _SIDE // _COLOURS, _COLOURS, _SIDE // _COLOURS, 3).mean(axis=(1, 3))
    down, across = np.gradient(small.mean(axis=2))
    strength = np.hypot(down, across)
    turn = np.floor((np.arctan2(down, across) % np.pi) / np.pi * _DIRECTIONS).astype(int) % _DIRECTIONS
    block = np.arange(_SIDE) * _CELLS // _SIDE
    place = (block[:, None] * _CELLS + block[None, :]) * _DIRECTIONS + turn
    edges = np.bincount(place.ravel(), strength.ravel(), minlength=_DIRECTIONS * _CELLS**2).reshape(-1, _DIRECTIONS)
    lengths = np.linalg.norm(edges, axis=1, keepdims=True)
    # Of blocks without an edge to speak of, the direction is the noise's.
    edges = np.divide(edges, lengths, out=np.zeros_like(edges), where=lengths > 1e-3 * _SIDE)
    return np.concatenate([colours.ravel(), edges.ravel()])
