"""Bayesian fusion of what cameras, scales and antennas tell into events: what was taken or put back, how many, where, how surely.

Every source proposes times at which something may have happened. For each such time a table over product, count and lane adds up
the prior of the planogram and the log-likelihood ratios of all sources against "nothing happened"; sources that are there and
silent speak against. The best proposal becomes an event, what it explains is not told twice, and so on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from models.detector.beliefs import Beliefs
from models.detector.calibration import Calibration
from models.detector.carried import Held, held_things
from models.detector.inventory import ShelfEvidence, shelf_evidence
from models.detector.observed import Floats, Recording, Shelf
from models.detector.rfid import TagEvidence, tag_evidence
from models.detector.scales import MOST_COUNT, Step, step_log_ratio, steps
from models.detector.tracks import watch

Deed: TypeAlias = Literal["take", "put"]
_UNSURE = 2.0  # log-odds below which a path may as well have led the other way
DEEDS: tuple[Deed, Deed] = ("take", "put")


@dataclass(frozen=True)
class PickPut:
    """`count` packages of `product` taken from or put into `lane` at `at_s`; `confidence` in [0, 1] that deed, product and count
    are right."""

    deed: Deed
    product: int
    count: int
    lane: int
    at_s: float
    confidence: float


@dataclass(frozen=True, eq=False)
class _Told:
    """Evidence of all sources, None where a source is not there."""

    held: Sequence[Held] | None
    shelf: ShelfEvidence
    steps: Sequence[Step] | None
    tags: TagEvidence | None


def fuse(
    recording: Recording,
    beliefs: Beliefs | None = None,
    *,
    least_confidence: float = 0.5,
    calibration: Calibration | None = None,
) -> list[PickPut]:
    """Events of a recording in order of time, those of which the posterior is at least `least_confidence`. Their confidence is
    that posterior, or what `calibration` makes of it.

    Raises `InputError` for a recording that does not fit together or is too large.
    """
    beliefs = beliefs or Beliefs()
    recording.check()
    if recording.at_s.size == 0 or not recording.shelf.level.size:
        return []
    told = _gather(recording, beliefs)
    prior = {deed: _prior(deed, recording.shelf, beliefs) for deed in DEEDS}
    spent: frozenset[int] = frozenset()
    waiting = [
        _judged(deed, at_s, told, recording.shelf, prior[deed], beliefs, spent)
        for deed, at_s in _proposals(told, beliefs)
    ]
    events: list[PickPut] = []
    while waiting:
        best = max(waiting, key=lambda each: each.odds)
        if best.event.confidence >= least_confidence:
            events.append(best.event)
            spent |= frozenset(() if best.carry is None else (best.carry,))
        waiting = [each for each in waiting if each is not best and not _is_again(each.event, best.event, beliefs)]
        waiting = [
            _judged(each.event.deed, each.event.at_s, told, recording.shelf, prior[each.event.deed], beliefs, spent)
            if each.carry in spent
            else each
            for each in waiting
        ]
    events.sort(key=lambda event: event.at_s)
    if calibration is None or not events:
        return events
    sure = calibration(np.array([event.confidence for event in events])).tolist()
    return [replace(event, confidence=each) for event, each in zip(events, sure, strict=True)]


@dataclass(frozen=True)
class _Judged:
    """An event that may be, the log-odds that any was then, and the number of the carry that speaks for it."""

    event: PickPut
    odds: float
    carry: int | None


def _is_again(event: PickPut, other: PickPut, beliefs: Beliefs) -> bool:
    """Whether the evidence of an event is that of one already told."""
    apart = abs(event.at_s - other.at_s)
    same = event.deed == other.deed
    return apart < beliefs.together_s or (apart < beliefs.once_s and same)


def _gather(recording: Recording, beliefs: Beliefs) -> _Told:
    pictures = np.bincount(recording.camera, minlength=len(recording.cameras))
    moving = bool(pictures.max(initial=0) > 2)
    if moving:
        watched = watch(recording, least_pictures=beliefs.still_pictures)
        held = held_things(watched.carries, recording.cameras, recording.shelf)
        still, apart_s = watched.still, beliefs.apart_s
    else:  # two pictures tell what changed and nothing of how
        held, still, apart_s = None, np.ones(recording.detections.picture.size, dtype=bool), 0.0
    shelf = shelf_evidence(recording, still, apart_s=apart_s, noise=beliefs.shelf)
    tags = None
    if recording.reads is not None:
        first, last = float(recording.at_s.min()), float(recording.at_s.max())
        tags = tag_evidence(recording.reads, recording.shelf.boards.size, first, last, beliefs.tags)
    found = steps(recording.weights, beliefs.scale) if recording.weights is not None else None
    return _Told(held, shelf, found, tags)


def _proposals(told: _Told, beliefs: Beliefs) -> list[tuple[Deed, float]]:
    """Deeds and times at which something may have happened, the sharpest clocks first; later ones near those are left out."""
    wanted: list[tuple[Deed, float]] = []
    wanted += [("put" if step.grams > 0 else "take", step.at_s) for step in told.steps or ()]
    for held in told.held or ():
        wanted += [("take", held.from_s)] if held.away > -_UNSURE else []
        wanted += [("put", held.to_s)] if held.away < _UNSURE else []
    for index, deed in enumerate(DEEDS):
        if told.tags is not None and told.tags.products.size:
            ratio = (told.tags.take, told.tags.put)[index].max(axis=-1)  # (T, B, P')
            peak = ratio.max(axis=(1, 2))
            wanted += [(deed, float(told.tags.at_s[k])) for k in _peaks(peak, beliefs.tag_proposal_log)]
        if told.shelf.at_s.size:
            peak = (told.shelf.take, told.shelf.put)[index].max(axis=(1, 2))
            least = beliefs.shelf_proposal_log if peak.size > 1 else -np.inf  # one change of all is always worth a look
            wanted += [(deed, float(told.shelf.at_s[k])) for k in _peaks(peak, least)]
    kept: list[tuple[Deed, float]] = []
    for deed, at_s in wanted:
        if not any(deed == other and abs(at_s - at) < beliefs.together_s for other, at in kept):
            kept.append((deed, at_s))
    return kept


def _peaks(values: Floats, least: float) -> list[int]:
    """Middles of runs above `least`, at most one for each run."""
    above = np.concatenate([[False], values > least, [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(above)).reshape(-1, 2)
    return [int(a + round(float(np.mean(np.flatnonzero(values[a:b] == values[a:b].max()))))) for a, b in edges.tolist()]


def _judged(
    deed: Deed, at_s: float, told: _Told, shelf: Shelf, prior: Floats, beliefs: Beliefs, spent: frozenset[int]
) -> _Judged:
    """What most likely happened then, if anything; carries that are `spent` have been explained."""
    table = prior.copy()  # (P, 3, L)
    carry = None
    if told.held is not None:
        carry, ratio = _carried(deed, at_s, told.held, beliefs, spent)
        table += np.maximum(ratio, beliefs.worst_log)
    for ratio in _sources(deed, at_s, told, shelf, beliefs):
        table += np.maximum(ratio, beliefs.worst_log)
    highest = float(table.max())
    by_count = np.exp(table - highest).sum(axis=2)
    whole = float(by_count.sum())
    odds = float(np.log(whole)) + highest + beliefs.event_log
    product, count = np.unravel_index(int(by_count.argmax()), by_count.shape)
    lane = int(table[product, count].argmax())
    confidence = float(by_count[product, count]) / whole / (1 + float(np.exp(min(-odds, 700.0))))
    return _Judged(PickPut(deed, int(product), int(count) + 1, lane, at_s, confidence), odds, carry)


def _prior(deed: Deed, shelf: Shelf, beliefs: Beliefs) -> Floats:
    """Log-prior (P, 3, L): lanes and counts alike, of products the planned one or any."""
    products, lanes = shelf.weight_g.size, shelf.level.size
    own = beliefs.own_lane[DEEDS.index(deed)]
    share = np.full((products, lanes), (1 - own) / products)
    share[shelf.product, np.arange(lanes)] += own
    return np.asarray(np.log(share / (lanes * MOST_COUNT))[:, None, :] + np.zeros((1, MOST_COUNT, 1)))


def _sources(deed: Deed, at_s: float, told: _Told, shelf: Shelf, beliefs: Beliefs) -> list[Floats]:
    """Log-likelihood ratios of the other sources, each broadcastable to (P, 3, L)."""
    index = DEEDS.index(deed)
    found = []
    if told.shelf.at_s.size:
        k = int(np.abs(told.shelf.at_s - at_s).argmin())
        found.append((told.shelf.take, told.shelf.put)[index][k][:, :, None])
    if told.steps is not None:
        found.append(_weighed(1 if deed == "put" else -1, at_s, told.steps, shelf, beliefs))
    if told.tags is not None and told.tags.products.size:
        near = np.abs(told.tags.at_s - at_s) <= beliefs.together_s / 2
        near[int(np.abs(told.tags.at_s - at_s).argmin())] = True
        best = (told.tags.take, told.tags.put)[index][near].max(axis=0)  # (B, P', 3)
        ratio = np.full((shelf.boards.size, shelf.weight_g.size, MOST_COUNT), beliefs.worst_log)
        ratio[:, told.tags.products] = best
        found.append(ratio.transpose(1, 2, 0)[:, :, shelf.level])
    return found


def _carried(
    deed: Deed, at_s: float, held: Sequence[Held], beliefs: Beliefs, spent: frozenset[int]
) -> tuple[int | None, Floats]:
    """What was in a hand just after a take or just before a put: its number and log-likelihood ratio."""
    best: tuple[float, int] | None = None
    for number, thing in enumerate(held):
        apart = abs((thing.from_s if deed == "take" else thing.to_s) - at_s)
        away = thing.away if deed == "take" else -thing.away
        fit = away - (apart / 0.3) ** 2 / 2 + beliefs.carry_log[min(thing.cameras, 2) - 1]
        if number not in spent and apart <= beliefs.together_s and (best is None or fit > best[0]):
            best = fit, number
    if best is None:
        return None, np.full((1, 1, 1), beliefs.unseen_log)
    fit, number = best
    thing = held[number]
    lanes = thing.taken_from if deed == "take" else thing.put_into
    told = thing.product[:, None, None] + thing.count[None, :, None] + lanes[None, None, :]
    return number, np.asarray(np.maximum(fit + told, beliefs.unseen_log + beliefs.worst_log / 2))


def _weighed(sign: int, at_s: float, found: Sequence[Step], shelf: Shelf, beliefs: Beliefs) -> Floats:
    """What each board's scale says: a step of the right sign then, or none."""
    noise = beliefs.scale
    ratio = np.full((shelf.weight_g.size, MOST_COUNT, shelf.boards.size), np.log(noise.miss))
    for step in found:
        slack = beliefs.together_s / 2
        if step.from_s - slack <= at_s <= step.to_s + slack and sign * step.grams > 0:
            ratio[:, :, step.level] = step_log_ratio(step, sign, shelf.weight_g, noise)
    return ratio[:, :, shelf.level]
