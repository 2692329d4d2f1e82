"""What is observed: pictures with their camera and time, the cameras' places, and what the shop knows of its shelves."""

from collections.abc import Sequence
from dataclasses import dataclass

from sources.twin.cameras.camera import Camera
from sources.twin.cameras.pixels import Pixels
from sources.twin.cameras.planogram import Lane


@dataclass(frozen=True, eq=False)
class Picture:
    """`pixels` RGB (H, W, 3) of one camera, stamped `at_s` by that camera's own clock."""

    camera_id: str
    at_s: float
    pixels: Pixels


@dataclass(frozen=True, eq=False)
class Seen:
    """Pictures of a scene and the cameras that took them. `lanes` is what the shop planned where, not what stands there;
    `boards` are the heights in cm of the boards those lanes lie on. Both are empty for a counter."""

    pictures: Sequence[Picture]
    cameras: Sequence[Camera]
    lanes: Sequence[Lane] = ()
    boards: Sequence[float] = ()
