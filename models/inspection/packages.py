"""One package as a service and an edge box are told of it: bounded, unknown fields refused, pictures as base64."""

import binascii
from base64 import b64decode
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models.common.pictures import PictureBounds, PictureError
from models.inspection.pictures import MOST_SIDE, read_square
from models.inspection.registering import Pixels

PICTURE_CHARACTERS = 700_000  # half a megabyte as base64: a picture as large as is read fits
BATCH = "Batch with an approved sample, of those that are known here."
PICTURE = "A square JPEG, PNG or WebP file of as many pixels as the approved samples"
Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Picture = Annotated[str, StringConstraints(min_length=1, max_length=PICTURE_CHARACTERS)]
Nominal = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False, strict=True)]
Weight = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False, strict=True)]
Pressure = Annotated[float, Field(ge=-110, le=2_000, allow_inf_nan=False, strict=True)]
Temperature = Annotated[float, Field(ge=-90, le=300, allow_inf_nan=False, strict=True)]


class Readings(BaseModel):
    """What the sensors told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight_g: Weight = Field(description="Weight, g.")
    pressure_kpa: Pressure = Field(description="Pressure that the seal held, kPa.")
    temperature_c: Temperature = Field(description="Temperature, degrees Celsius.")


class Sample(Readings):
    """The approved first package of a batch: how all should look, and nominal readings."""

    weight_g: Nominal = Field(description="Nominal weight, g.")
    picture: Picture = Field(description=f"{PICTURE}, as base64 (RFC 4648, section 4).")


class Package(Readings):
    """One package on the belt."""

    package_id: Id
    picture: Picture = Field(description=f"{PICTURE}, as base64 (RFC 4648, section 4).")
    batch_id: Id | None = Field(default=None, description=BATCH)
    approved: Sample | None = Field(
        default=None, description="The approved sample itself, of a batch that is not known here yet."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.batch_id is None) == (self.approved is None):
            raise ValueError("give either batch_id or the approved sample itself")
        return self


def decoded(text: str, side: int | None) -> Pixels:
    """The picture (S, S, 3) of a base64 text, of `side` pixels where it is given. PictureError says what is wrong and the remedy."""
    try:
        file = b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PictureError("broken", f"no base64 ({error}): encode the bytes of the file") from error
    most = MOST_SIDE if side is None else side
    pixels = read_square(file, PictureBounds(max_bytes=len(file) + 1, max_pixels=most**2, max_side_px=most))
    if side is not None and len(pixels) != side:
        raise PictureError("broken", f"{len(pixels)} pixels a side, this model reads {side}: send it at that size")
    return pixels
