"""Every knob of Wi-Fi positioning. The defaults are what held-out devices of UJIIndoorLoc's survey chose, never its test."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class PositioningConfig(BaseModel):
    """Knobs with unit, bounds, default and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exponent: float = Field(
        1.5,
        gt=0,
        le=10,
        description="of received power on a scale from 0, inaudible, to 1: above 1 near access points count more",
    )
    shifts_db: tuple[float, ...] = Field(
        (-6.0, -3.0, 0.0, 3.0, 6.0),
        min_length=1,
        max_length=25,
        description="dB by which a scan is also tried louder or quieter, for devices hear differently well; the best one counts",
    )
    neighbours: int = Field(
        11, ge=1, le=1_000, description="most alike fingerprints of the level whose places are averaged"
    )
    closeness: float = Field(
        4.0, ge=0, le=20, description="power of the inverse distance by which neighbours weigh; 0: all alike"
    )
    coverage: float = Field(0.9, gt=0, lt=1, description="share of true places that lie within the told radius")
    held_out: int = Field(
        1_500,
        ge=50,
        le=20_000,
        description="survey scans, drawn evenly over devices, on which radius and levels are calibrated",
    )
    reach: float = Field(
        3.0,
        gt=0,
        le=100,
        description="usual distances of neighbouring places within which a held-out scan needs a fingerprint to be judged by: "
        "where nobody else surveyed, nothing can be told",
    )

    @model_validator(mode="after")
    def _unshifted(self) -> Self:
        if 0.0 not in self.shifts_db or max(map(abs, self.shifts_db)) > 40:
            raise ValueError(f"shifts_db {self.shifts_db}: include 0 and none beyond 40 dB")
        return self
