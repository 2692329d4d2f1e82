"""Readings of scales and antennas from a file that their driver adds lines of JSON to, kept for as long as the fusion looks back.

`{"kind": "weight", "board": 0, "time": "2026-01-05T18:30:00.1Z", "grams": 812.0}` or
`{"kind": "tag", "board": 0, "time": "...", "epc": "E280...", "rssi_dbm": -61.0}`.
"""

import os
from collections import deque
from collections.abc import Sequence
from typing import Annotated, BinaryIO, Literal

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edge.eyes.shelf_spec import Key, ShelfSpec
from models.detector.observed import ScaleReadings, TagReads

LINE_BYTES = 1_000
AT_ONCE = 1 << 20  # bytes taken apart at a time, 12,000 readings and 15 ms of a server core: the rest comes in turns
KEPT = 50_000  # readings of each kind; the oldest give way
_NEAR = 64 << 10  # bytes before a window that are taken with it: nothing is searched for in less
_DISORDER_S = 5.0  # by which readings of several boards may lie in the file in another order than in time


class _Reading(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    board: int = Field(ge=0, le=1_000)
    time: AwareDatetime


class WeightReading(_Reading):
    """What a scale shows."""

    kind: Literal["weight"]
    grams: float


class TagReading(_Reading):
    """A tag that an antenna heard."""

    kind: Literal["tag"]
    epc: Key
    rssi_dbm: float


_READINGS: TypeAdapter[WeightReading | TagReading] = TypeAdapter(
    Annotated[WeightReading | TagReading, Field(discriminator="kind")]
)


class SensorLog:
    """Readings of the shelf's file, for windows that move on. Lines that are none are counted in `broken` and left out."""

    def __init__(self, spec: ShelfSpec) -> None:
        self._spec, self._read_to, self._rest = spec, 0, b""
        self._newest = -np.inf
        self._weights: deque[WeightReading] = deque(maxlen=KEPT)
        self._tags: deque[TagReading] = deque(maxlen=KEPT)
        self.broken = 0

    def read(self, first: float, last: float) -> None:
        """Take in `AT_ONCE` bytes at most of what was added since and may be of the seconds `first` to `last`: what lies before is
        passed over, what lies behind is left for later. A file that is not there yet, or was begun anew, is no trouble."""
        file = self._spec.sensors
        if file is None or not file.is_file():
            return
        with file.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            if size < self._read_to:
                self._read_to, self._rest, self._newest = 0, b"", -np.inf
            # The end of the file is asked, too: a driver whose clock was ahead for a while would hold up what it tells now.
            if self._newest > last + _DISORDER_S and _told_before(stream, size)[0] > last + _DISORDER_S:
                return
            self._pass_over(stream, size, first - _DISORDER_S)
            stream.seek(self._read_to)
            added = stream.read(AT_ONCE)
        self._read_to += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        if len(self._rest) > LINE_BYTES:
            self._rest, self.broken = b"", self.broken + 1
        for line in lines:
            self._take(line)
        kept: deque[WeightReading] | deque[TagReading]
        for kept in (self._weights, self._tags):
            while kept and kept[0].time.timestamp() < first - _DISORDER_S:
                kept.popleft()

    def _pass_over(self, stream: BinaryIO, size: int, first: float) -> None:
        """Go on at a line not long before the second `first`, found by halving: readings lie in the file about as in time."""
        low, high = self._read_to, size
        while high - low > _NEAR:
            middle = (low + high) // 2
            told, end = _told_before(stream, middle)
            if told < first and end > self._read_to:
                low = self._read_to = end
                self._rest = b""
            else:
                high = middle

    def weights(self, first: float, last: float) -> ScaleReadings | None:
        """Of the seconds `first` to `last`, counted from `first`; None where no scale told anything."""
        kept = [each for each in self._weights if first <= each.time.timestamp() <= last]
        kept.sort(key=lambda each: (each.board, each.time))
        if not kept:
            return None
        return ScaleReadings(
            np.array([each.board for each in kept]),
            np.array([each.time.timestamp() - first for each in kept]),
            np.array([each.grams for each in kept]),
        )

    def heard(self, first: float, last: float) -> set[str]:
        """Products of which a tag was read in the seconds `first` to `last`."""
        return {self._spec.tags[each.epc] for each in self._tags if first <= each.time.timestamp() <= last}

    def tags(self, first: float, last: float, products: Sequence[str]) -> TagReads | None:
        """Reads of known tags, as `weights`, their products numbered as in `products` (-1: none of these); None where no antenna
        told anything."""
        numbers = {epc: place for place, epc in enumerate(self._spec.tags)}
        place_of = {product: place for place, product in enumerate(products)}
        kept = [each for each in self._tags if first <= each.time.timestamp() <= last]
        if not kept:
            return None
        return TagReads(
            np.array([each.board for each in kept]),
            np.array([each.time.timestamp() - first for each in kept]),
            np.array([numbers[each.epc] for each in kept]),
            np.array([each.rssi_dbm for each in kept]),
            np.array([place_of.get(product, -1) for product in self._spec.tags.values()]),
        )

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            reading = _READINGS.validate_json(line[: LINE_BYTES + 1])
        except ValidationError:
            self.broken += 1
            return
        self._newest = reading.time.timestamp()
        if reading.board >= len(self._spec.boards_cm):
            self.broken += 1
        elif isinstance(reading, WeightReading):
            self._weights.append(reading)
        elif reading.epc in self._spec.tags:  # a stranger's tag is none of this shelf's
            self._tags.append(reading)


def _told_before(stream: BinaryIO, offset: int) -> tuple[float, int]:
    """The second of the last reading that ends before `offset`, and where its line ends; inf where none is near."""
    begin = stream.seek(max(0, offset - 2 * LINE_BYTES))
    *lines, after = stream.read(offset - begin).split(b"\n")
    end = offset - len(after)
    for line in reversed(lines):
        try:
            return _READINGS.validate_json(line).time.timestamp(), end
        except ValidationError:
            end -= len(line) + 1
    return np.inf, end
