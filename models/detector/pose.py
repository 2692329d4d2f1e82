"""Where a camera stands and how it looks, in plain numbers that a shop writes into JSON."""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.detector.observed import Floats

Row = tuple[float, float, float]
Matrix = tuple[Row, Row, Row]
MOST = 1e6  # pixels of a focal length, cm in a shop: beyond, sights would be no numbers any more
_MOST_OFF = 1e-3  # of a rotation's rows from unit axes: what rounding to four digits leaves


class Pose(BaseModel):
    """`models.detector.observed.Camera` in plain numbers. All cameras of a scene share its axes, of which y points up."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    pixels: Matrix = Field(description="pinhole matrix, pixels")
    turned: Matrix = Field(description="rotation from the scene's axes to the camera's (x right, y down, z forward)")
    at_cm: Row = Field(description="place in the scene's axes, cm")
    distortion: tuple[float, float] = Field(default=(0.0, 0.0), description="radial, k1 and k2")

    @model_validator(mode="after")
    def _sound(self) -> "Pose":
        off = np.abs(self.rotation @ self.rotation.T - np.eye(3)).max()
        if off > _MOST_OFF or np.linalg.det(self.rotation) < 0:
            raise ValueError(
                f"turned is no rotation: its rows times themselves are off by {off:.3g}, at most {_MOST_OFF}; "
                "give the three unit axes of the camera, right-handed"
            )
        if min(self.pixels[0][0], self.pixels[1][1]) <= 0:
            raise ValueError(
                f"pixels has focal lengths {self.pixels[0][0]:g} and {self.pixels[1][1]:g}: both are above 0"
            )
        numbers = (*(number for row in self.pixels for number in row), *self.at_cm)
        if max(map(abs, numbers)) > MOST:
            raise ValueError(f"pixels and at_cm reach {max(map(abs, numbers)):g}, at most {MOST:g}: give pixels and cm")
        if max(map(abs, self.distortion)) > 1:
            raise ValueError(f"distortion {self.distortion} lies outside [-1, 1]: give k1 and k2 of Brown's model")
        return self

    @property
    def matrix(self) -> Floats:
        """(3, 3)."""
        return np.array(self.pixels)

    @property
    def rotation(self) -> Floats:
        """(3, 3)."""
        return np.array(self.turned)

    @property
    def position(self) -> Floats:
        """(3,)."""
        return np.array(self.at_cm)
