"""What boxes of shelf labels tell of the prices on them, and how it is read again: bounded, unknown fields refused."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue, StringConstraints

from serving.schema_base import Reply, Request

DECISIONS_MAX, TOLD_MAX = 500, 1_000

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Price = Annotated[float, Field(gt=0, le=1e10, allow_inf_nan=False)]
EXAMPLE: dict[str, JsonValue] = {
    "event_id": "shop-7/A1/2026-01-05T18:30", "label": "A1", "market": "salad", "before": 3.0, "price": 2.5, "wanted": 2.4,
    "rule": "largest_change", "reference": None, "served_by": "edge:0123456789ab", "revision": 4,
    "decided_at": "2026-01-05T18:30:00Z",
}  # fmt: skip


class LabelDecision(Request):
    """One price on one label, as a box decided it."""

    event_id: Name = Field(description="Given once, ever, over all boxes: what comes twice counts once.")
    label: Name
    market: Name
    good: Name | None = Field(default=None, description="Of fresh goods, whose market is `fresh`.")
    before: Price
    price: Price = Field(description="On the label.")
    wanted: Price = Field(description="Before the rules.")
    rule: Literal["", "essential", "ceiling", "floor", "margin_floor", "largest_change"] = Field(
        description="The first that moved the price; empty for none."
    )
    yielded: tuple[Name, ...] = Field(default=(), max_length=20, description="Rules that could not hold.")
    reference: Price | None = Field(description="Price that a discount may be shown against.")
    outside: tuple[Name, ...] = Field(
        default=(), max_length=20, description="Variables outside the range of training: there the ladder answered."
    )
    served_by: Annotated[
        str,
        StringConstraints(pattern=r"^(edge:[0-9A-Za-z_.-]{1,64}|fallback:(approved_ladder|last_price|list_price))$"),
    ] = Field(description="`edge:ARTIFACT`, or the fallback that answered.")
    revision: int = Field(ge=0, le=10**12, strict=True, description="Of the bundle.")
    decided_at: AwareDatetime

    @property
    def source(self) -> str:
        """Who priced it, without the artifact: one of four."""
        return "edge" if self.served_by.startswith("edge:") else self.served_by


class DecisionsRequest(Request):
    """A delivery of a box."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {"decisions": [EXAMPLE]}})

    decisions: list[LabelDecision] = Field(min_length=1, max_length=DECISIONS_MAX)


class DecisionsReply(Reply):
    """Said once all is on the disk; the same to every delivery of the same decisions."""

    kept: int = Field(description="Decisions of this delivery that are kept, now or from before.")
    conflicts: list[Name] = Field(
        description="Event ids that were given before with another content: the first one is kept, the other is not."
    )


class ToldRequest(Request):
    """Decisions that are kept: the last ones, or what came after a place."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {"limit": 100}})

    after: int | None = Field(
        default=None, ge=0, strict=True, description="Place to read on from, the oldest first; null: the last ones."
    )
    limit: int = Field(default=100, ge=1, le=TOLD_MAX, strict=True, description="How many at most.")


class ToldDecision(LabelDecision):
    """A decision as it is kept."""

    place: int = Field(description="In the order that they came in.")
    box: str = Field(description="Whose token it came with.")


class ToldReply(Reply):
    """What boxes told."""

    total: int
    decisions: list[ToldDecision]
    next_after: int = Field(description="Send as `after` to read on; the place of the newest one here.")
