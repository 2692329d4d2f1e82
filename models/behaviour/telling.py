"""What the network's outputs mean: seconds of attention by lane, dwell by gondola, and what is left of a stop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.behaviour.batches import assemble, by_length, grid
from models.behaviour.sequences import STEP_S, Sequences
from models.behaviour.shop import Floats, Ints, Shop
from models.behaviour.spec import LEVELS

_TOGETHER = 64  # paths of a run: memory stays the same whatever is asked
Outputs = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]
Run = Callable[[Mapping[str, npt.NDArray[Any]]], Outputs]


@dataclass(frozen=True, eq=False)
class Told:
    """Of N paths `attention_s` (N, L), the sum of its steps' variances as if each erred alone `unrest` (N, L), `dwell_s` (N, G). Of
    S steps the chance of a stop `stays` (S,), and quantiles `left_s` (S, Q) at `LEVELS` of the seconds left of it."""

    attention_s: Floats
    unrest: Floats
    dwell_s: Floats
    stays: Floats
    left_s: Floats


def tell(steps: Sequences, paths: Ints, shop: Shop, run: Run, *, unit_s: float) -> Told:
    """What the network says of some paths (P,), which counts what is left in `unit_s`; the rows of the others stay 0."""
    count = len(steps.lengths)
    seconds, unrest = np.zeros((count, len(shop.gondola))), np.zeros((count, len(shop.gondola)))
    dwell = np.zeros((count, shop.gondolas))
    stays, left = np.zeros(len(steps.path)), np.zeros((len(steps.path), len(LEVELS)))
    for some in by_length(steps.lengths[paths], _TOGETHER):
        fed = assemble(steps, paths[some], shop.gondolas)
        scores, stop, rest = run(fed)
        place, known = grid(steps, paths[some])
        at = place[known]
        stays[at] = 1 / (1 + np.exp(-stop[known].astype(np.float64)))
        left[at] = unit_s * rest[known].astype(np.float64)
        near = steps.faced[at] < shop.gondolas
        stays[at[~near]] = 0.0
        at = at[near]
        np.add.at(dwell, (steps.path[at], steps.faced[at]), STEP_S * stays[at])
        chance = softmax(scores[known][near].astype(np.float64))[:, 1:]
        lanes = shop.slots[steps.faced[at]]
        row, slot = np.nonzero(lanes >= 0)
        owner = steps.path[at[row]], lanes[row, slot]
        np.add.at(seconds, owner, STEP_S * chance[row, slot])
        np.add.at(unrest, owner, STEP_S**2 * chance[row, slot] * (1 - chance[row, slot]))
    return Told(seconds, unrest, dwell, stays, left)


def softmax(scores: Floats) -> Floats:
    """Chances (N, K) from scores (N, K)."""
    chance = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(chance / chance.sum(axis=1, keepdims=True))
