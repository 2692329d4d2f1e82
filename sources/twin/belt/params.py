"""Every knob of the packing belt, with unit, bounds and default.

The defaults were chosen on seeds 11 to 13 so that looking at the sensors alone, or at the mean difference of a picture from its
batch's approved sample, is better than guessing and far from enough (AUROC inside `NAIVE_BAND`), while a person who looks closely
finds the weakest defect; then they were left alone.
"""

from pydantic import Field

from sources.twin.knobs import Knobs

NAIVE_BAND = (0.55, 0.85)  # AUROC of each naive method; outside, the belt is too hard or too easy


class CameraParams(Knobs):
    """What stands between a package and its picture."""

    light_drift: float = Field(
        0.08, ge=0, le=0.5, description="amplitude of the lamps' slow drift, fraction of their light"
    )
    light_spread: float = Field(0.04, ge=0, le=0.5, description="standard deviation of a picture's light, fraction")
    light_slope: float = Field(0.08, ge=0, le=0.5, description="largest fall of light across a picture, fraction")
    colour_drift: float = Field(
        0.03, ge=0, le=0.3, description="standard deviation of a channel's gain in a batch, fraction"
    )
    jitter: float = Field(
        0.012, ge=0, le=0.1, description="standard deviation of a package's place, fraction of the picture"
    )
    turn_degrees: float = Field(0.8, ge=0, le=10, description="standard deviation of a package's turn on the belt")
    blur_px: float = Field(0.35, ge=0, le=5, description="largest standard deviation of the blur, pixels of 128")
    reflections: float = Field(
        0.35, ge=0, le=1, description="share of pictures with a reflection of the lamps on the film"
    )
    reflection_strength: float = Field(
        45.0, ge=0, le=255, description="largest brightness of a reflection, levels of 255"
    )
    noise: float = Field(2.5, ge=0, le=50, description="standard deviation of the sensor's noise, levels of 255")


class SensorParams(Knobs):
    """The scale, the seal tester and the thermometer beside the camera."""

    weight_spread: float = Field(
        0.012, gt=0, le=0.2, description="standard deviation of the filled weight, fraction of nominal"
    )
    weight_drift: float = Field(
        0.004, ge=0, le=0.2, description="standard deviation of a batch's bias of the scale, fraction"
    )
    pressure_spread: float = Field(1.2, gt=0, le=50, description="standard deviation of a tight seal's pressure, kPa")
    pressure_drift: float = Field(
        0.4, ge=0, le=50, description="standard deviation of a batch's bias of the tester, kPa"
    )
    temperature_spread: float = Field(
        0.35, gt=0, le=10, description="standard deviation of a chilled package, degrees Celsius"
    )
    temperature_drift: float = Field(
        0.2, ge=0, le=10, description="standard deviation of a batch's ambient bias, degrees Celsius"
    )
    least_deviation: float = Field(
        5.0, ge=0, le=100, description="standard deviations by which the weakest underfill, leak or warm package is off"
    )
    most_deviation: float = Field(
        16.0, ge=0, le=500, description="standard deviations by which the grossest one is off"
    )


class BeltParams(Knobs):
    """The belt. Severities are uniform from `least_severity` to 1, kinds of defects are equally frequent."""

    products: int = Field(6, ge=2, le=1_000, description="products packed, each with its own film, label and fill")
    batch_size: int = Field(200, ge=1, le=100_000, description="packages of one product and date in a row")
    batches_per_day: int = Field(4, ge=1, le=1_000, description="batches packed a day")
    size_px: int = Field(128, ge=64, le=512, description="side of a picture, pixels")
    defect_share: float = Field(
        0.3, ge=0, le=1, description="share of packages with a defect; a line that keeps what it rejects"
    )
    least_severity: float = Field(
        0.15, ge=0, le=1, description="severity of the weakest defect: a person must look closely"
    )
    camera: CameraParams = CameraParams()
    sensors: SensorParams = SensorParams()
