"""Every knob of tracking people and of naming who did it. The defaults were chosen on worlds of the twin that no judge takes."""

from pydantic import BaseModel, ConfigDict, Field


class TrackingConfig(BaseModel):
    """How finds of ceiling cameras become tracks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place_m: float = Field(
        0.2, gt=0, le=5, description="standard deviation of a find's place along each axis, clocks that differ included"
    )
    looks_noise: float = Field(0.45, gt=0, le=10, description="standard deviation of a seen number of looks")
    looks_spread: float = Field(1.0, gt=0, le=10, description="standard deviation of it between persons")
    sway: float = Field(1.0, gt=0, le=10, description="m/s gained or lost within a second, standard deviation")
    keeps_going_s: float = Field(
        1.0, gt=0, le=60, description="time constant by which somebody not found is held to slow down"
    )
    crowd_per_m2: float = Field(
        1e-4, gt=0, le=10, description="persons or false finds that appear anew, per square metre and picture"
    )
    lost_s: float = Field(3.0, gt=0, le=60, description="seconds without a find after which a piece of a track ends")
    doubted_s: float = Field(
        0.8, gt=0, le=60, description="and of a piece that has fewer finds than a person: a false find waits for nobody"
    )
    least_finds: int = Field(6, ge=1, le=1_000, description="fewer finds are no person")
    meet_m: float = Field(
        1.0, ge=0, le=10, description="between two persons within which the one may be taken for the other"
    )
    exchanged_log: float = Field(
        1.0,
        ge=0,
        le=50,
        description="log-likelihood ratio from which after a meeting a piece is held to be of the other",
    )
    longest_gap_s: float = Field(60.0, gt=0, le=600, description="between pieces of one track: longer is somebody else")
    hurry_m_s: float = Field(1.5, gt=0, le=10, description="speed at which somebody may have moved on unseen")
    join_log: float = Field(3.0, ge=0, le=50, description="log-likelihood ratio from which two pieces are one track")
    door_m: float = Field(
        0.6,
        ge=0,
        le=5,
        description="from a gate's middle within which who is last seen has left, and who is first seen has come",
    )
    step_s: float = Field(0.4, gt=0, le=5, description="finds within such a step are averaged before smoothing")


class PartyConfig(BaseModel):
    """Who came in with which opening of the gate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_s: tuple[float, float] = Field(
        (1.6, 0.5), description="mean and standard deviation of the time from the opening to the first person within"
    )
    next_s: tuple[float, float] = Field((1.25, 0.4), description="and from one person to the next of the party")
    leave_s: tuple[float, float] = Field((1.6, 0.6), description="and between those who leave one after another")
    sizes: tuple[float, ...] = Field(
        (0.77, 0.18, 0.04, 0.01), min_length=1, max_length=8, description="shares of parties of 1, 2, ... persons"
    )
    gate_m: float = Field(2.0, gt=0, le=20, description="from the gate's middle within which a track begins or ends")
    alone_log: float = Field(
        -12.0, le=0, description="log-likelihood that somebody came in without an opening, or an opening let nobody in"
    )
    radio_weight: float = Field(
        0.25, ge=0, le=1, description="share of a scan's log-likelihood that counts: scans of one device err alike"
    )
    radio_clock_s: float = Field(0.5, ge=0, le=60, description="largest error of the radio's clock")
    most_ways: int = Field(
        1_000, ge=1, le=100_000, description="ways to share persons among openings that are followed"
    )


class AttributionConfig(BaseModel):
    """Who did what is seen at a shelf."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    before_m: tuple[float, float] = Field(
        (0.47, 0.08),
        description="mean and standard deviation of how far before a gondola one stands who reaches into it",
    )
    beside_m: float = Field(0.085, gt=0, le=2, description="standard deviation of how far beside a lane they stand")
    round_share: float = Field(0.25, ge=0, le=1, description="share of reaches past somebody of one's party")
    round_before_m: tuple[float, float] = Field((0.8, 0.06), description="how far before the gondola those stand")
    round_beside_m: tuple[float, float] = Field((0.28, 0.09), description="and how far to either side of the lane")
    aside_share: float = Field(
        0.06,
        ge=0,
        le=1,
        description="share of reaches far aside, as when something is put back while looking at another",
    )
    aside_m: float = Field(0.55, gt=0, le=3, description="standard deviation of how far beside the lane those stand")
    any_per_m2: float = Field(
        0.001, gt=0, le=10, description="density at which anybody may have reached from anywhere: tracks may be wrong"
    )
    any_m: float = Field(0.5, gt=0, le=10, description="distance over which that falls to 1/e")
    nobody_per_m2: float = Field(5e-5, gt=0, le=10, description="and at which nobody did who is tracked")
    window_s: float = Field(1.0, gt=0, le=10, description="to either side of a deed over which a place is averaged")
    not_held: float = Field(
        0.02,
        gt=0,
        le=1,
        description="chance that a party puts back what it was not seen to hold, against one that holds it",
    )
    least_sure: float = Field(0.3, ge=0, le=1, description="confidence below which a deed is not told of any visit")
    rounds: int = Field(3, ge=0, le=20, description="times that deeds in doubt are looked at again")


class ExitConfig(BaseModel):
    """What the antenna at the exit reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passing_s: float = Field(0.7, gt=0, le=10, description="standard deviation of a read's time about the passing")
    passed_s: float = Field(
        0.3, ge=0, le=10, description="standard deviation of the time at which somebody is held to have passed"
    )
    about_s: float = Field(3.0, gt=0, le=60, description="from a read to the passings that it may belong to")
    passing_dbm: float = Field(-50.0, ge=-120, le=0, description="mean level of a tag that passes")
    stray_dbm: float = Field(-59.0, ge=-120, le=0, description="and of one that strays into the field")
    level_db: float = Field(4.5, gt=0, le=30, description="standard deviation of a level")
    nowhere_log: float = Field(-12.0, le=0, description="log-likelihood of a read without a passing")
    also_strays: float = Field(
        0.3, gt=0, lt=1, description="share of a carried tag's reads that stray at other passings"
    )
    unseen: float = Field(
        1e-3, gt=0, lt=1, description="chance that a visit carries what it was not seen to take, against what it was"
    )
    strays: float = Field(0.02, gt=0, lt=1, description="odds that a tag in the field has strayed into it")
    sure: float = Field(0.9, ge=0, le=1, description="posterior from which a tag is told of a visit")
    elsewhere: float = Field(
        1e-4, gt=0, lt=1, description="chance that a visit passed when it was not seen to: tracks may be wrong"
    )
    lost: float = Field(0.05, gt=0, lt=1, description="and if it was never seen to pass")
    reads: float = Field(0.915, gt=0, lt=1, description="chance that a package's tag is read in passing")
    false: float = Field(0.01, gt=0, lt=1, description="chance that a tag is told of a visit that has it not")
