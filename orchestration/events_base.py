"""What the confidence of events is worth, learnt on clips of the twin as the base checkpoint sees them in 8 bits, as on a box.

    python -m orchestration.events_base OUT

Every set of sources is calibrated on the same clips: one or two cameras, with and without scales and antennas.
"""

import argparse
import json
import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import typer
from pydantic import BaseModel, ConfigDict, Field

from models.common.protocols import ProgressCallback
from models.detector.beliefs import Beliefs
from models.detector.calibration import expected_calibration_error, fit_calibration
from models.detector.event_confidence import MOST_CAMERAS, EventsSpec, sources_of
from models.detector.fusion import fuse
from models.detector.observed import Recording
from orchestration.clip_recordings import LEAST_CONFIDENCE, matched, told_by
from orchestration.seen_clips import seen
from sources.twin.cameras.truth import Event

EVENTS, RECIPE = "events.json", "events_recipe.json"


class EventsBaseConfig(BaseModel):
    """Which clips are looked at; no judge takes their world."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(205, ge=0, description="of the clips")
    world: int = Field(7_205, ge=0, description="catalogue and label art")
    clips: int = Field(60, ge=1, le=10_000, description="of one customer at a shelf")
    products: int = Field(200, ge=2, le=10_000, description="of the shop")


def learnt(
    cases: Iterable[tuple[Recording, Sequence[Event]]], beliefs: Beliefs, told: ProgressCallback, clips: int
) -> tuple[EventsSpec, dict[str, dict[str, float]]]:
    """Calibrations by sources, and of each how many events were told, the share right, and the error of raw confidence."""
    sure: dict[str, list[float]] = {}
    right: dict[str, list[bool]] = {}
    for number, (whole, true) in enumerate(cases, start=1):
        for cameras, weighed, tagged in product(range(1, MOST_CAMERAS + 1), (False, True), (False, True)):
            part = told_by(whole, cameras, weighed=weighed, tagged=tagged)
            events = fuse(part, beliefs, least_confidence=LEAST_CONFIDENCE)
            sure.setdefault(sources_of(part), []).extend(event.confidence for event in events)
            right.setdefault(sources_of(part), []).extend(matched(events, true, timed=True)[1])
        told(f"clip {number} of {clips}", number / clips)
    calibrations, facts = {}, {}
    for name, confidence in sure.items():
        raw, was = np.array(confidence), np.array(right[name], dtype=bool)
        calibrations[name] = {key: tuple(knots) for key, knots in fit_calibration(raw, was).to_json().items()}
        facts[name] = {
            "events": float(raw.size),
            "right": round(float(was.mean()), 4),
            "raw_error": round(expected_calibration_error(raw, was), 4),
        }
    return EventsSpec(beliefs=beliefs, calibrations=calibrations), facts


def make(out: Path, cfg: EventsBaseConfig, told: ProgressCallback) -> EventsSpec:
    """Learn, and write calibrations and recipe into `out`."""
    spec, facts = learnt(seen(cfg.seed, cfg.world, cfg.clips, cfg.products), Beliefs(), told, cfg.clips)
    out.mkdir(parents=True, exist_ok=True)
    recipe: dict[str, Any] = {
        "made_by": "python -m orchestration.events_base",
        "config": cfg.model_dump(mode="json"),
        "least_confidence": LEAST_CONFIDENCE,
        "learnt_on": facts,
        "versions": {
            name: version(name) for name in ("numpy", "onnxruntime", "opencv-python-headless", "scikit-learn")
        },
        "python": platform.python_version(),
    }
    (out / EVENTS).write_text(spec.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (out / RECIPE).write_text(json.dumps(recipe, indent=1) + "\n", encoding="utf-8")
    return spec


def main() -> None:
    """The command."""
    from models.common.telemetry import switch_off

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for calibrations and recipe")
    given = parser.parse_args()
    switch_off(os.environ)

    def tell(stage: str, fraction: float) -> None:
        typer.echo(f"{fraction:6.1%} {stage}")

    make(given.out, EventsBaseConfig(), tell)


if __name__ == "__main__":
    main()
