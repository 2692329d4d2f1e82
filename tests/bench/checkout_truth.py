"""The truth of what was done at shelves, and of who did it, in the place of what sensors tell of it."""

from collections.abc import Sequence
from dataclasses import replace

from models.behaviour.visit_events import Handled, ShelfDeed, VisitEvent
from orchestration.clip_recordings import TOLERANCE_S
from orchestration.shop_sensing import SeenDay


def true_deeds(seen: SeenDay) -> list[ShelfDeed]:
    """Shelf events as they were, with their tags."""
    epc_of = {unit: epc for epc, unit in seen.day.truth.tags.items()}
    gondolas = [stand.gondola for stand in seen.floor.stands]
    found = []
    for event in seen.day.truth.events:
        lane = gondolas[event.gondola].lanes[event.lane]
        found.append(
            ShelfDeed(
                event.deed,
                event.product,
                event.count,
                event.gondola,
                (lane.left + lane.right) / 200,
                event.at_s,
                1.0,
                epcs=tuple(epc_of[unit] for unit in event.units),
                traced=True,
            )
        )
    return found


def with_true_visits(seen: SeenDay, events: Sequence[VisitEvent]) -> list[VisitEvent]:
    """The same events, each shelf event given to who did it in truth: of the nearest such in time."""
    return [_of_true_visit(seen, event) if isinstance(event, Handled) else event for event in events]


def _of_true_visit(seen: SeenDay, event: Handled) -> Handled:
    near = [
        each
        for each in seen.day.truth.events
        if (each.gondola, each.deed) == (event.gondola, event.deed) and abs(each.at_s - event.at_s) < TOLERANCE_S
    ]
    if not near:
        return event
    best = min(near, key=lambda each: (each.product != event.product, abs(each.at_s - event.at_s)))
    return replace(event, visit_id=best.visit_id, share=1.0, confidence=min(event.confidence / event.share, 1.0))
