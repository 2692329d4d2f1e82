"""Fitting a positioner: the survey's fingerprints, and what held-out scans of it say about levels and radius."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.behaviour.positioning import (
    FORMAT_VERSION,
    Positioner,
    PositionerSpec,
    Similarities,
    Survey,
    average,
    level_probabilities,
)
from models.behaviour.positioning_config import PositioningConfig
from models.behaviour.positioning_data import Scans
from models.behaviour.rssi import INAUDIBLE_DBM, Floats, Heard, Ints, Likeness
from models.common.protocols import DataError

SHARPNESS = (5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 80.0, 120.0)
LEAST_JUDGED = 30


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Scans `rows` (n,) of a survey as if a new device stood where nobody surveyed: likeness (n, F) to what is left of it."""

    rows: Ints
    likeness: Similarities


@dataclass(frozen=True, eq=False)
class Judged:
    """Held-out scans located: whether each got the right level, its error, and the spread of its neighbours, (n,) each."""

    right: npt.NDArray[np.bool_]
    error: Floats
    spread: Floats


def fit(scans: Scans, cfg: PositioningConfig, *, seed: int) -> Positioner:
    """A positioner from surveyed scans; the same scans, config and seed give the same one.

    Scans that heard nothing are left out. DataError for scans without a place, and for too few places or devices to hold some out.
    """
    scans = surveyed(scans)
    survey = survey_of(scans)
    held = held_out(scans, survey, cfg, seed=seed)
    sharpness = sharpness_of(scans, survey, held)
    judged = judge(scans, survey, held, cfg, sharpness=sharpness)
    usual = float(np.median(judged.spread)) or spacing(scans)
    spec = PositionerSpec(
        format_version=FORMAT_VERSION,
        config=cfg,
        access_points=scans.access_points,
        levels=scans.levels,
        coordinates=scans.coordinates,
        sharpness=sharpness,
        usual_spread=usual,
        radius_factor=conformal(judged.error / (judged.spread + usual), cfg.coverage),
        judged=len(judged.error),
        held_out_error=float(judged.error.mean()),
        held_out_levels=float(judged.right.mean()),
    )
    return Positioner(spec, survey)


def surveyed(scans: Scans) -> Scans:
    """The scans that heard something, ascending by level; DataError where one has no place or a level has no scan."""
    if lost := int(((scans.level < 0) | np.isnan(scans.x) | np.isnan(scans.y)).sum()):
        raise DataError(
            f"{lost} of {len(scans)} scans have no place: fit on a survey, with the levels that occur in it"
        )
    scans = scans.take(np.flatnonzero((scans.rssi > INAUDIBLE_DBM).any(axis=1)))
    scans = scans.take(np.argsort(scans.level, kind="stable"))
    if empty := [level for place, level in enumerate(scans.levels) if not (scans.level == place).any()]:
        raise DataError(f"levels {empty[:5]} have no scan that heard anything: survey them or leave them out")
    return scans


def survey_of(scans: Scans) -> Survey:
    """Fingerprints of scans that are ascending by level."""
    starts = np.searchsorted(scans.level, np.arange(len(scans.levels)))
    return Survey(Heard.of(scans.rssi), starts.astype(np.int64), scans.x, scans.y)


def held_out(scans: Scans, survey: Survey, cfg: PositioningConfig, *, seed: int) -> HeldOut:
    """Up to `cfg.held_out` scans, drawn evenly over devices, each without the fingerprints of its place and of its device (of its
    place alone, where there is one device). One with no fingerprint of its level left within reach is no fair question."""
    rows = _drawn(scans.device, cfg.held_out, np.random.default_rng(seed))
    reach = cfg.reach * spacing(scans)
    devices, device = np.unique(scans.device, return_inverse=True)
    likeness = Likeness(survey.heard, exponent=cfg.exponent, shifts_db=cfg.shifts_db)
    kept, found = [], []
    for row in rows:
        on_level = scans.level == scans.level[row]
        away = np.hypot(scans.x - scans.x[row], scans.y - scans.y[row])
        left = ~(on_level & (away == 0))
        if len(devices) > 1:
            left &= device != device[row]
        if (left & on_level & (away <= reach)).any():
            kept.append(row)
            found.append(np.where(left, likeness(scans.rssi[row : row + 1])[0], np.float32(0)))
    if len(kept) < LEAST_JUDGED:
        raise DataError(
            f"{len(kept)} of {len(rows)} held-out scans have a fingerprint of another place, and of another device where there are "
            f"several, within {reach:g}, {LEAST_JUDGED} are needed: survey more places, or each with two devices"
        )
    return HeldOut(np.array(kept), np.stack(found))


def sharpness_of(scans: Scans, survey: Survey, held: HeldOut) -> float:
    """The sharpness under which the right levels of held-out scans had the least log loss."""
    known = held.likeness.any(axis=1)
    likeness, level = held.likeness[known], scans.level[held.rows][known]
    losses = {}
    for sharpness in SHARPNESS:
        told = level_probabilities(likeness, survey.starts, sharpness)[np.arange(len(level)), level]
        losses[sharpness] = -np.log(np.maximum(told, 1e-12)).mean()
    return min(SHARPNESS, key=losses.__getitem__)


def judge(scans: Scans, survey: Survey, held: HeldOut, cfg: PositioningConfig, *, sharpness: float) -> Judged:
    """Locate held-out scans. One that nothing is alike any more counts as lost: it is put in the middle of the survey."""
    level = scans.level[held.rows]
    known = held.likeness.any(axis=1)
    guess = level_probabilities(held.likeness[known], survey.starts, sharpness).argmax(axis=1)
    found = average(held.likeness[known], survey, guess, cfg)
    x, y = np.full(len(level), scans.x.mean()), np.full(len(level), scans.y.mean())
    spread, right = np.zeros(len(level)), np.zeros(len(level), dtype=bool)
    x[known], y[known], spread[known], right[known] = found.x, found.y, found.spread, guess == level[known]
    return Judged(right, np.hypot(x - scans.x[held.rows], y - scans.y[held.rows]), spread)


def conformal(scores: Floats, coverage: float) -> float:
    """The score that a new one exceeds with a chance of at most 1 - coverage: the ceil((n + 1) coverage)-th of n, the largest where
    n is too small to promise it."""
    rank = min(int(np.ceil((len(scores) + 1) * coverage - 1e-9)), len(scores))
    return float(np.partition(scores, rank - 1)[rank - 1])


def spacing(scans: Scans) -> float:
    """Median distance of a surveyed place to the nearest other one of its level; DataError where each level has one place."""
    nearest = []
    for level in range(len(scans.levels)):
        here = scans.level == level
        places = np.unique(np.column_stack([scans.x[here], scans.y[here]]), axis=0)
        for place in places:
            away = np.hypot(*(places - place).T)
            nearest += [away[away > 0].min()] if len(places) > 1 else []
    if not nearest:
        raise DataError("each level was surveyed at one place: survey at least two of a level")
    return float(np.median(nearest))


def _drawn(device: npt.NDArray[np.str_], count: int, rng: np.random.Generator) -> Ints:
    """Up to `count` rows, from all devices alike: the first of each in an order of chance, then the second, and so on."""
    shuffled = rng.permutation(len(device))
    _, which = np.unique(device[shuffled], return_inverse=True)
    turn = np.empty(len(device), dtype=np.int64)
    for number in range(which.max() + 1):
        turn[which == number] = np.arange((which == number).sum())
    return np.sort(shuffled[np.argsort(turn, kind="stable")[:count]])
