"""A champion of product recognition as the service holds it: networks, gallery and breaker of one release, never changed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.common.artifact import Manifest, read_manifest
from models.common.guard import CircuitBreaker
from models.common.pictures import Pixels
from models.detector.enrolled import FOLDER, Enrolled, read_enrolled
from models.detector.observed import Camera
from models.detector.predict import DetectorInput, Item, Predictor, load
from models.detector.spec import NAME
from serving.guarded import Implausible, make_breaker
from serving.release import Pointer, ReleaseError, verify
from serving.settings import ServeSettings

BOT = NAME
SELF_TESTS = 3


@dataclass(frozen=True)
class Model:
    """A loaded artifact with what was enrolled since."""

    predictor: Predictor
    manifest: Manifest
    enrolled: Enrolled


@dataclass(frozen=True)
class Champion:
    """One release, opened. `model` is None when it must not be asked; `refused` then says why."""

    artifact_id: str
    registry_version: str
    model: Model | None
    breaker: CircuitBreaker
    refused: str | None = None

    @property
    def breaker_state(self) -> str:
        """`closed`, `half_open` or `open`."""
        return self.breaker.status().state

    @property
    def products(self) -> Sequence[str]:
        """What the gallery knows, sorted."""
        return () if self.model is None else self.model.predictor.gallery.products

    def items(
        self, pictures: Sequence[Pixels], cameras: Sequence[Camera] | None = None
    ) -> tuple[tuple[Item, ...], ...]:
        """Ask the model, with where the `cameras` stand if that is known; Implausible when its answer may not be passed on."""
        if self.model is None:
            raise Implausible(self.refused or "no model")
        found = self.model.predictor.predict(DetectorInput(pictures, cameras)).items
        if not all(np.isfinite((*item.box, item.score, item.confidence)).all() for each in found for item in each):
            raise Implausible("a box, a score or a confidence is no number")
        return found

    def card(self) -> dict[str, Any]:
        """The release's part of `DetectorCard`."""
        model = self.model
        return {
            "bot": BOT,
            "artifact_id": self.artifact_id,
            "registry_version": self.registry_version,
            "trained_until": None if model is None else model.manifest.trained_until,
            "metrics": [] if model is None else [dict(row) for row in model.manifest.metrics],
            "breaker": self.breaker_state,
            "products": len(self.products),
            "vectors": 0 if model is None else len(model.predictor.spec.products),
            "enrolled": 0 if model is None else len(model.enrolled.index.photos),
            "side_px": None if model is None else model.predictor.spec.detector.side,
        }


def open_champion(folder: Path, pointer: Pointer, settings: ServeSettings) -> Champion:
    """Verify, open, warm up and self-test a release; ReleaseError (or what its files raise) when it must not serve."""
    verify(folder, pointer.artifact_id)
    manifest = read_manifest(folder / "artifact")
    if manifest.artifact_id != pointer.artifact_id:
        raise ReleaseError(
            f"{folder} holds artifact {manifest.artifact_id}, the pointer asks for {pointer.artifact_id}: build the release again"
        )
    enrolled = read_enrolled(folder / FOLDER)
    model = Model(enrolled.gallery_of(load(folder / "artifact")), manifest, enrolled)
    champion = Champion(pointer.artifact_id, pointer.registry_version, model, make_breaker(settings))
    _self_test(champion, settings)
    return champion


def degrade(
    running: Champion | None, folder: Path, pointer: Pointer, why: str, settings: ServeSettings
) -> Champion | None:
    """What answers when the champion's model must not: nobody but a person."""
    del folder
    if running is not None:
        return replace(running, model=None, refused=why)
    return Champion(pointer.artifact_id, pointer.registry_version, None, make_breaker(settings), refused=why)


def _self_test(champion: Champion, settings: ServeSettings) -> None:
    """Look at a made-up picture a few times: the first calls warm up, the quickest must be in time."""
    picture = np.kron(np.arange(48).reshape(6, 8, 1) * 5, np.ones((80, 80, 3))).astype(np.uint8)
    taken_ms = []
    for _ in range(SELF_TESTS):
        start = time.perf_counter()
        champion.items([picture])
        taken_ms.append((time.perf_counter() - start) * 1000)
    if min(taken_ms) > settings.picture_deadline_ms:
        raise ReleaseError(
            f"artifact {champion.artifact_id} takes {min(taken_ms):.0f} ms, the bound is {settings.picture_deadline_ms:.0f} ms: "
            "train a smaller model or raise STORELOOP_SERVE_PICTURE_DEADLINE_MS"
        )
