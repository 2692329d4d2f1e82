"""Every knob of the shop's floor, with unit, bounds, default and meaning.

The defaults were looked at on world seeds 11 to 13, then frozen: about one reach in eight meets another person's within 3 s and
1.5 m, and reading tags at the exit alone (`naive`) bills a share of baskets exactly that lies inside `NAIVE_BAND`.
Lengths are in metres, times in seconds, levels in dB.
"""

from typing import Self

from pydantic import Field, model_validator

from sources.twin.cameras.params import CameraParams, ClipParams, PictureParams, ShelfParams
from sources.twin.knobs import Knobs

NAIVE_BAND = (
    0.3,
    0.8,
)  # share of baskets billed exactly by the named naive method; outside, the floor is too hard or too easy


class RoomParams(Knobs):
    """Walls and gondolas."""

    width_m: float = Field(10.0, ge=6, le=60, description="inner length of the wall with the gates")
    depth_m: float = Field(8.0, ge=6, le=60, description="inner length of the walls beside it")
    gondolas: int = Field(8, ge=1, le=48, description="stretches of shelf, back to back in islands of four")
    aisle_m: float = Field(1.8, ge=1.4, le=4, description="clear way between islands, and round them")
    store_room_m: float = Field(2.2, ge=0, le=6, description="side of a store room in the far right corner; 0 = none")


class CrowdParams(Knobs):
    """Who comes when, and how they walk."""

    visits: int = Field(240, ge=1, le=20_000, description="visits a day; each is the same however many there are")
    opens_h: float = Field(7.0, ge=0, le=23, description="hour at which the first may come")
    closes_h: float = Field(21.0, ge=1, le=24, description="hour after which none comes")
    peaks_h: tuple[float, ...] = Field((8.0, 12.5, 17.5), description="hours about which visits crowd")
    peak_share: float = Field(0.75, ge=0, le=1, description="share of visits that belong to a peak")
    peak_spread_h: float = Field(0.6, gt=0, le=6, description="standard deviation of a peak")
    pairs: float = Field(0.18, ge=0, le=1, description="share of visits by two persons")
    trios: float = Field(0.05, ge=0, le=1, description="share of visits by three persons")
    together: float = Field(0.6, ge=0, le=1, description="share of groups that shop side by side")
    speed_m_s: float = Field(1.1, ge=0.3, le=2, description="median walking speed")
    speed_spread: float = Field(0.15, ge=0, le=0.4, description="standard deviation of its logarithm")
    sway_m: float = Field(0.03, ge=0, le=0.2, description="standard deviation of the sway of a body")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.pairs + self.trios > 1:
            raise ValueError(f"crowd: pairs {self.pairs} and trios {self.trios} exceed 1 together: lower them")
        if self.opens_h >= self.closes_h:
            raise ValueError(f"crowd: opens_h {self.opens_h} is not before closes_h {self.closes_h}")
        return self


class ShoppingParams(Knobs):
    """What a person wants and does at a shelf."""

    list_mean: float = Field(1.0, ge=0, le=10, description="mean of products wanted beyond the first")
    popularity: float = Field(0.5, ge=0, le=2, description="standard deviation of log demand between products")
    more_share: float = Field(0.2, ge=0, le=1, description="chance of each further package of a product, three at most")
    browse_stops: float = Field(0.9, ge=0, le=5, description="mean of stops at shelves with nothing wanted there")
    other_looks: float = Field(1.5, ge=0, le=6, description="mean of other products looked at on a stop")
    look_s: float = Field(3.2, gt=0, le=20, description="median time of a look")
    look_spread: float = Field(0.5, ge=0, le=1.5, description="standard deviation of its logarithm")
    interest: float = Field(
        0.35, ge=0, le=1, description="growth of the logarithm by one standard deviation of interest"
    )
    impulse_share: float = Field(
        0.06, ge=0, le=1, description="chance that something looked at is taken, at mean interest"
    )
    touch_share: float = Field(0.08, ge=0, le=1, description="chance that something looked at is touched and left")
    regret_share: float = Field(0.12, ge=0, le=1, description="chance that something taken is put back")
    elsewhere_share: float = Field(0.25, ge=0, le=1, description="chance that it is put back at another gondola")
    wrong_lane_share: float = Field(
        0.2, ge=0, le=1, description="chance that it is put into a wrong lane of its own gondola"
    )
    swap_share: float = Field(0.08, ge=0, le=1, description="chance that something taken is then swapped for another")
    hand_over_share: float = Field(
        0.2, ge=0, le=1, description="chance that one of a group side by side hands it to another"
    )
    reach_s: float = Field(3.5, ge=2, le=10, description="time of one reach into the shelf, before its spread")


class DoorParams(Knobs):
    """Gates with a light barrier each."""

    missed: float = Field(0.01, ge=0, le=0.5, description="chance that a person who crosses is not counted")
    clock_offset_s: float = Field(0.3, ge=0, le=5, description="largest error of a gate's clock, either way")


class CeilingParams(Knobs):
    """Cameras that look down and find persons."""

    across: int = Field(3, ge=1, le=12, description="cameras along the wall with the gates")
    deep: int = Field(2, ge=1, le=12, description="rows of cameras")
    height_m: float = Field(3.0, ge=2.2, le=6, description="height of the lenses")
    overlap_m: float = Field(0.5, ge=0, le=3, description="how far a camera sees beyond its part of the floor")
    noise_m: float = Field(0.12, ge=0, le=1, description="standard deviation of a place, each axis, below the lens")
    noise_per_m: float = Field(0.03, ge=0, le=0.2, description="more of it for each metre aside")
    missed: float = Field(0.03, ge=0, le=1, description="chance that a person in full view is not found")
    missed_behind_person: float = Field(0.75, ge=0, le=1, description="chance behind another person")
    missed_behind_shelf: float = Field(0.35, ge=0, le=1, description="chance behind a gondola")
    false_per_s: float = Field(0.01, ge=0, le=2, description="false finds of a camera a second, while anybody is in")
    wardrobes: int = Field(24, ge=1, le=1_000, description="kinds of clothes that people wear")
    clothes_spread: float = Field(0.25, ge=0, le=2, description="standard deviation within a kind; kinds spread by 1")
    clothes_noise: float = Field(0.45, ge=0, le=3, description="standard deviation of a seen number of appearance")
    clock_offset_s: float = Field(0.2, ge=0, le=5, description="largest error of a camera's clock, either way")


class RadioParams(Knobs):
    """Wi-Fi: log-distance path loss (Rappaport, 2002, "Wireless Communications", chapter 4) with walls, shelves and shadows."""

    access_points: int = Field(6, ge=1, le=32, description="access points at walls and ceiling")
    at_1_m_dbm: float = Field(-38.0, ge=-70, le=0, description="mean level at one metre")
    exponent: float = Field(2.4, ge=1.5, le=5, description="path loss exponent")
    wall_db: float = Field(7.0, ge=0, le=30, description="loss through an inner wall")
    gondola_db: float = Field(2.5, ge=0, le=30, description="loss through a gondola")
    shadow_db: float = Field(3.0, ge=0, le=15, description="standard deviation of the static shadow field")
    shadow_m: float = Field(1.5, gt=0, le=20, description="its correlation length")
    device_db: float = Field(4.0, ge=0, le=15, description="standard deviation of a device's own offset")
    noise_db: float = Field(3.0, ge=0, le=15, description="standard deviation of a reading")
    dropout: float = Field(0.08, ge=0, le=1, description="chance that an access point is not heard in a scan")
    floor_dbm: float = Field(-100.0, ge=-120, le=-60, description="level below which nothing is heard")
    heard: float = Field(0.85, ge=0, le=1, description="share of persons whose device is heard")
    scan_s: float = Field(2.0, ge=0.2, le=60, description="mean time between scans of a device")
    survey_step_m: float = Field(1.0, ge=0.25, le=5, description="grid of the survey")
    survey_scans: int = Field(4, ge=1, le=100, description="scans at each of its places, by devices in turn")
    survey_devices: int = Field(3, ge=1, le=50, description="devices that the survey was made with")
    clock_offset_s: float = Field(0.5, ge=0, le=5, description="largest error of the controller's clock, either way")


class MatParams(Knobs):
    """Pressure mats on the boards, which send their matrix when it changes."""

    cell_cm: float = Field(5.0, ge=1, le=30, description="length of a cell along the shelf")
    cells_deep: int = Field(4, ge=1, le=16, description="cells from the front edge to the back")
    noise_g: float = Field(2.0, ge=0, le=50, description="standard deviation of a cell's reading")
    drift_g: float = Field(6.0, ge=0, le=100, description="standard deviation of a cell's offset over a day")
    dead_share: float = Field(0.01, ge=0, le=1, description="share of cells that always read 0")
    touch_g: float = Field(120.0, ge=0, le=2_000, description="mean load of a resting hand")
    clock_offset_s: float = Field(0.15, ge=0, le=5, description="largest error of a mat's clock, either way")


class ExitParams(Knobs):
    """The antenna at the exit."""

    missed: float = Field(0.04, ge=0, le=1, description="chance that a living tag is not read in a pass")
    shielded_share: float = Field(0.15, ge=0, le=1, description="share of persons whose body shields what they carry")
    missed_shielded: float = Field(0.18, ge=0, le=1, description="chance for those")
    reads: float = Field(6.0, ge=1, le=100, description="mean of readings of a tag that is read")
    reach_m: float = Field(2.5, ge=0.5, le=10, description="how far away a tag may stray into the field")
    stray_waiting: float = Field(
        0.3, ge=0, le=1, description="chance that a pass reads what someone near the gate carries"
    )
    stray_shelf: float = Field(0.002, ge=0, le=1, description="chance that a pass reads a tag of a shelf near the gate")
    rssi_dbm: float = Field(-50.0, ge=-90, le=-20, description="mean level of a tag that passes")
    rssi_spread: float = Field(4.0, ge=0, le=15, description="standard deviation of a level")
    clock_offset_s: float = Field(0.3, ge=0, le=5, description="largest error of the antenna's clock, either way")


def _cameras() -> CameraParams:
    """Smaller pictures and fuller shelves than the cameras' own, with fewer things out of place in the morning."""
    return CameraParams(
        products=160,
        picture=PictureParams(width=640, height=480),
        shelf=ShelfParams(
            rows=4, fewest_rows=3, gap_share=0.02, misplaced_share=0.01, turned_share=0.1, fallen_share=0.005
        ),
        clip=ClipParams(clock_offset_s=0.15),
    )


class FloorParams(Knobs):
    """The floor as a whole; `cameras` also gives the products, the boards, their scales and their antennas."""

    room: RoomParams = RoomParams()
    crowd: CrowdParams = CrowdParams()
    shopping: ShoppingParams = ShoppingParams()
    door: DoorParams = DoorParams()
    ceiling: CeilingParams = CeilingParams()
    radio: RadioParams = RadioParams()
    mats: MatParams = MatParams()
    exit: ExitParams = ExitParams()
    cameras: CameraParams = Field(default_factory=_cameras)
