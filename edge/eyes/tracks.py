"""The same item from frame to frame: association by overlap in two stages, under constant velocity.

Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV 2022: boxes with high scores are matched
first, then those with low ones to what is left, for an item half hidden is an item still. Here the velocity is smoothed instead
of filtered, and pairs are taken best first: boxes of one picture hardly overlap after suppression, where that is the optimum.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from models.detector.boxes import Detections, Floats, overlaps


class TrackerConfig(BaseModel):
    """When a box is an item, and which."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    high_score: float = Field(default=0.5, ge=0, le=1, description="score of boxes that are matched first")
    low_score: float = Field(default=0.1, ge=0, le=1, description="score below which a box is background")
    new_score: float = Field(default=0.6, ge=0, le=1, description="score of a box that begins a track")
    high_iou: float = Field(default=0.2, gt=0, le=1, description="least overlap of a track with a box of high score")
    low_iou: float = Field(default=0.5, gt=0, le=1, description="least overlap of a track with a box of low score")
    confirm_hits: int = Field(default=2, ge=1, le=100, description="frames in a row that make a track an item")
    keep_s: float = Field(default=1.0, ge=0, le=600, description="seconds that a lost item is waited for")
    smoothing: float = Field(default=0.5, gt=0, le=1, description="weight of the newest velocity")
    max_tracks: int = Field(default=500, ge=1, le=10_000, description="tracks at a time; boxes beyond begin none")


@dataclass(eq=False)
class Track:
    """One item. `box` (4,) at `seen_at`, `velocity` (2,) pixels a second; `votes` sums the confidence for each name, None for
    no name."""

    number: int
    box: Floats
    score: float
    first_at: float
    seen_at: float
    velocity: Floats = field(default_factory=lambda: np.zeros(2))
    hits: int = 1
    confirmed: bool = False
    votes: dict[str | None, float] = field(default_factory=lambda: defaultdict(float))
    named: int = 0

    def at(self, second: float) -> Floats:
        """Where it is expected at `second`."""
        return self.box + np.tile(self.velocity * (second - self.seen_at), 2)

    def vote(self, product: str | None, confidence: float) -> None:
        """A crop of it was named."""
        self.votes[product] += confidence
        self.named += 1

    @property
    def product(self) -> str | None:
        """The name with most confidence so far; None while nobody can tell."""
        return max(self.votes, key=lambda name: (self.votes[name], name or "")) if self.votes else None

    @property
    def shares(self) -> dict[str | None, float]:
        """Mean confidence in each name over all its crops."""
        return {name: min(votes / self.named, 1.0) for name, votes in self.votes.items()}

    @property
    def confidence(self) -> float:
        """Mean confidence in that name over all its crops, other names' counting nothing."""
        return self.shares[self.product] if self.named else 0.0


@dataclass(frozen=True)
class Moved:
    """What a frame did: items that are seen, those first known to be items, and those that are gone for good."""

    seen: Sequence[Track]
    confirmed: Sequence[Track]
    ended: Sequence[Track]


class Tracker:
    """Tracks of one camera."""

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self._config = config or TrackerConfig()
        self._tracks: list[Track] = []
        self._last_at = -np.inf
        self._made = 0

    def update(self, found: Detections, second: float) -> Moved:
        """Take in the detections of a frame taken at `second`. ValueError when that is before the last one's."""
        if second < self._last_at:
            raise ValueError(f"a frame of second {second} after one of {self._last_at}: begin a new tracker")
        config = self._config
        high = np.flatnonzero(found.scores >= config.high_score)
        low = np.flatnonzero((found.scores < config.high_score) & (found.scores >= config.low_score))
        items = [each for each in self._tracks if each.confirmed]
        seen, unmatched, high = self._match(items, found, high, second, config.high_iou)
        visible = [each for each in unmatched if each.seen_at == self._last_at]
        again, _, _ = self._match(visible, found, low, second, config.low_iou)
        tentative = [each for each in self._tracks if not each.confirmed]
        once_more, dropped, high = self._match(tentative, found, high, second, config.high_iou)
        confirmed = [each for each in once_more if each.hits >= config.confirm_hits]
        for each in confirmed:
            each.confirmed = True
        ended = [each for each in items if second - each.seen_at > config.keep_s]
        gone = {each.number for each in (*ended, *dropped)}
        self._tracks = [each for each in self._tracks if each.number not in gone]
        confirmed += self._begin(found, high, second)
        self._last_at = second
        return Moved([*seen, *again, *confirmed], confirmed, ended)

    def _match(
        self, tracks: list[Track], found: Detections, among: npt.NDArray[np.intp], second: float, least: float
    ) -> tuple[list[Track], list[Track], npt.NDArray[np.intp]]:
        """Tracks matched with (and moved to) one of the boxes `among`, tracks without one, boxes without a track."""
        expected = np.array([each.at(second) for each in tracks]).reshape(-1, 4)
        pairs = associate(expected, found.boxes[among], least)
        for track, box in pairs:
            self._move(tracks[track], found.boxes[among[box]], float(found.scores[among[box]]), second)
        matched, used = {track for track, _ in pairs}, {box for _, box in pairs}
        rest = [box for place, box in enumerate(among.tolist()) if place not in used]
        return (
            [tracks[number] for number in sorted(matched)],
            [each for number, each in enumerate(tracks) if number not in matched],
            np.array(rest, dtype=np.intp),
        )

    def _move(self, track: Track, box: Floats, score: float, second: float) -> None:
        elapsed = second - track.seen_at
        if elapsed > 0:
            step = (box[:2] + box[2:] - track.box[:2] - track.box[2:]) / 2 / elapsed
            weight = 1.0 if track.hits == 1 else self._config.smoothing
            track.velocity = (1 - weight) * track.velocity + weight * step
        track.box, track.score, track.seen_at = box, score, second
        track.hits += 1

    def _begin(self, found: Detections, among: npt.NDArray[np.intp], second: float) -> list[Track]:
        """New tracks; those that are items at once, where one frame makes one."""
        begun = []
        for box in among[found.scores[among] >= self._config.new_score].tolist():
            if len(self._tracks) >= self._config.max_tracks:
                break
            self._made += 1
            track = Track(self._made, found.boxes[box], float(found.scores[box]), second, second)
            track.confirmed = self._config.confirm_hits == 1
            self._tracks.append(track)
            begun.append(track)
        return [each for each in begun if each.confirmed]


def associate(first: Floats, second: Floats, least: float) -> list[tuple[int, int]]:
    """Pairs of a box of `first` (M, 4) with one of `second` (N, 4), best overlap first, none below `least`, each box once."""
    overlap = overlaps(first, second)
    rows, columns = np.nonzero(overlap >= least)
    order = np.argsort(-overlap[rows, columns], kind="stable")
    pairs, taken, given = [], set(), set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in taken and column not in given:
            taken.add(row)
            given.add(column)
            pairs.append((row, column))
    return pairs
