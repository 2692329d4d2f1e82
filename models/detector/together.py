"""The same packages in several cameras' pictures of one moment, so that each is named by all that see it.

Two boxes show one thing where the sights of their middles pass close to each other, both make it about as large there, and it
looks alike from both sides (Hartley and Zisserman 2004, chapter 12). A thing behind another of its kind may be taken for it,
which harms no name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.detector.assignment import assign
from models.detector.boxes import Tensor
from models.detector.geometry import triangulated
from models.detector.observed import Camera, Floats, Ints

_NEVER = 1e3
_NEAREST_CM = 5.0  # from the lens: nothing is nearer


@dataclass(frozen=True)
class Sameness:
    """What makes two boxes one thing: standard deviations of how far sights miss each other (`miss_cm`) and of the log ratio of
    sizes (`size_log`), and the most of both; what the angle of embeddings costs (`unlike`). A pair that costs `alone` is none."""

    miss_cm: float = 2.5
    size_log: float = 0.25
    most_miss_cm: float = 10.0
    most_size_log: float = 0.8
    unlike: float = 2.0
    alone: float = 9.0


@dataclass(frozen=True, eq=False)
class View:
    """What one camera found: boxes (N, 4), their unit embeddings (N, D) and log shares of the products (N, P)."""

    camera: Camera
    boxes: Floats
    embeddings: Tensor
    log_shares: Floats


def things(views: Sequence[View], sameness: Sameness | None = None) -> list[Ints]:
    """Number (N,) of the thing that each box of each view shows, from 0, alike in all views; no thing twice in one."""
    asked, count = sameness or Sameness(), 0
    numbers: list[Ints] = []
    for number, view in enumerate(views):
        cost = np.full((count, len(view.boxes)), _NEVER)
        for earlier, shown in zip(views[:number], numbers, strict=True):
            cost[shown] = np.minimum(cost[shown], _cost(earlier, view, asked))
        mine = np.full(len(view.boxes), -1)
        for thing, box in zip(*assign(np.minimum(cost, asked.alone)), strict=True):
            if cost[thing, box] < asked.alone:
                mine[box] = thing
        fresh = np.flatnonzero(mine < 0)
        mine[fresh] = count + np.arange(len(fresh))
        count += len(fresh)
        numbers.append(mine)
    return numbers


def over_things(numbers: Sequence[Ints], similarities: Sequence[Floats]) -> list[tuple[Floats, Floats]]:
    """Similarities (N, P) of each view, each row the mean over all boxes of its thing; and the highest of any of them."""
    of, rows = np.concatenate(numbers), np.concatenate(similarities)
    count = int(of.max(initial=-1)) + 1
    total, highest = np.zeros((count, rows.shape[1])), np.full((count, rows.shape[1]), -np.inf)
    np.add.at(total, of, rows)
    np.maximum.at(highest, of, rows)
    mean = total / np.maximum(np.bincount(of, minlength=count), 1)[:, None]
    return [(mean[mine], highest[mine]) for mine in numbers]


@dataclass(frozen=True, eq=False)
class Told:
    """Of the boxes of one picture: the number of the `thing` (N,) each shows, and likeness (N, P) to the products, the `mean` over all
    boxes of its thing and the `highest` of any."""

    thing: Ints
    mean: Floats
    highest: Floats


def told_together(
    cameras: Sequence[Camera],
    boxes: Sequence[Floats],
    embeddings: Sequence[Tensor],
    similarities: Sequence[Floats],
    temperature: float,
) -> list[Told]:
    """What pictures of one moment tell together, each by its camera, boxes (N, 4), unit embeddings (N, D) and likeness (N, P);
    names compete by a softmax of `temperature`."""
    views = []
    for camera, found, vectors, alike in zip(cameras, boxes, embeddings, similarities, strict=True):
        shares = (alike - alike.max(axis=1, keepdims=True)) / temperature
        views.append(View(camera, found, vectors, shares - np.log(np.exp(shares).sum(axis=1, keepdims=True))))
    numbers = things(views)
    return [
        Told(mine, mean, highest)
        for mine, (mean, highest) in zip(numbers, over_things(numbers, similarities), strict=True)
    ]


def _cost(first: View, second: View, asked: Sameness) -> Floats:
    """How badly each pair (N, M) agrees, `_NEVER` where it cannot be one thing."""
    shape = len(first.boxes), len(second.boxes)
    rows, columns = (each.ravel() for each in np.indices(shape))
    place, miss = triangulated(
        first.camera, _middles(first.boxes)[rows], second.camera, _middles(second.boxes)[columns]
    )
    size, depth = [], []
    for view, taken in ((first, rows), (second, columns)):
        depth.append((place - view.camera.position) @ view.camera.rotation[2])
        sides = view.boxes[:, 2:] - view.boxes[:, :2]
        focal = np.sqrt(view.camera.matrix[0, 0] * view.camera.matrix[1, 1])
        size.append(0.5 * np.log(np.maximum(sides.prod(axis=1), 1e-9))[taken] - np.log(focal))
    ahead = np.minimum(*depth) > _NEAREST_CM
    grown = size[0] - size[1] + np.log(np.maximum(depth[0], 1e-9) / np.maximum(depth[1], 1e-9))
    likeness = (first.embeddings @ second.embeddings.T).ravel()
    # A chance that both are of one product, whichever it is; never none, as both names may be wrong.
    one_name = np.log(np.exp(first.log_shares) @ np.exp(second.log_shares).T + 1e-4).ravel()
    cost = (miss / asked.miss_cm) ** 2 / 2 + (grown / asked.size_log) ** 2 / 2 + asked.unlike * (1 - likeness)
    fits = ahead & (miss <= asked.most_miss_cm) & (np.abs(grown) <= asked.most_size_log)
    return np.asarray(np.where(fits, np.minimum(cost - one_name, _NEVER), _NEVER).reshape(shape))


def _middles(boxes: Floats) -> Floats:
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2)
