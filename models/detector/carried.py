"""The same carried thing in several cameras, and what it says of an event: product, count, deed, place.

Cameras run free of one another, so a path seen by one is read at the times of the other before sights are crossed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from models.detector.assignment import assign
from models.detector.geometry import on_plane, triangulated
from models.detector.observed import Camera, Floats, Shelf
from models.detector.scales import MOST_COUNT
from models.detector.tracks import Carry

_MOST_MISS_CM = 12.0  # sights of one thing pass each other at most so far: a moving hand and clocks that differ
_LEAST_ALIKE = 0.05
_SLACK_S = 0.3
_FOUND_IN_HAND = 0.85  # chance that a package in a hand is found in a picture
_TOO_MANY = 0.02  # chance of one box more than there are packages
_SAME_ERROR = 0.4  # pictures of one carry err alike: how much each counts
_NAME_AT_FAULT = 0.02  # chance that all names of a carry are wrong alike
_ALONG_CM, _UP_CM, _NO_PLACE = 5.0, 5.0, -8.0
_SURE_OF_DEED = 4.0  # most log-odds that a path gives


@dataclass(frozen=True, eq=False)
class Held:
    """What was in a hand from `from_s` to `to_s`, as `cameras` cameras saw it. `away` is the log-odds that it was carried away from
    the shelf; log-likelihoods `product` (P,) against any product alike, `count` (3,), and of lanes it was taken from
    (`taken_from` (L,)) or put into (`put_into` (L,))."""

    from_s: float
    to_s: float
    cameras: int
    seen: int
    away: float
    product: Floats
    count: Floats
    taken_from: Floats
    put_into: Floats


def held_things(carries: Sequence[Carry], cameras: Sequence[Camera], shelf: Shelf) -> list[Held]:
    """Join what several cameras saw of one thing, and weigh it."""
    groups: list[list[Carry]] = []
    for camera in range(len(cameras)):
        mine = [carry for carry in carries if carry.camera == camera]
        groups = _joined(groups, mine, cameras)
    return [_weighed(group, cameras, shelf) for group in groups]


def _joined(groups: list[list[Carry]], mine: list[Carry], cameras: Sequence[Camera]) -> list[list[Carry]]:
    if not groups or not mine:
        return groups + [[carry] for carry in mine]
    cost = np.array([[_cost(group[0], carry, cameras) for carry in mine] for group in groups])
    pairs = [(k, j) for k, j in zip(*assign(np.minimum(cost, 1e3)), strict=True) if cost[k, j] < 1e3]
    partner = dict(pairs)
    alone = set(range(len(mine))) - set(partner.values())
    joined = [[*group, mine[partner[k]]] if k in partner else group for k, group in enumerate(groups)]
    return joined + [[mine[j]] for j in sorted(alone)]


def _cost(one: Carry, other: Carry, cameras: Sequence[Camera]) -> float:
    """How badly two carries agree, infinite where they cannot be one thing."""
    alike = float(_shares(one) @ _shares(other))
    crossed = _crossed(one, other, cameras)
    if alike < _LEAST_ALIKE or crossed is None:
        return np.inf
    miss = float(np.median(crossed[2]))
    return np.inf if miss > _MOST_MISS_CM else miss / 4.0 - float(np.log(alike))


def _shares(carry: Carry) -> Floats:
    """Shares (P,) of the products."""
    shares = np.exp(carry.log_probs - carry.log_probs.max())
    return np.asarray(shares / shares.sum())


def _crossed(one: Carry, other: Carry, cameras: Sequence[Camera]) -> tuple[Floats, Floats, Floats] | None:
    """Times (n,), places (n, 3) of the foot, and misses (n,) in cm where both cameras saw it."""
    inside = (other.at_s >= one.at_s[0] - _SLACK_S) & (other.at_s <= one.at_s[-1] + _SLACK_S)
    if not inside.any():
        return None
    at_s = other.at_s[inside]
    read = np.stack([np.interp(at_s, one.at_s, one.foot[:, k]) for k in range(2)], axis=1)
    place, miss = triangulated(cameras[one.camera], read, cameras[other.camera], other.foot[inside])
    return at_s, place, miss


def _weighed(group: list[Carry], cameras: Sequence[Camera], shelf: Shelf) -> Held:
    seen = sum(carry.seen for carry in group)
    # Log-shares add over detections, but those of one carry err alike.
    summed = sum((carry.log_probs * max(1.0, _SAME_ERROR * carry.seen) for carry in group), np.zeros(1))
    products = summed.size
    product = np.logaddexp(
        np.log(1 - _NAME_AT_FAULT) + summed - np.logaddexp.reduce(summed), np.log(_NAME_AT_FAULT / products)
    ) + np.log(products)
    crossed = _crossed(group[0], group[1], cameras) if len(group) > 1 else None
    from_s, to_s = min(float(c.at_s[0]) for c in group), max(float(c.at_s[-1]) for c in group)
    return Held(
        from_s,
        to_s,
        len(group),
        seen,
        _away(group, crossed),
        product,
        _counted(group),
        _near_lanes(group, cameras, shelf, 0),
        _near_lanes(group, cameras, shelf, -1),
    )


def _away(group: list[Carry], crossed: tuple[Floats, Floats, Floats] | None) -> float:
    """Log-odds that the path leads away from the shelf: towards the customer in space, or growing and sinking in a picture."""
    signs = []
    for carry in group:
        if carry.at_s.size > 1:
            size = np.exp(carry.log_area.mean() / 2)
            signs.append(
                _rise(carry.at_s, carry.log_area) / 0.12 + _rise(carry.at_s, carry.centre[:, 1]) / (0.4 * size)
            )
    if crossed is not None and crossed[0].size > 1:
        signs.append(_rise(crossed[0], crossed[1][:, 2]) / 4.0)
    return float(np.clip(np.sum(signs), -_SURE_OF_DEED, _SURE_OF_DEED)) if signs else 0.0


def _rise(at_s: Floats, values: Floats) -> float:
    """By how much a straight line through the values rises from first to last."""
    centred = at_s - at_s.mean()
    return float(centred @ values / max(float(centred @ centred), 1e-9) * (at_s[-1] - at_s[0]))


def _counted(group: list[Carry]) -> Floats:
    """Log-likelihood (3,) of 1 to 3 packages: of those in the hand, each is found or missed in each picture."""
    boxes = np.concatenate([carry.count for carry in group]).astype(float)[:, None]
    count = np.arange(1.0, MOST_COUNT + 1)
    found = np.minimum(boxes, count)
    ways = np.log([[comb(int(whole), int(part)) for whole, part in zip(count, row, strict=True)] for row in found])
    each = ways + found * np.log(_FOUND_IN_HAND) + (count - found) * np.log(1 - _FOUND_IN_HAND)
    each += (boxes - found) * np.log(_TOO_MANY)
    return np.asarray(_SAME_ERROR * each.sum(axis=0))


def _near_lanes(group: list[Carry], cameras: Sequence[Camera], shelf: Shelf, end: int) -> Floats:
    """Log-likelihood (L,) that each lane is where the path began (`end` 0) or ended (-1)."""
    if not shelf.level.size:
        return np.zeros(0)
    place = np.mean([on_plane(cameras[c.camera], c.foot[end][None], 0.5)[0] for c in group], axis=0)
    beside = np.maximum(np.maximum(shelf.left - place[0], place[0] - shelf.right), 0.0)
    up = place[1] - shelf.boards[shelf.level]
    fit = -0.5 * (beside / _ALONG_CM) ** 2 - 0.5 * (up / _UP_CM) ** 2
    return np.asarray(np.maximum(fit - np.log(np.exp(fit).mean() + np.exp(_NO_PLACE)), _NO_PLACE))
