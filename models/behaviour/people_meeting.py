"""Where two people met and one of the pieces of tracks looks like the other's person afterwards, it is cut: joining decides anew.

While a piece grows each find is judged by looks as they were known at the time, which two alike people who stand close can exchange
for good. Afterwards all that was seen of both, before they met and after, can be weighed.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from models.behaviour.people_config import TrackingConfig
from models.behaviour.people_observed import Finds, Floats, Ints, ShopPlan

_STEP_S = 0.2  # between places that are compared
_PARTED_S = 2.0  # apart for so long, two have parted; shorter, they are meeting still
_MOST_FINDS = 150  # before and after a meeting: of those farther off more may have changed
_Bools: TypeAlias = npt.NDArray[np.bool_]
_Means: TypeAlias = tuple[Floats, Ints]  # of each stretch the mean looks (M, K), and of how many finds (M,)
LIGHT = 0.1  # standard deviation by which mean looks change with the place


def cut_where_met(finds: Finds, parts: Sequence[Ints], plan: ShopPlan, cfg: TrackingConfig) -> list[Ints]:
    """Pieces (rows of `finds`, ascending in time), some of them cut in two or more. Nothing is lost, none is too short for a person,
    and none is cut in a gate, where it would seem to have left and come."""
    apart = [np.linalg.norm(finds.xy - gate, axis=1) for gate in (plan.entrance, plan.exit)]
    inside = np.minimum(*apart) > 2 * cfg.door_m
    begins, ends = (np.array([finds.at_s[rows[k]] for rows in parts]) for k in (0, -1))
    cuts: list[set[int]] = [set() for _ in parts]
    for one in range(len(parts)):
        later = slice(one + 1, None)
        beside = np.flatnonzero((begins[later] < ends[one]) & (ends[later] > begins[one])) + one + 1
        for other in beside.tolist():
            for from_s, to_s in _meetings(finds, parts[one], parts[other], cfg):
                for mine, its in ((one, other), (other, one)):
                    cuts[mine].add(_exchanged(finds, inside, parts[mine], parts[its], from_s, to_s, cfg))
    return [part for rows, places in zip(parts, cuts, strict=True) for part in _split(rows, places, cfg.least_finds)]


def _split(rows: Ints, places: Iterable[int], least: int) -> list[Ints]:
    ends = [0]
    for place in sorted(places):
        if place - ends[-1] >= least:
            ends.append(place)
    return [rows[begin:end] for begin, end in pairwise([*ends, rows.size])]


def _meetings(finds: Finds, one: Ints, other: Ints, cfg: TrackingConfig) -> Iterator[tuple[float, float]]:
    """Spans of time in which two pieces are near each other; who is not found for a while is held to stand where they were."""
    begin = max(finds.at_s[one[0]], finds.at_s[other[0]]) - cfg.lost_s
    end = min(finds.at_s[one[-1]], finds.at_s[other[-1]]) + cfg.lost_s
    at_s = np.arange(begin, end + _STEP_S, _STEP_S)
    apart = np.hypot(
        *(np.interp(at_s, *_along(finds, one, axis)) - np.interp(at_s, *_along(finds, other, axis)) for axis in (0, 1))
    )
    near = at_s[apart < cfg.meet_m]
    if not near.size:
        return
    for span in np.split(near, np.flatnonzero(np.diff(near) > _PARTED_S) + 1):
        yield float(span[0]) - _STEP_S, float(span[-1]) + _STEP_S


def _along(finds: Finds, rows: Ints, axis: int) -> tuple[Floats, Floats]:
    return finds.at_s[rows], finds.xy[rows, axis]


def _exchanged(
    finds: Finds, inside: _Bools, mine: Ints, its: Ints, from_s: float, to_s: float, cfg: TrackingConfig
) -> int:
    """The place in `mine` from which on it looks like what the other was until then; 0 where it stays what it was."""
    at_s = finds.at_s[mine]
    places = np.flatnonzero((at_s >= from_s) & (at_s <= to_s) & inside[mine])
    then = np.searchsorted(finds.at_s[its], at_s[places])
    least = cfg.least_finds
    known = (places >= least) & (mine.size - places >= least) & (then >= least)
    if not known.any():
        return 0
    places, then = places[known], then[known]
    own, other = _Looks(finds.looks[mine]), _Looks(finds.looks[its])
    before, after, foreign = own.until(places), own.since(places), other.until(then)
    # Where, is told by each find alike; whether, by what light adds to means as well.
    best = int((_apart(after, before, cfg, 0.0) - _apart(after, foreign, cfg, 0.0)).argmax())
    gain = _unlike(after, before, cfg) - _unlike(after, foreign, cfg)
    return int(places[best]) if gain[best] > cfg.exchanged_log else 0


class _Looks:
    """Mean looks of any stretch of a piece, with the number of finds."""

    def __init__(self, looks: Floats) -> None:
        self._sums = np.concatenate([np.zeros((1, looks.shape[1])), np.cumsum(looks, axis=0)])

    def until(self, places: Ints) -> _Means:
        """Of the finds before each place."""
        return self._between(np.maximum(places - _MOST_FINDS, 0), places)

    def since(self, places: Ints) -> _Means:
        """Of those from each place on."""
        return self._between(places, np.minimum(places + _MOST_FINDS, len(self._sums) - 1))

    def _between(self, first: Ints, end: Ints) -> _Means:
        return np.asarray((self._sums[end] - self._sums[first]) / (end - first)[:, None]), end - first


def _unlike(some: _Means, others: _Means, cfg: TrackingConfig) -> Floats:
    """Negative log-likelihood, at each place, that both are looks of one person."""
    spread = _spread(some, others, cfg, LIGHT)
    return np.asarray(_apart(some, others, cfg, LIGHT) + 0.5 * some[0].shape[1] * np.log(spread))


def _apart(some: _Means, others: _Means, cfg: TrackingConfig, light: float) -> Floats:
    """Half the squared distance in standard deviations."""
    squares = ((some[0] - others[0]) ** 2).sum(axis=1)
    return np.asarray(0.5 * squares / _spread(some, others, cfg, light))


def _spread(some: _Means, others: _Means, cfg: TrackingConfig, light: float) -> Floats:
    return np.asarray(cfg.looks_noise**2 * (1 / some[1] + 1 / others[1]) + 2 * light**2)
