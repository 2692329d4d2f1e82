"""Which tag left a board and which came to one, over all clips of a gondola's day: the likeliest path of each tag (Viterbi, 1967).

Each round of the antennas reads a tag on a board with a known chance, one elsewhere rarely (`rfid`). A tag lies on one of the boards
or on none, and seldom moves; where it lay when a clip ended it still lies when the next one begins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from models.common.protocols import InputError
from models.detector.beliefs import TagNoise
from models.detector.observed import Floats, Ints, TagReads
from models.detector.rfid import summed

MOST_CELLS = 200_000_000  # rounds times boards times tags
_AT_FIRST = 0.8  # share of known tags that lie on the boards when a day begins
_MOVES = 1e-3  # chance that a tag moves from one round to the next
_PASSING_S = 2.0  # nobody puts a package down and takes it again so soon: it was carried past that board


@dataclass(frozen=True, eq=False)
class ClipReads:
    """Reads of a clip of `length_s` that began at `from_s` of the day, by its own clock; `epc` names its tags by number."""

    from_s: float
    length_s: float
    reads: TagReads
    epc: Sequence[str]


@dataclass(frozen=True)
class TagMove:
    """Tag `epc` of `product` left (`take`) board `level` at `at_s` of the day, or came to it (`put`)."""

    deed: Literal["take", "put"]
    epc: str
    product: int
    level: int
    at_s: float


@dataclass(frozen=True)
class TagPaths:
    """Where the tags of a gondola went: `moves` in order of time, and those that were `read` on a board at any time."""

    moves: Sequence[TagMove]
    read: frozenset[str]


def tag_paths(clips: Sequence[ClipReads], boards: int, noise: TagNoise) -> TagPaths:
    """Of one gondola of `boards` boards, by clips in order of time. Raises `InputError` for reads that name tags
    or boards which are not there, or for too much."""
    for clip in clips:
        _check(clip, boards)
    number: dict[str, int] = {}
    product: list[int] = []
    for clip in clips:
        for epc, what in zip(clip.epc, clip.reads.product.tolist(), strict=True):
            if epc not in number:
                number[epc] = len(number)
                product.append(what)
    spans = [(clip, _rounds(clip, noise)) for clip in clips]
    rounds = sum(count for _, count in spans)
    if rounds * boards * len(number) > MOST_CELLS:
        raise InputError(
            f"{rounds:,} rounds of {boards} antennas and {len(number):,} tags, {MOST_CELLS:,} is the bound of all: give one day"
        )
    if not number or not rounds:
        return TagPaths((), frozenset())
    told = np.concatenate([_told(clip, count, boards, number, noise) for clip, count in spans])
    at_s = np.concatenate([clip.from_s + np.arange(count) / noise.rounds_per_s for clip, count in spans])
    path, names = _likeliest(told), list(number)
    moves = sorted(
        _changes(_lying(path, at_s), at_s, names, product), key=lambda move: (move.at_s, move.epc, move.deed)
    )
    return TagPaths(moves, frozenset(names[k] for k in np.flatnonzero(path.any(axis=0))))


def _check(clip: ClipReads, boards: int) -> None:
    reads, tags = clip.reads, len(clip.epc)
    if reads.product.size != tags:
        raise InputError(f"{tags} tags are named and {reads.product.size} have a product: name each")
    if not (np.isfinite(clip.from_s) and np.isfinite(clip.length_s) and clip.length_s >= 0):
        raise InputError(f"a clip of {clip.length_s} s from {clip.from_s} s: give finite times, and a length from 0")
    if reads.tag.size and not (0 <= reads.tag.min() <= reads.tag.max() < tags):
        raise InputError(f"reads name tags {reads.tag.min()} to {reads.tag.max()} of {tags}, numbered from 0")
    if reads.level.size and not (0 <= reads.level.min() <= reads.level.max() < boards):
        raise InputError(f"reads name boards {reads.level.min()} to {reads.level.max()} of {boards}, numbered from 0")


def _rounds(clip: ClipReads, noise: TagNoise) -> int:
    return max(1, int(np.ceil(clip.length_s * noise.rounds_per_s)))


def _told(clip: ClipReads, rounds: int, boards: int, number: dict[str, int], noise: TagNoise) -> Floats:
    """Log-likelihood ratio (T, B, K) in each round that a tag lies on each board, against elsewhere; 0 of tags that the clip knows
    nothing of."""
    at_s = np.arange(rounds + 1) / noise.rounds_per_s
    own = replace(clip.reads, product=np.maximum(clip.reads.product, 0))
    known: Ints = np.arange(len(clip.epc))
    found = np.zeros((rounds, boards, len(number)))
    if known.size:
        found[:, :, [number[epc] for epc in clip.epc]] = np.diff(summed(own, boards, known, at_s, noise, "on"), axis=0)
    return found


def _likeliest(told: Floats) -> Ints:
    """States (T, K) of the likeliest paths by `told` (T, B, K): 0 elsewhere, from 1 the board."""
    rounds, boards, tags = told.shape
    score = np.full((boards + 1, tags), np.log(_AT_FIRST / boards))
    score[0] = np.log(1 - _AT_FIRST)
    moves, states = np.log(_MOVES / boards), np.arange(boards + 1)[:, None]
    came = np.zeros((rounds, boards + 1, tags), dtype=np.int8)
    for number in range(rounds):
        if number:
            best, most = score.argmax(axis=0), score.max(axis=0) + moves
            stays = score >= most
            came[number] = np.where(stays, states, best)
            score = np.where(stays, score, most)
        score[1:] += told[number]
    path = np.zeros((rounds, tags), dtype=np.int64)
    path[-1] = score.argmax(axis=0)
    for number in range(rounds - 1, 0, -1):
        path[number - 1] = np.take_along_axis(came[number], path[number][None], axis=0)[0]
    return path


def _lying(path: Ints, at_s: Floats) -> Ints:
    """The paths (T, K) without boards that a tag was only carried past: there it was in somebody's hand."""
    tags, rounds = np.nonzero(np.diff(path, axis=0).T)
    found = path.copy()
    same = tags[1:] == tags[:-1]
    # From the last round elsewhere: between two clips it may have come at any time.
    brief = same & (at_s[rounds[1:] + 1] - at_s[rounds[:-1]] < _PASSING_S)
    for k in np.flatnonzero(brief).tolist():
        found[rounds[k] + 1 : rounds[k + 1] + 1, tags[k]] = 0
    return found


def _changes(path: Ints, at_s: Floats, names: Sequence[str], product: Sequence[int]) -> Iterator[TagMove]:
    """Each change of a path as what left and what came."""
    rounds, tags = np.nonzero(np.diff(path, axis=0))
    for number, tag in zip(rounds.tolist(), tags.tolist(), strict=True):
        before, after, when = int(path[number, tag]), int(path[number + 1, tag]), float(at_s[number + 1])
        if before:
            yield TagMove("take", names[tag], product[tag], before - 1, when)
        if after:
            yield TagMove("put", names[tag], product[tag], after - 1, when)
