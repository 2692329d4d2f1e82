"""Rows of the eyes' events: what was taken or put back, told by ever more sources."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench_row import BenchContext, BenchResult, BenchRow

if TYPE_CHECKING:
    from models.detector.calibration import Calibration

LEARNT, SEEN = (
    (201, 7, 400),
    (202, 8, 400),
)  # seed, world and number of clips: to calibrate on, and to judge on (others)
SEEN_PICTURES = (204, 7_204, 120)  # to judge on where pictures are looked at, by what a box knows of confidence
SOURCES = ("1 camera", "2 cameras", "2 cameras, weight", "2 cameras, weight, tags")  # of the stages after the first
RIGHT, ERROR = 0.99, 0.02
MADE_UP = "boxes and names drawn from the truth with a detector's errors"
LOOKED_AT = "found and named by the base checkpoint in 8 bits in a shop of 200 products"


def _events(context: BenchContext) -> BenchResult:
    del context
    from eyes_events import judged, told

    learnt = {stage: each.calibration() for stage, each in judged(told(*LEARNT)).items()}
    return events_verdict(learnt, judged(told(*SEEN)), MADE_UP)


def _seen_events(context: BenchContext) -> BenchResult:
    del context
    from eyes_events import PRODUCTS, STAGES, judged

    from models.detector.beliefs import Beliefs
    from models.detector.parts import base_events
    from orchestration.seen_clips import seen

    kept = base_events(Beliefs())
    shipped = {stage: kept.by_sources(sources) for stage, sources in zip(STAGES[1:], SOURCES, strict=True)}
    return events_verdict(shipped, judged(seen(*SEEN_PICTURES, PRODUCTS)), LOOKED_AT)


def events_verdict(calibrations: "Mapping[str, Calibration | None]", seen: dict[str, Any], how: str) -> BenchResult:
    """The share of right events by all sources, calibrated on other clips of other products; abstentions count as wrong. A stage
    without a calibration is told raw."""
    last, first = list(seen)[-1], next(iter(seen))
    errors = {stage: each.error(calibrations.get(stage)) for stage, each in seen.items()}
    parts = [
        f"{stage} {each.right:.1%} (calibration error {errors[stage]:.1%}, raw {each.error():.1%}; {each.false} false; "
        f"{each.ms:.0f} ms of fusion a clip)"
        for stage, each in seen.items()
    ]
    note = f"{seen[last].events} events; {how}: {'; '.join(parts)}"
    met = seen[last].right >= RIGHT and errors[last] <= ERROR
    bound = f">= {RIGHT:.0%}, calibration error <= {ERROR:.0%}"
    return BenchResult(
        seen[last].right, "events with right product and count", first, seen[first].right, bound, met, note
    )


ROWS = [
    BenchRow(
        "eyes-events",
        "eyes",
        "Pick and put events of 400 unseen clips, other products",
        _events,
        rooms=("sources", "models"),
    ),
    BenchRow(
        "eyes-events-seen",
        "eyes",
        "Pick and put events of unseen clips, found and named by the networks",
        _seen_events,
        rooms=("sources", "models", "edge", "orchestration"),
    ),
]
