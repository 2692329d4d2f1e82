"""What is asked about shoppers and answered, and the checks on the way in."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.behaviour.sequences import Seen
from models.behaviour.shop import Floats, Ints, Shop
from models.common.protocols import InputError

MAX_PATHS, MAX_FIXES, MAX_EVENTS = 4_096, 2_000_000, 1_000_000
LONGEST_S = 3_600.0
MAX_SECONDS = 250_000.0  # of all paths together: memory stays bounded, also where fixes are few and far between
_LATEST_S, _FARTHEST_M = 2 * 86_400.0, 1_000.0


@dataclass(frozen=True)
class BehaviourInput:
    """What was seen of N paths of one day, each one person of a visit. `party` (N,) persons of the visit; R fixes: `path` (R,) which,
    `at_s` (R,) seconds since midnight, `x` and `y` (R,) metres; E shelf events: `event_path`, `event_s`, `event_gondola`,
    `event_lane` and `event_put` (E,), else taken; A stirrings of pressure mats: `mat_gondola`, `mat_level`, `mat_s` (A,)."""

    party: Any
    path: Any
    at_s: Any
    x: Any
    y: Any
    event_path: Any
    event_s: Any
    event_gondola: Any
    event_lane: Any
    event_put: Any
    mat_gondola: Any
    mat_level: Any
    mat_s: Any


@dataclass(frozen=True)
class Reply:
    """Of N paths so far: seconds of `attention_s` (N, L) for each lane of the shop and their standard deviations `attention_sd_s`
    (N, L), seconds of `dwell_s` (N, G) at each gondola; `standing_at` (N,) the gondola of the stop under way, -1 where there is none,
    and `left_s` (N, 3), the 10 %, 50 % and 90 % quantiles of the seconds that it still lasts, 0 where there is none."""

    attention_s: Floats
    attention_sd_s: Floats
    dwell_s: Floats
    standing_at: Ints
    left_s: Floats


def checked(request: BehaviourInput, shop: Shop) -> Seen:
    """The request as the room computes with it; InputError names the field, the value, the bound and the remedy."""
    party = _whole("party", request.party, None, 1, 100, most=MAX_PATHS, least=1)
    paths = len(party)
    path = _whole("path", request.path, None, 0, paths - 1, most=MAX_FIXES, least=1)
    at_s, x, y = (
        _numbers(name, getattr(request, name), len(path), bound)
        for name, bound in (("at_s", _LATEST_S), ("x", _FARTHEST_M), ("y", _FARTHEST_M))
    )
    if missing := np.flatnonzero(np.bincount(path, minlength=paths) == 0).tolist():
        raise InputError(f"path: {missing[0]}: expected a fix of each of {paths} paths: leave out who was not seen")
    first, last = np.full(paths, np.inf), np.full(paths, -np.inf)
    np.minimum.at(first, path, at_s)
    np.maximum.at(last, path, at_s)
    if (last - first).max() > LONGEST_S:
        raise InputError(
            f"at_s: a path of {(last - first).max():.0f} s: expected <= {LONGEST_S:.0f}: cut it into visits"
        )
    if (last - first).sum() > MAX_SECONDS:
        raise InputError(
            f"at_s: {(last - first).sum():.0f} s of all paths: expected <= {MAX_SECONDS:.0f}: ask in parts"
        )
    event_path = _whole("event_path", request.event_path, None, 0, paths - 1, most=MAX_EVENTS)
    events = len(event_path)
    gondola = _whole("event_gondola", request.event_gondola, events, 0, shop.gondolas - 1)
    lane = _whole("event_lane", request.event_lane, events, 0, int(shop.lane.max()))
    lanes = shop.lanes_of(gondola, lane)
    if (lanes < 0).any():
        row = int(np.flatnonzero(lanes < 0)[0])
        raise InputError(f"event_lane: {lane[row]}: gondola {gondola[row]} has no such lane: train on the new plan")
    mat_gondola = _whole("mat_gondola", request.mat_gondola, None, 0, shop.gondolas - 1, most=MAX_EVENTS)
    stirrings = len(mat_gondola)
    return Seen(
        day=np.zeros(paths, dtype=np.int64),
        party=party,
        path=path,
        at_s=at_s,
        x=x,
        y=y,
        event_path=event_path,
        event_s=_numbers("event_s", request.event_s, events, _LATEST_S),
        event_lane=lanes,
        event_put=_whole("event_put", request.event_put, events, 0, 1).astype(bool),
        mat_day=np.zeros(stirrings, dtype=np.int64),
        mat_gondola=mat_gondola,
        mat_level=_whole("mat_level", request.mat_level, stirrings, 0, shop.levels - 1),
        mat_s=_numbers("mat_s", request.mat_s, stirrings, _LATEST_S),
    )


def _whole(
    field: str, given: Any, count: int | None, low: int, high: int, *, most: int = MAX_EVENTS, least: int = 0
) -> Ints:
    values = _array(field, given, count)
    if not least <= len(values) <= most:
        raise InputError(f"{field}: {len(values)} values: expected {least} to {most}: ask in parts")
    if len(values) and values.dtype.kind not in "iub":
        raise InputError(f"{field}: {values.dtype}: expected whole numbers: round them or mend the sender")
    if len(values) and (values.min() < low or values.max() > high):
        strange = values[(values < low) | (values > high)][0]
        raise InputError(f"{field}: {strange}: expected {low} to {high}: mend the sender")
    return values.astype(np.int64)


def _numbers(field: str, given: Any, count: int, bound: float) -> Floats:
    values = _array(field, given, count)
    if len(values) and values.dtype.kind not in "iuf":
        raise InputError(f"{field}: {values.dtype}: expected numbers: mend the sender")
    values = values.astype(np.float64)
    if not (np.isfinite(values) & (np.abs(values) <= bound)).all():
        strange = values[~(np.isfinite(values) & (np.abs(values) <= bound))][0]
        raise InputError(f"{field}: {strange:g}: expected a finite number within {bound:g}: leave the row out")
    return values


def _array(field: str, given: Any, count: int | None) -> npt.NDArray[Any]:
    if isinstance(given, np.ma.MaskedArray):
        raise InputError(f"{field}: expected plain values, found a masked array: leave masked rows out")
    try:
        values = np.asarray(given)
    except (TypeError, ValueError) as error:
        raise InputError(f"{field}: {type(given).__name__}: expected a row of values: mend the sender") from error
    if values.ndim != 1 or (count is not None and len(values) != count):
        told = "any number of" if count is None else f"{count}"
        raise InputError(f"{field}: shape {values.shape}: expected {told} values: mend the sender")
    return values
