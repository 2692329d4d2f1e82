"""One track of each person: pieces that belong together joined by looks and by where one may have walked unseen, then smoothed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from models.behaviour.people_config import TrackingConfig
from models.behaviour.people_meeting import LIGHT, cut_where_met
from models.behaviour.people_observed import Finds, Floats, Ints, ShopPlan
from models.behaviour.people_tracking import pieces
from models.behaviour.walk import WalkConfig, follow
from models.common.protocols import InputError

_OVERLAP_S = 0.6  # by which pieces of one person may overlap: cameras' clocks differ
_NEAR_M = 0.5  # of the end of a piece to the beginning of the next, however short the gap
_COVERAGE = 0.9
MOST_PIECES = 20_000  # each is weighed against each


@dataclass(frozen=True, eq=False)
class PersonTrack:
    """Smoothed places `xy` (T, 2) at times `at_s` (T,) with standard deviation `sd_m` (T,) along each axis, and the number of
    `finds` behind them."""

    at_s: Floats
    xy: Floats
    sd_m: Floats
    finds: int

    def at(self, times: Floats) -> Floats:
        """Places (N, 2) at times (N,), those of the ends beyond them."""
        return np.column_stack([np.interp(times, self.at_s, self.xy[:, axis]) for axis in (0, 1)])

    @property
    def begins_s(self) -> float:
        """When the person was first found."""
        return float(self.at_s[0])

    @property
    def ends_s(self) -> float:
        """When the person was last found."""
        return float(self.at_s[-1])


def track_people(finds: Finds, plan: ShopPlan, cfg: TrackingConfig | None = None) -> list[PersonTrack]:
    """Tracks in order of their beginning, whatever the order of the finds. Raises `InputError` for finds that do not fit together
    or are too many."""
    cfg = cfg or TrackingConfig()
    finds.check()
    if not finds.at_s.size:
        return []
    keys = (*finds.looks.T, finds.xy[:, 1], finds.xy[:, 0], finds.camera, finds.at_s)
    ordered = finds.take(np.lexsort(keys).astype(np.int64))
    parts = cut_where_met(ordered, pieces(ordered, cfg), plan, cfg)
    if len(parts) > MOST_PIECES:
        raise InputError(f"{len(parts):,} pieces of tracks, {MOST_PIECES:,} is the bound: give one day of one shop")
    tracks = [_smoothed(ordered.take(rows), cfg) for rows in _joined(ordered, parts, plan, cfg)]
    return sorted(tracks, key=lambda track: (track.begins_s, float(track.xy[0, 0]), float(track.xy[0, 1])))


def _joined(finds: Finds, parts: Sequence[Ints], plan: ShopPlan, cfg: TrackingConfig) -> list[Ints]:
    """Rows of whole tracks: each piece goes on in at most one other."""
    if len(parts) < 2:
        return list(parts)
    follows = _chosen(_join_log(finds, parts, plan, cfg), cfg.join_log)
    chains, taken = [], set(follows.values())
    for first in (k for k in range(len(parts)) if k not in taken):
        numbers = [first]
        while numbers[-1] in follows:
            numbers.append(follows[numbers[-1]])
        rows = np.concatenate([parts[k] for k in numbers])
        chains.append(rows[np.argsort(finds.at_s[rows], kind="stable")])
    return chains


def _chosen(ratio: Floats, least: float) -> dict[int, int]:
    """Pairs of pieces whose summed ratio is greatest, of those above `least`."""
    early, late = np.nonzero(ratio > least)
    if not early.size:
        return {}
    rows, of_row = np.unique(early, return_inverse=True)
    columns, of_column = np.unique(late, return_inverse=True)
    cost = np.zeros((rows.size, columns.size))
    cost[of_row, of_column] = -ratio[early, late]
    pairs = zip(*linear_sum_assignment(cost), strict=True)
    return {int(rows[a]): int(columns[b]) for a, b in pairs if cost[a, b] < 0}


def _join_log(finds: Finds, parts: Sequence[Ints], plan: ShopPlan, cfg: TrackingConfig) -> Floats:
    """Log-likelihood ratio (M, M) that a piece goes on in another, against two persons; minus infinity where it cannot."""
    count = np.array([rows.size for rows in parts])
    begins, ends = (np.array([finds.at_s[rows[k]] for rows in parts]) for k in (0, -1))
    first, last = (np.array([finds.xy[rows[:3] if k else rows[-3:]].mean(axis=0) for rows in parts]) for k in (1, 0))
    looks = np.array([finds.looks[rows].mean(axis=0) for rows in parts])
    noise = cfg.looks_noise**2 / count + LIGHT**2
    came, went = (
        np.linalg.norm(place - gate, axis=1) < cfg.door_m for place, gate in ((first, plan.entrance), (last, plan.exit))
    )
    found = np.full((len(parts), len(parts)), -np.inf)
    for early in np.flatnonzero(~went).tolist():
        gap = begins - ends[early]
        near = np.flatnonzero((gap > -_OVERLAP_S) & (gap < cfg.longest_gap_s) & (begins > begins[early]) & ~came)
        if not near.size:
            continue
        wide = _NEAR_M + cfg.hurry_m_s * np.maximum(gap[near], 0.0)
        apart = ((first[near] - last[early]) ** 2).sum(axis=1)
        way = -0.5 * apart / wide**2 - np.log(2 * np.pi * wide**2)
        other = noise[early] + noise[near]
        unlike = ((looks[near] - looks[early]) ** 2).sum(axis=1)
        alike = -0.5 * unlike / other - 0.5 * looks.shape[1] * np.log(other)
        any_two = 2 * cfg.looks_spread**2 + other
        alike -= -0.5 * unlike / any_two - 0.5 * looks.shape[1] * np.log(any_two)
        found[early, near] = alike + np.minimum(way, 0.0)
    return found


def _smoothed(finds: Finds, cfg: TrackingConfig) -> PersonTrack:
    """Finds within a step averaged, then smoothed over."""
    step = np.floor(finds.at_s / cfg.step_s).astype(np.int64)
    first = np.flatnonzero(np.diff(step, prepend=step[0] - 1))
    count = np.diff(first, append=step.size)
    at_s = np.add.reduceat(finds.at_s, first) / count
    xy = np.add.reduceat(finds.xy, first, axis=0) / count[:, None]
    deviations = float(np.sqrt(-2.0 * np.log1p(-_COVERAGE)))
    radius = deviations * cfg.place_m / np.sqrt(count)
    walk = WalkConfig(sway=min(cfg.sway, 100.0), longest_gap_s=3_600.0)
    told = follow(at_s, xy[:, 0], xy[:, 1], radius, coverage=_COVERAGE, cfg=walk).smoothed
    return PersonTrack(at_s, np.column_stack([told.x, told.y]), told.radius / deviations, finds.at_s.size)
