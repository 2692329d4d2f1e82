"""What the sensors of a shop's floor tell of a day's visits: its clips are filmed and fused, tags followed, and each deed given to a
visit. In the place of a detector stand its errors.

Sensors can be left out, to see what each is worth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.behaviour.mat_deeds import joined, mat_deeds
from models.behaviour.mats import MatChange, mat_changes
from models.behaviour.positioning import Positioner
from models.behaviour.tag_deeds import tagged
from models.behaviour.visit_events import ShelfDeed, VisitEvent
from models.behaviour.visit_tracker import VisitTracker
from models.detector.beliefs import Beliefs
from models.detector.event_confidence import EventsSpec
from models.detector.fusion import PickPut, fuse
from models.detector.observed import Recording
from models.detector.parts import base_events
from models.detector.tag_moves import ClipReads, TagPaths, tag_paths
from orchestration.clip_recordings import LEAST_CONFIDENCE, told_by
from orchestration.made_up_detections import DetectorErrors, Lookalikes, recording
from orchestration.shop_day import (
    clip_reads,
    mat_matrices,
    moved_tags,
    planogram,
    sensed,
    shelf_deeds,
    shop_plan,
    silent_tags,
)
from sources.twin.floor.floor import Floor, ShopDay

GATE_READ = 0.915  # of the tags that pass, dead ones and shielded ones included: what four days of other worlds told


@dataclass(frozen=True)
class Sensors:
    """What a shop has; `cameras` at each gondola."""

    cameras: int = 2
    scales: bool = True
    antennas: bool = True
    mats: bool = True
    gate: bool = True
    wifi: bool = True
    looks: bool = True

    @property
    def shelf(self) -> tuple[int, bool, bool]:
        """What the fusion of a clip hangs on."""
        return self.cameras, self.scales, self.antennas


ALL = Sensors()


@dataclass(frozen=True, eq=False)
class SeenDay:
    """A day with the events of its clips by what the shelves have (`Sensors.shelf`): gondola, beginning, and events of each clip, and
    with the `paths` of tags by gondola."""

    floor: Floor
    day: ShopDay
    positioner: Positioner
    clips: Mapping[tuple[int, bool, bool], Sequence[tuple[int, float, Sequence[PickPut]]]]
    paths: Mapping[int, TagPaths]


def seen_day(floor: Floor, positioner: Positioner, number: int, shelves: Sequence[tuple[int, bool, bool]]) -> SeenDay:
    """Film a day, and fuse each clip once for each set of what the shelves have."""
    day, errors, spec = floor.day(number), DetectorErrors(), base_events(Beliefs())
    alike = Lookalikes(floor.studio.appearances, errors)
    clips: dict[tuple[int, bool, bool], list[tuple[int, float, Sequence[PickPut]]]] = {each: [] for each in shelves}
    reads: dict[int, list[ClipReads]] = {}
    for k, shown in enumerate(day.clips()):
        rng = np.random.default_rng([floor.seed, number, k])
        whole = recording(shown.clip, floor.studio.appearances, alike, errors, rng)
        reads.setdefault(shown.gondola, []).append(clip_reads(shown.clip, whole, shown.from_s))
        for (cameras, scales, antennas), told in clips.items():
            part = told_by(whole, cameras, weighed=scales, tagged=antennas)
            told.append((shown.gondola, shown.from_s, _fused(part, spec)))
    return SeenDay(floor, day, positioner, clips, _paths(floor, reads, spec))


def _paths(floor: Floor, reads: Mapping[int, Sequence[ClipReads]], spec: EventsSpec) -> dict[int, TagPaths]:
    """Paths of the tags of each gondola that was filmed."""
    return {
        gondola: tag_paths(told, len(floor.stands[gondola].gondola.boards), spec.beliefs.tags)
        for gondola, told in reads.items()
    }


def _fused(part: Recording, spec: EventsSpec) -> list[PickPut]:
    return fuse(part, spec.beliefs, least_confidence=LEAST_CONFIDENCE, calibration=spec.of(part))


def deeds_of(seen: SeenDay, sensors: Sensors) -> list[ShelfDeed]:
    """Shelf events as clips and mats tell them."""
    gondolas = [stand.gondola for stand in seen.floor.stands]
    fused = [
        deed
        for gondola, from_s, events in seen.clips[sensors.shelf]
        for deed in shelf_deeds(events, gondola, gondolas[gondola], from_s)
    ]
    weights = [seen.floor.studio.appearances[k].weight_g for k in range(len(seen.floor.studio.appearances))]
    shelves = {number: planogram(gondola, weights) for number, gondola in enumerate(gondolas)}
    changes: list[MatChange] = []
    if sensors.mats:
        changes = mat_changes(mat_matrices(seen.day.observed.mats, seen.floor.mats.cells(0)[0]))
        fused = joined(fused, mat_deeds(changes, shelves), shelves)
    if not sensors.antennas:
        return fused
    silent = silent_tags(seen.paths, seen.day.observed.tags, seen.floor.studio.appearances.ids)
    return tagged(fused, moved_tags(seen.paths), changes, shelves, silent)


def visits_of(seen: SeenDay, sensors: Sensors, deeds: Sequence[ShelfDeed]) -> list[VisitEvent]:
    """What is told of visits."""
    told = sensed(seen.day.observed, seen.positioner if sensors.wifi else None, seen.floor.studio.appearances.ids)
    if not sensors.looks:
        told = replace(told, finds=replace(told.finds, looks=told.finds.looks[:, :0]))
    if not sensors.gate:
        told = replace(told, reads=None)
    tracker = VisitTracker(shop_plan(seen.floor.plan))
    return tracker.attribute(tracker.walk(told), deeds)
