"""Every knob of the twin's cameras, with unit, bounds, default and meaning.

The defaults were looked at, then frozen: over 200 products a matcher of colour histograms (`naive`) must name fewer than 60 % of
the packages of which half is seen in a shelf scene, and clearly more than chance. On world seeds 11 to 13 it named 36, 37 and
39 % from some 2,300 crops of 30 other scenes (50, 42 and 45 % with cameras of 640 x 480, by other crops).
Lengths are in centimetres, times in seconds, weights in grams.
"""

from typing import Self

from pydantic import Field, model_validator

from sources.twin.knobs import Knobs


class PictureParams(Knobs):
    """What every camera has in common."""

    width: int = Field(1280, ge=160, le=1920, description="columns of a picture, pixels")
    height: int = Field(960, ge=120, le=1440, description="rows of a picture, pixels")
    field_of_view: float = Field(62.0, ge=20, le=110, description="horizontal angle seen, degrees")
    distortion: float = Field(-0.06, ge=-0.15, le=0.15, description="mean radial distortion k1; below 0 = barrel")
    pose_jitter: float = Field(
        4.0, ge=0, le=15, description="standard deviation of a camera's place between scenes, cm"
    )


class ShelfParams(Knobs):
    """A stretch of gondola, its planogram and how untidy it is."""

    cameras: int = Field(2, ge=1, le=4, description="cameras that look at the gondola")
    width_cm: float = Field(120.0, ge=40, le=300, description="length of the stretch")
    levels: int = Field(4, ge=1, le=6, description="boards with goods")
    clearance_cm: float = Field(5.0, ge=2, le=30, description="from the tallest package of a board to the next board")
    depth_cm: float = Field(38.0, ge=20, le=60, description="from the front edge to the back panel")
    facings: int = Field(2, ge=1, le=4, description="most packages of one product side by side")
    rows: int = Field(2, ge=1, le=4, description="packages of a lane that are drawn, one behind another")
    fewest_rows: int = Field(
        1, ge=1, le=4, description="least rows of a lane that is stocked, where the board is deep enough"
    )
    gap_share: float = Field(0.12, ge=0, le=0.9, description="chance that a lane is sold out")
    misplaced_share: float = Field(0.03, ge=0, le=0.5, description="chance that a package stands in another's lane")
    turned_share: float = Field(0.12, ge=0, le=1, description="chance that a package does not face the aisle")
    fallen_share: float = Field(0.03, ge=0, le=0.5, description="chance that a package lies on its side")
    restocking_share: float = Field(0.2, ge=0, le=1, description="chance that boxes of restocking stand in the way")
    hand_share: float = Field(0.35, ge=0, le=1, description="chance that a customer's arm is in the picture")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.fewest_rows > self.rows:
            raise ValueError(f"shelf: fewest_rows {self.fewest_rows} lies above rows {self.rows}: lower it")
        return self


class CheckoutParams(Knobs):
    """A counter with a few packages in any pose."""

    cameras: int = Field(2, ge=1, le=4, description="cameras above the counter")
    fewest: int = Field(1, ge=1, le=12, description="least packages on the counter")
    most: int = Field(12, ge=1, le=20, description="most packages on the counter")
    lying_share: float = Field(0.45, ge=0, le=1, description="chance that a package lies rather than stands")
    hand_share: float = Field(0.35, ge=0, le=1, description="chance that a hand is over the counter")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.fewest > self.most:
            raise ValueError(f"checkout: fewest {self.fewest} lies above most {self.most}: lower it")
        return self


class EffectParams(Knobs):
    """What light, lens, sensor and file do to a picture. All of it at 0 and `jpeg_lowest` at 100 leave the drawing as it is but for
    the darker corners of any lens."""

    warmth: float = Field(0.12, ge=0, le=0.4, description="standard deviation of log red over blue")
    exposure: float = Field(0.22, ge=0, le=0.8, description="standard deviation of log brightness")
    dim_share: float = Field(0.1, ge=0, le=1, description="chance of a dim shop: a third to two thirds of the light")
    spotlights: int = Field(2, ge=0, le=6, description="most spotlights, which light a part of the picture")
    glare: float = Field(0.25, ge=0, le=1, description="chance that a glossy package shows a patch of glare")
    reflection: float = Field(0.15, ge=0, le=1, description="chance of a reflection as of a cooler's glass door")
    defocus_px: float = Field(0.8, ge=0, le=4, description="usual blur of the lens, standard deviation, pixels")
    defocus_spread: float = Field(0.35, ge=0, le=1.5, description="standard deviation of its logarithm")
    motion_px: float = Field(8.0, ge=0, le=25, description="longest motion blur, pixels")
    motion_share: float = Field(0.15, ge=0, le=1, description="chance of motion blur")
    noise: float = Field(4.0, ge=0, le=30, description="mean sensor noise, standard deviation in grey levels of 255")
    jpeg_lowest: int = Field(55, ge=5, le=100, description="lowest quality of the JPEG file; 100 = no file between")


class ClipParams(Knobs):
    """How long a customer is watched and what they do."""

    frames_per_s: float = Field(4.0, ge=1, le=15, description="pictures a second of each camera")
    visit_s: float = Field(3.5, ge=2, le=10, description="time of one reach into the shelf, before its spread")
    visits: int = Field(1, ge=1, le=4, description="most reaches of a clip")
    most_items: int = Field(3, ge=1, le=3, description="most packages taken or put back at once")
    put_share: float = Field(0.35, ge=0, le=1, description="chance that a reach puts back what the customer holds")
    swap_share: float = Field(0.1, ge=0, le=1, description="chance that a reach puts one thing back and takes another")
    browse_share: float = Field(0.08, ge=0, le=1, description="chance that a reach takes nothing")
    wrong_place_share: float = Field(0.3, ge=0, le=1, description="chance that something is put into another's lane")
    clock_offset_s: float = Field(0.15, ge=0, le=1, description="largest error of a sensor's clock, either way")


class SensorParams(Knobs):
    """Scales under the boards and RFID antennas behind them."""

    weight_hz: float = Field(10.0, ge=1, le=100, description="readings a second of a scale")
    weight_noise_g: float = Field(1.5, ge=0, le=50, description="standard deviation of a reading")
    weight_drift_g: float = Field(0.4, ge=0, le=20, description="standard deviation of the drift in one second")
    weight_step_g: float = Field(1.0, gt=0, le=50, description="what readings are rounded to")
    touch_g: float = Field(60.0, ge=0, le=1_000, description="standard deviation of the load of a hand on the board")
    package_spread: float = Field(0.01, ge=0, le=0.2, description="standard deviation of log weight between packages")
    rfid_hz: float = Field(5.0, ge=0.5, le=50, description="rounds a second of an antenna")
    rfid_read: float = Field(0.7, ge=0, le=1, description="chance that a round reads a tag on the board")
    rfid_dead: float = Field(0.02, ge=0, le=1, description="share of tags that are never read")
    rfid_stray: float = Field(0.05, ge=0, le=1, description="chance that a round reads a tag of a neighbour's board")
    rfid_rssi_dbm: float = Field(-52.0, ge=-90, le=-20, description="mean signal of a tag on its own board")
    rfid_rssi_spread: float = Field(4.0, ge=0, le=15, description="standard deviation of a signal, dB")


class CameraParams(Knobs):
    """The twin's cameras as a whole."""

    products: int = Field(60, ge=1, le=1_000, description="products of the catalogue that stand on shelves")
    new_products: int = Field(
        0,
        ge=0,
        le=200,
        description="products numbered after those: they can be enrolled, and stand nowhere unless asked for",
    )
    picture: PictureParams = PictureParams()
    shelf: ShelfParams = ShelfParams()
    checkout: CheckoutParams = CheckoutParams()
    effects: EffectParams = EffectParams()
    clip: ClipParams = ClipParams()
    sensors: SensorParams = SensorParams()
