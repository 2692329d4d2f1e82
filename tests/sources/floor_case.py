"""A small shop for the tests of the floor: exact sensors, a busy hour."""

from functools import lru_cache

from sources.twin.cameras.params import CameraParams, ClipParams, PictureParams, SensorParams, ShelfParams
from sources.twin.floor.floor import Floor, ShopDay
from sources.twin.floor.params import CeilingParams, CrowdParams, ExitParams, FloorParams, MatParams, RoomParams

EXACT = SensorParams(
    weight_noise_g=0, weight_drift_g=0, touch_g=0, package_spread=0, rfid_read=1, rfid_dead=0, rfid_stray=0
)
PARAMS = FloorParams(
    room=RoomParams(gondolas=6),
    crowd=CrowdParams(visits=60, opens_h=8, closes_h=9, peaks_h=(), pairs=0.3, trios=0.1),
    ceiling=CeilingParams(missed=0, missed_behind_person=0, missed_behind_shelf=0, false_per_s=0),
    mats=MatParams(noise_g=0, drift_g=0, dead_share=0, touch_g=0),
    exit=ExitParams(missed=0, missed_shielded=0, stray_waiting=0, stray_shelf=0),
    cameras=CameraParams(
        products=60,
        picture=PictureParams(width=320, height=240),
        shelf=ShelfParams(levels=3, rows=3, fewest_rows=2, misplaced_share=0.02),
        clip=ClipParams(frames_per_s=3),
        sensors=EXACT,
    ),
)


@lru_cache
def floor() -> Floor:
    """The shop, seed 5 in world 11."""
    return Floor(PARAMS, 5, world_seed=11)


@lru_cache
def day() -> ShopDay:
    """Its day 2."""
    return floor().day(2)
