"""Events that services refused, of all outboxes of a box: what was answered, and another try once it is mended."""

from pathlib import Path
from typing import Any

from edge import label_store, outbox
from edge.eyes import camera_events
from edge.outbox import Outbox, refused_problem

# What is told -> the file in which it waits.
FILES = {
    "kiosk": outbox.FILE,
    "label decisions": label_store.OUTBOX_FILE,
    "camera events": camera_events.FILE,
}


def refused_events(home: Path, most: int) -> list[dict[str, Any]]:
    """Of each outbox under `home`, the last `most` events that were set aside with the answer to each, ready for JSON."""
    return [
        {"of": name, "answer": each.answer, "event": each.event}
        for name, box in _outboxes(home).items()
        for each in box.refusals(most)
    ]


def retry_refused(home: Path) -> int:
    """Let all that was set aside under `home` wait again; how many."""
    return sum(box.retry_refused() for box in _outboxes(home).values())


def refused_status(home: Path) -> dict[str, Any]:
    """How many events of the box under `home` were set aside, and a problem where there are any."""
    count = sum(box.refused() for box in _outboxes(home).values())
    return {"events_refused": count, "problems": [refused_problem(count)] if count else []}


def _outboxes(home: Path) -> dict[str, Outbox]:
    """Those that were ever used."""
    return {name: Outbox(home, file=file) for name, file in FILES.items() if (home / file).exists()}
