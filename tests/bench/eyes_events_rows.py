"""Rows of the eyes' events: what was taken or put back, told by ever more sources."""

from typing import Any

from bench_row import BenchContext, BenchResult, BenchRow

LEARNT, SEEN = (
    (201, 7, 400),
    (202, 8, 400),
)  # seed, world and number of clips: to calibrate on, and to judge on (others)
LEARNT_PICTURES, SEEN_PICTURES = (203, 7_203, 50), (204, 7_204, 120)  # the same where pictures are looked at
RIGHT, ERROR = 0.99, 0.02
MADE_UP = "boxes and names drawn from the truth with a detector's errors"
LOOKED_AT = "found and named by the base checkpoint in 8 bits in a shop of 200 products"


def _events(context: BenchContext) -> BenchResult:
    del context
    from eyes_events import judged, told

    return events_verdict(judged(told(*LEARNT)), judged(told(*SEEN)), MADE_UP)


def _seen_events(context: BenchContext) -> BenchResult:
    del context
    from eyes_events import PRODUCTS, judged

    from orchestration.seen_clips import seen

    learnt, others = (judged(seen(*which, PRODUCTS)) for which in (LEARNT_PICTURES, SEEN_PICTURES))
    return events_verdict(learnt, others, LOOKED_AT)


def events_verdict(learnt: dict[str, Any], seen: dict[str, Any], how: str) -> BenchResult:
    """The share of right events by all sources, calibrated on other clips of other products; abstentions count as wrong."""
    last, first = list(seen)[-1], next(iter(seen))
    errors = {stage: each.error(learnt[stage].calibration()) for stage, each in seen.items()}
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
