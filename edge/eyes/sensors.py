"""Readings of scales and antennas from a file that their driver adds lines of JSON to, kept for as long as the fusion looks back.

`{"kind": "weight", "board": 0, "time": "2026-01-05T18:30:00.1Z", "grams": 812.0}` or
`{"kind": "tag", "board": 0, "time": "...", "epc": "E280...", "rssi_dbm": -61.0}`.
"""

from collections import deque
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edge.eyes.shelf_spec import Key, ShelfSpec
from models.detector.observed import ScaleReadings, TagReads

LINE_BYTES = 1_000
AT_ONCE = 4 << 20  # bytes read at a time: what a driver wrote while the box was off is taken in turns
KEPT = 50_000  # readings of each kind; the oldest give way


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
    """Readings of the shelf's file. Lines that are none are counted in `broken` and left out."""

    def __init__(self, spec: ShelfSpec) -> None:
        self._spec, self._read_to, self._rest = spec, 0, b""
        self._weights: deque[WeightReading] = deque(maxlen=KEPT)
        self._tags: deque[TagReading] = deque(maxlen=KEPT)
        self.broken = 0

    def read(self) -> None:
        """Take in what was added since; a file that is not there yet, or was begun anew, is no trouble."""
        file = self._spec.sensors
        if file is None or not file.is_file():
            return
        if file.stat().st_size < self._read_to:
            self._read_to, self._rest = 0, b""
        with file.open("rb") as stream:
            stream.seek(self._read_to)
            while added := stream.read(AT_ONCE):
                self._read_to += len(added)
                *lines, self._rest = (self._rest + added).split(b"\n")
                if len(self._rest) > LINE_BYTES:
                    self._rest, self.broken = b"", self.broken + 1
                for line in lines:
                    self._take(line)

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
        if reading.board >= len(self._spec.boards_cm):
            self.broken += 1
        elif isinstance(reading, WeightReading):
            self._weights.append(reading)
        elif reading.epc in self._spec.tags:  # a stranger's tag is none of this shelf's
            self._tags.append(reading)
