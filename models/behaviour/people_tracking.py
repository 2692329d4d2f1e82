"""Tracks of people from the finds of ceiling cameras: a Kalman filter for each, finds shared out picture by picture.

Each picture's finds go to the tracks by the least sum of negative log-likelihood ratios (global nearest neighbour, Blackman and
Popoli 1999, section 6.4; solved as a linear assignment), of place and looks together; what is left over begins a track.
"""

from dataclasses import dataclass, field
from math import exp, log, pi

import numpy as np
from scipy.optimize import linear_sum_assignment

from models.behaviour.people_config import TrackingConfig
from models.behaviour.people_observed import Finds, Floats, Ints

_FAR = 1e6
_GATE = 25.0  # squared standard deviations of a place beyond which a find is no candidate
_MOST_KNOWN = 200.0  # finds after which looks are known well enough to follow slow changes of light


@dataclass(eq=False)
class _Piece:
    """A track under way: state along both axes and the covariance that they share."""

    at_s: float
    x: float
    y: float
    going_x: float
    going_y: float
    place: float
    both: float
    speed: float
    looks: Floats
    known: float = 1.0
    rows: list[int] = field(default_factory=list)


def pieces(finds: Finds, cfg: TrackingConfig) -> list[Ints]:
    """Rows of the finds of each piece of a track, ascending in time; `finds` ascend by time. What fewer than `least_finds` tell of
    is left out."""
    frames = np.flatnonzero(np.diff(finds.at_s, prepend=-np.inf) + np.abs(np.diff(finds.camera, prepend=-1)))
    ends = np.append(frames[1:], finds.at_s.size).tolist()
    under_way: list[_Piece] = []
    done: list[_Piece] = []
    tracker = _Tracker(finds, cfg)
    for begin, end in zip(frames.tolist(), ends, strict=True):
        at_s = float(finds.at_s[begin])
        lost = [piece for piece in under_way if tracker.lost(piece, at_s)]
        if lost:
            done += lost
            under_way = [piece for piece in under_way if not tracker.lost(piece, at_s)]
        under_way += tracker.picture(under_way, begin, end, at_s)
    told = [piece for piece in done + under_way if len(piece.rows) >= cfg.least_finds]
    return [np.array(piece.rows, dtype=np.int64) for piece in sorted(told, key=lambda piece: piece.rows[0])]


class _Tracker:
    def __init__(self, finds: Finds, cfg: TrackingConfig) -> None:
        self._xy: list[list[float]] = finds.xy.tolist()
        self._looks = finds.looks
        self._cfg = cfg
        size, spread = finds.looks.shape[1], cfg.looks_spread**2 + cfg.looks_noise**2
        self._size = size
        # Of looks among all persons, for each find: the alternative to every track.
        self._anybody = -0.5 * ((finds.looks**2).sum(axis=1) / spread + size * log(spread))

    def lost(self, piece: _Piece, at_s: float) -> bool:
        """Whether a piece has ended by a time."""
        cfg = self._cfg
        return at_s - piece.at_s > (cfg.doubted_s if len(piece.rows) < cfg.least_finds else cfg.lost_s)

    def picture(self, under_way: list[_Piece], begin: int, end: int, at_s: float) -> list[_Piece]:
        """Give a picture's finds to tracks; those that begin with it."""
        if not under_way:
            return [self._begun(row, at_s) for row in range(begin, end)]
        foretold = [self._foretold(piece, at_s) for piece in under_way]
        cost = [
            [self._cost(piece, told, row) for piece, told in zip(under_way, foretold, strict=True)]
            for row in range(begin, end)
        ]
        begun = []
        for row, column in _least(cost):
            if column < 0:
                begun.append(self._begun(begin + row, at_s))
            else:
                self._update(under_way[column], foretold[column], begin + row, at_s)
        return begun

    def _begun(self, row: int, at_s: float) -> _Piece:
        x, y = self._xy[row]
        cfg = self._cfg
        return _Piece(at_s, x, y, 0.0, 0.0, cfg.place_m**2, 0.0, 0.7, self._looks[row].copy(), 1.0, [row])

    def _foretold(self, piece: _Piece, at_s: float) -> tuple[float, float, float, float, float]:
        """Place x, y and the covariance of place, both, and speed."""
        slow, gap, unrest = self._cfg.keeps_going_s, at_s - piece.at_s, self._cfg.sway**2
        # An Ornstein-Uhlenbeck speed: who is hidden for long has not walked out of the building.
        keep = exp(-gap / slow)
        go = slow * (1 - keep)
        place = piece.place + 2 * go * piece.both + go * go * piece.speed
        place += unrest * slow**2 * (gap - 2 * go + slow / 2 * (1 - keep * keep))
        both = keep * (piece.both + go * piece.speed) + unrest * go * go / 2
        speed = keep * keep * piece.speed + unrest * slow / 2 * (1 - keep * keep)
        return piece.x + go * piece.going_x, piece.y + go * piece.going_y, place, both, speed

    def _cost(self, piece: _Piece, told: tuple[float, float, float, float, float], row: int) -> float:
        """Negative log-likelihood ratio that a find is this track's, against somebody new."""
        cfg = self._cfg
        x, y = self._xy[row]
        variance = told[2] + cfg.place_m**2
        apart = ((x - told[0]) ** 2 + (y - told[1]) ** 2) / variance
        if apart > _GATE:
            return _FAR
        looks = self._looks[row] - piece.looks
        spread = cfg.looks_noise**2 * (1 + 1 / piece.known)
        alike = -0.5 * (float(looks @ looks) / spread + self._size * log(spread)) - self._anybody[row]
        return 0.5 * apart + log(2 * pi * variance * cfg.crowd_per_m2) - float(alike)

    def _update(self, piece: _Piece, told: tuple[float, float, float, float, float], row: int, at_s: float) -> None:
        cfg = self._cfg
        x, y, place, both, speed = told
        keep = exp(-(at_s - piece.at_s) / cfg.keeps_going_s)
        going_x, going_y = keep * piece.going_x, keep * piece.going_y
        found_x, found_y = self._xy[row]
        total = place + cfg.place_m**2
        gain, push = place / total, both / total
        off_x, off_y = found_x - x, found_y - y
        piece.x, piece.y = x + gain * off_x, y + gain * off_y
        piece.going_x, piece.going_y = going_x + push * off_x, going_y + push * off_y
        piece.place, piece.both, piece.speed = (1 - gain) * place, (1 - gain) * both, speed - push * both
        piece.at_s = at_s
        piece.known = min(piece.known + 1, _MOST_KNOWN)
        piece.looks += (self._looks[row] - piece.looks) / piece.known
        piece.rows.append(row)


def _least(cost: list[list[float]]) -> list[tuple[int, int]]:
    """Each row with its column, or -1 where it has none that costs less than 0."""
    candidates = [[column for column, each in enumerate(row) if each < 0] for row in cost]
    wanted = [column for row in candidates for column in row]
    if len(wanted) == len(set(wanted)) and all(len(row) <= 1 for row in candidates):
        return [(row, columns[0] if columns else -1) for row, columns in enumerate(candidates)]
    rows, columns = linear_sum_assignment(np.minimum(np.array(cost), 0.0))
    chosen = {int(row): int(column) for row, column in zip(rows, columns, strict=True) if cost[row][column] < 0}
    return [(row, chosen.get(row, -1)) for row in range(len(cost))]
