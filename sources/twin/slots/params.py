"""Every knob of the delivery slots, with unit, bounds and default.

What the defaults have to show, as grocers report of delivery: evenings and the end of the week fill up days ahead, noon and
Tuesdays leave vans half empty, and one fee for all mends neither. They were chosen on seeds 11 to 13 so that the best single fee
fills about three quarters of the slots, earns between 75 and 92 % of what an oracle would, and leaves room to be both dearer
and fuller, as the exact program on fitted demand showed there (fee +11 %, load +8 points); then they were left alone. That
room is a property of this world: with planners who pay 3.5 and spreads of 0.7, 1.0 and 1.5 the same program gains as much
revenue, but by +7 % and +11 points.
"""

from typing import Self

from pydantic import Field, model_validator

from sources.twin.knobs import Knobs

PARTS = ("morning", "noon", "afternoon", "evening")  # windows of a day
WEEK = 7


class SlotSegment(Knobs):
    """Customers who want one slot each; their willingness to pay is logistic. When they come is bell-shaped."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="what they are called in the truth")
    arrivals: float = Field(gt=0, le=1_000, description="mean number for a usual window over the whole horizon")
    comes_days: float = Field(ge=0, le=60, description="days before delivery on which most of them come")
    within_days: float = Field(gt=0, le=60, description="standard deviation of that day")
    willingness: float = Field(gt=0, le=1_000, description="fee that half of them pay")
    spread: float = Field(gt=0, le=1_000, description="scale of the logistic distribution of willingness, money")


class SlotParams(Knobs):
    """Delivery slots. `areas: 0` leaves them out altogether."""

    areas: int = Field(0, ge=0, le=1_000, description="delivery areas; 0 = no slots are offered")
    horizon_days: int = Field(14, ge=1, le=60, description="days over which a window can be booked")
    capacity: int = Field(12, ge=1, le=10_000, description="slots of a window")
    list_fee: float = Field(4.0, gt=0, le=1_000, description="fee that the shop prints")
    plan_lowest: float = Field(0.25, gt=0, le=1, description="lowest fee of the shop's plan, times list fee")
    plan_highest: float = Field(2.5, ge=1, le=10, description="highest fee of the shop's plan, times list fee")
    plan_steps: int = Field(10, ge=1, le=50, description="fees that the plan tries, evenly spaced")
    plan_days: int = Field(14, ge=1, le=365, description="delivery days for which a planned fee holds")
    segments: tuple[SlotSegment, ...] = Field(
        (
            SlotSegment(name="planners", arrivals=15.0, comes_days=11.0, within_days=3.0, willingness=4.0, spread=0.5),
            SlotSegment(name="families", arrivals=12.0, comes_days=5.0, within_days=2.5, willingness=5.0, spread=0.7),
            SlotSegment(name="in_need", arrivals=5.0, comes_days=0.0, within_days=2.0, willingness=9.0, spread=1.2),
        ),
        min_length=1,
        max_length=8,
        description="who books",
    )
    parts: tuple[float, ...] = Field(
        (0.7, 0.5, 0.8, 2.4), min_length=len(PARTS), max_length=len(PARTS), description="times the arrivals, by PARTS"
    )
    weekdays: tuple[float, ...] = Field(
        (0.85, 0.7, 0.8, 1.0, 1.35, 1.4, 0.9),
        min_length=WEEK,
        max_length=WEEK,
        description="times the arrivals, by weekday of the delivery, Monday first",
    )
    area_spread: float = Field(0.15, ge=0, le=2, description="standard deviation of an area's log arrivals")
    strength_spread: float = Field(
        0.35, ge=0, le=2, description="standard deviation of a single window's log arrivals, which nobody observes"
    )
    competitor: tuple[float, ...] = Field(
        (0.7, 1.0, 1.3), min_length=1, max_length=12, description="fees of the competitor in an area, times list fee"
    )
    competitor_stays: float = Field(0.85, ge=0, le=1, description="chance that it keeps its fee for another day")
    competitor_pull: float = Field(
        0.5, ge=0, le=3, description="power by which willingness follows the competitor's fee over list fee"
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if min(*self.parts, *self.weekdays) <= 0 or min(self.competitor) <= 0:
            raise ValueError("slots: parts, weekdays and competitor must be above 0: raise what is not")
        return self
