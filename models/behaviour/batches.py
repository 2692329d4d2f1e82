"""Paths side by side as the network reads them, for training and serving alike: padded, and mirrored for the way back."""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.behaviour.sequences import Sequences
from models.behaviour.shop import Ints

INPUTS = ("inputs", "turn", "faced", "along", "near", "mats")
OUTPUTS = ("lanes", "stop", "left")


def assemble(steps: Sequences, paths: Ints, nowhere: int) -> dict[str, npt.NDArray[Any]]:
    """`INPUTS` of B paths (B,), padded to their longest: what lies beyond a path's end is `nowhere`, and never flows back into it."""
    place, known = grid(steps, paths)
    lengths = steps.lengths[paths][:, None]
    at = np.arange(place.shape[1])[None]
    held = known[..., None]
    return {
        "inputs": np.where(held, steps.inputs[place], np.float32(0)),
        "turn": np.where(known, lengths - 1 - at, at),
        "faced": np.where(known, steps.faced[place], nowhere),
        "along": np.where(held, steps.along[place], np.float32(0)),
        "near": np.where(held[..., None], steps.near[place], np.float32(0)),
        "mats": np.where(held[..., None], steps.mats[place], np.float32(0)),
    }


def grid(steps: Sequences, paths: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """The step (B, T) at each place of B paths (B,), and whether there is one (B, T)."""
    lengths = steps.lengths[paths]
    at = np.arange(max(2, lengths.max()))[None]  # the graph wants two
    known = at < lengths[:, None]
    return np.where(known, steps.start[paths][:, None] + at, steps.start[paths][:, None]), known


def by_length(lengths: Ints, size: int) -> list[Ints]:
    """Paths (N,) in batches of about `size` and of like length: little is padded."""
    order = np.argsort(lengths, kind="stable")
    return np.array_split(order, max(1, round(len(order) / size)))
