"""How sure an event is, by what tells of it: one calibration for each set of sources, kept with the networks."""

from collections.abc import Mapping
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models.detector.beliefs import Beliefs
from models.detector.calibration import MOST_KNOTS, Calibration
from models.detector.observed import Recording

MOST_CAMERAS = 2  # that the twin has at a shelf: what more are worth nobody has learnt, so they count as two

Knot = Annotated[float, Field(ge=0, le=1)]
Knots = Annotated[tuple[Knot, ...], Field(min_length=1, max_length=MOST_KNOTS)]


class EventsSpec(BaseModel):
    """What is held likely when sensors are fused, and what the confidence of events is worth by their sources."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    beliefs: Beliefs = Field(default=Beliefs(), description="under which the calibrations were learnt")
    calibrations: Mapping[Annotated[str, StringConstraints(max_length=100)], Mapping[str, Knots]] = Field(
        default={}, max_length=64, description="of each set of sources, as `Calibration.to_json` tells it"
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for kept in self.calibrations.values():
            Calibration.from_json(kept)  # InputError is a ValueError
        return self

    def of(self, recording: Recording) -> Calibration | None:
        """The calibration of what tells of a recording; None where nobody has learnt one."""
        return self.by_sources(sources_of(recording))

    def by_sources(self, sources: str) -> Calibration | None:
        """The calibration of a set of sources, as `sources_of` names it."""
        kept = self.calibrations.get(sources)
        return None if kept is None else Calibration.from_json(kept)


def sources_of(recording: Recording) -> str:
    """The set of sources that told something in a recording, in words: a camera that is away tells nothing."""
    cameras = min(np.unique(recording.camera).size, MOST_CAMERAS)
    told = ["1 camera" if cameras == 1 else f"{cameras} cameras"]
    told += ["weight"] if recording.weights is not None else []
    told += ["tags"] if recording.reads is not None else []
    return ", ".join(told)
