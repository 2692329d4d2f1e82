"""What visual inspection is asked and what it answers: bounded, unknown fields refused."""

from typing import Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from models.inspection.packages import (
    BATCH,
    PICTURE,
    Id,
    Nominal,
    Package,
    Picture,
    Pressure,
    Readings,
    Sample,
    Temperature,
)
from serving.schema_base import Breaker, CardReply, PageReply, PageRequest, Reply, Request

PACKAGES_MAX = 16
REASONS_MAX = 2
EXAMPLE_BATCH, EXAMPLE_PICTURE = "B000000", "PICTURE"  # the API page shows ones of the champion in their places

Decision = Literal["pass", "reject", "human"]


class InspectRequest(Request):
    """Packages to pass, to reject or to send to a human."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "example": {
                "packages": [
                    {
                        "package_id": "K1",
                        "batch_id": EXAMPLE_BATCH,
                        "picture": EXAMPLE_PICTURE,
                        "weight_g": 500.0,
                        "pressure_kpa": 40.0,
                        "temperature_c": 4.0,
                    }
                ],
                "reasons": True,
            }
        },
    )

    packages: list[Package] = Field(min_length=1, max_length=PACKAGES_MAX)
    reasons: bool = Field(default=False, description=f"Also say why, for at most {REASONS_MAX} packages.")

    @field_validator("packages")
    @classmethod
    def _unique(cls, packages: list[Package]) -> list[Package]:
        if len({each.package_id for each in packages}) != len(packages):
            raise ValueError("each package_id may be given once: somebody acts on the answer")
        return packages


class InspectFormRequest(Readings):
    """One package as a form with files: its fields, and those of its approved sample where that is sent along."""

    package_id: Id
    picture: Picture = Field(description=f"{PICTURE}.")
    batch_id: Id | None = Field(default=None, description=BATCH)
    approved_picture: Picture | None = Field(
        default=None, description="Picture of the approved sample, of a batch that this service does not know yet."
    )
    approved_weight_g: Nominal | None = Field(default=None, description="Its weight, g.")
    approved_pressure_kpa: Pressure | None = Field(default=None, description="Pressure that its seal held, kPa.")
    approved_temperature_c: Temperature | None = Field(default=None, description="Its temperature, degrees Celsius.")
    reasons: bool = Field(default=False, description="Also say why.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        along = {name: getattr(self, f"approved_{name}") for name in Sample.model_fields}
        sent = [name for name, value in along.items() if value is not None]
        if (self.batch_id is None) == (not sent) or len(sent) not in {0, len(along)}:
            told = ", ".join(f"approved_{name}" for name in along)
            raise ValueError(f"give either batch_id or the whole approved sample: {told}")
        return self

    def request(self) -> InspectRequest:
        """What is asked, as `/inspect` takes it."""
        sample = {name: getattr(self, f"approved_{name}") for name in Sample.model_fields}
        package = {name: getattr(self, name) for name in Package.model_fields if name != "approved"}
        approved = Sample(**sample) if self.batch_id is None else None
        return InspectRequest(packages=[Package(**package, approved=approved)], reasons=self.reasons)


class BatchesRequest(PageRequest):
    """One page of the batches that this service has approved samples of."""


class Region(Reply):
    """A part of the picture, laid over the approved one."""

    left_px: int
    top_px: int
    width_px: int
    height_px: int
    weight: float = Field(description="Fall of the log odds of a defect, were this part as approved.")


class Reasons(Reply):
    """By how much the log odds of a defect fall when a part is put back as approved."""

    foremost: str = Field(description="`picture`, or the reading that says most.")
    picture: float
    readings: dict[str, float]
    regions: list[Region] = Field(description="The parts of the picture that say most, first the most telling.")


class Inspected(Reply):
    """What is to be done with one package."""

    package_id: str
    decision: Decision
    probability: float | None = Field(description="Of a defect; null where the model did not answer.")
    kind: str | None = Field(description="The likeliest defect, whatever the decision; null as above.")
    kinds: dict[str, float] = Field(description="Probability of each kind, `none` being soundness; empty as above.")
    reasons: Reasons | None = None


class InspectReply(Reply):
    """Decisions, and who took them."""

    served_by: str = Field(description="`champion ID`, or `fallback:human`: everything goes to a human.")
    breaker: Breaker
    artifact_id: str
    registry_version: str
    miss_level: float | None = Field(
        description="Bound on the expected share of defects that pass; null where a human sees all."
    )
    packages: list[Inspected]
    notes: list[str] = Field(description="What a reader must know: degraded, no reasons.")


class BatchesPage(PageReply):
    """Known batches in the order of their ids."""

    batch_ids: list[str]


class InspectionCard(CardReply):
    """Which champion answers, what it tells apart, and whether something is wrong."""

    side_px: int = Field(description="Pixels a side that pictures must have.")
    kinds: list[str] = Field(description="What a package may be found to have, soundness first.")
    miss_level: float | None
    batches: int = Field(description="Batches with an approved sample.")
