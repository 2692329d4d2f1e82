"""What a shop sees of a day on its floor. Nothing in here is truth: no person has a name, and clocks are those of the sensors."""

from dataclasses import dataclass

import pyarrow as pa

from sources.twin.cameras.clips import Clip
from sources.twin.floor.ceiling import PeopleSeen
from sources.twin.floor.door import DoorEvents
from sources.twin.floor.mats import MatPictures
from sources.twin.floor.wifi import Scans


@dataclass(frozen=True, eq=False)
class Observed:
    """A day's observations; times are seconds since midnight by the clock of the sensor that tells them.

    `door` the gates, `people` what ceiling cameras find, `wifi` the scans of devices, `bindings` visit_id -> device_id of those who
    pay, `mats` the boards' pressure, `exit_reads` of the antenna at the exit, `tags` the shop's books: epc -> product_id.
    """

    door: DoorEvents
    people: PeopleSeen
    wifi: Scans
    bindings: pa.Table
    mats: MatPictures
    exit_reads: pa.Table
    tags: pa.Table


@dataclass(frozen=True, eq=False)
class ShelfClip:
    """What cameras, scales and antennas of gondola `gondola` show from `from_s` on, seconds since midnight: times in `clip` count
    from there, each by its sensor's clock. `clip.truth` is for judges alone."""

    gondola: int
    from_s: float
    clip: Clip
