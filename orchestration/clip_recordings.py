"""Clips of the twin as the fusion of events sees them: what was found in their pictures, and what the other sensors told."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.detector.fusion import PickPut
from models.detector.observed import Ints, NamedDetections, Recording, ScaleReadings, Shelf, TagReads
from sources.twin.cameras.appearance import Appearances
from sources.twin.cameras.clips import Clip
from sources.twin.cameras.truth import Event

TOLERANCE_S = 1.5  # between what is told and the truth; two deeds of one hand lie further apart
LEAST_CONFIDENCE = 0.3


def cameras_of(clip: Clip) -> Ints:
    """Number (F,) of the camera of each picture."""
    names = [camera.camera_id for camera in clip.seen.cameras]
    return np.array([names.index(picture.camera_id) for picture in clip.seen.pictures])


def observed(clip: Clip, looks: Appearances, found: NamedDetections) -> Recording:
    """A clip as the fusion sees it: what was found in its pictures, and what its other sensors told."""
    seen = clip.seen
    boards = np.array(seen.boards)
    lanes = seen.lanes
    shelf = Shelf(
        np.array([lane.level for lane in lanes]),
        np.array([lane.product for lane in lanes]),
        np.array([lane.left for lane in lanes]),
        np.array([lane.right for lane in lanes]),
        boards,
        np.array([looks[k].weight_g for k in range(len(looks))]),
    )
    number = {name: k for k, name in enumerate(looks.ids)}
    tag = {epc: k for k, epc in enumerate(clip.tags["epc"].to_pylist())}
    reads = TagReads(
        _levels(clip.reads["antenna_id"].to_pylist()),
        clip.reads["at_s"].to_numpy(),
        np.array([tag[epc] for epc in clip.reads["epc"].to_pylist()], dtype=np.int64),
        clip.reads["rssi_dbm"].to_numpy(),
        np.array([number[name] for name in clip.tags["product_id"].to_pylist()], dtype=np.int64),
    )
    weights = ScaleReadings(
        _levels(clip.weights["sensor_id"].to_pylist()),
        clip.weights["at_s"].to_numpy(),
        clip.weights["grams"].to_numpy(),
    )
    at_s = np.array([picture.at_s for picture in seen.pictures])
    return Recording(seen.cameras, cameras_of(clip), at_s, found, shelf, weights, reads)


def _levels(names: list[str]) -> Ints:
    return np.array([int(name[1:]) - 1 for name in names], dtype=np.int64)


def told_by(whole: Recording, cameras: int, *, weighed: bool, tagged: bool) -> Recording:
    """A recording with its first `cameras` alone, and with or without its scales and antennas."""
    kept = replace(whole.keeping(whole.camera < cameras), cameras=whole.cameras[:cameras])
    return replace(kept, weights=whole.weights if weighed else None, reads=whole.reads if tagged else None)


def matched(found: Sequence[PickPut], true: Sequence[Event], *, timed: bool) -> tuple[list[bool], list[bool], int]:
    """Whether each true event was told rightly, whether each told one is right, and how many of those answer to no true one. The
    surest of the same deed near its time answers to a true event."""
    was_right, answers = [False] * len(found), set()
    event_right = []
    for event in true:
        near = [
            k
            for k, each in enumerate(found)
            if k not in answers
            and each.deed == event.deed
            and (not timed or abs(each.at_s - event.at_s) <= TOLERANCE_S)
        ]
        right = False
        if near:
            best = max(near, key=lambda k: found[k].confidence)
            answers.add(best)
            right = was_right[best] = (found[best].product, found[best].count) == (event.product, event.count)
        event_right.append(right)
    return event_right, was_right, len(found) - len(answers)
