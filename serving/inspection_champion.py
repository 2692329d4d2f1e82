"""An inspection champion as the service holds it: model, approved samples and breakers of one release, never changed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.common.artifact import Manifest, read_manifest
from models.common.guard import CircuitBreaker
from models.inspection.explain import Reasons, explain
from models.inspection.pictures import MOST_SIDE
from models.inspection.predict import InspectionInput, Predictor, Reply, load
from models.inspection.samples import ApprovedSamples, SamplesError, read_samples
from serving.guarded import Implausible, make_breaker
from serving.release import Pointer, ReleaseError, verify
from serving.settings import ServeSettings

BOT = "inspection"
SELF_TESTS = 5


@dataclass(frozen=True)
class Model:
    """A loaded artifact."""

    predictor: Predictor
    manifest: Manifest


@dataclass(frozen=True)
class Champion:
    """One release, opened. `model` is None when it must not be asked; `refused` then says why. Without `samples` no batch is
    known, and a human is called for any."""

    artifact_id: str
    registry_version: str
    samples: ApprovedSamples | None
    model: Model | None
    breaker: CircuitBreaker
    reasons_breaker: CircuitBreaker
    refused: str | None = None

    @property
    def breaker_state(self) -> str:
        """`closed`, `half_open` or `open`."""
        return self.breaker.status().state

    @property
    def batch_ids(self) -> Sequence[str]:
        """Batches with an approved sample, sorted."""
        return () if self.samples is None else self.samples.batch_ids

    @property
    def side_px(self) -> int | None:
        """Pixels a side that a picture must have; None where nothing says so."""
        if self.model is not None:
            return self.model.predictor.spec.side_px
        return None if self.samples is None else int(self.samples.pictures.shape[1])

    @property
    def miss_level(self) -> float | None:
        """Bound on the share of defects that pass; None where the model does not answer."""
        return None if self.model is None else self.model.predictor.spec.miss_level

    def inspect(self, question: InspectionInput) -> Reply:
        """Ask the model; Implausible when its answer may not be acted on."""
        reply = self._asked().predict(question)
        if not np.isfinite(reply.score).all() or not np.isfinite(reply.kinds).all():
            raise Implausible("a score is no number")
        return reply

    def explain(self, question: InspectionInput) -> Reasons:
        """Why, of each package."""
        return explain(self._asked(), question)

    def within_range(self, question: InspectionInput) -> float:
        """See `Predictor.within_range`."""
        return self._asked().within_range(question)

    def card(self) -> dict[str, Any]:
        """The release's part of `InspectionCard`."""
        model = self.model
        return {
            "bot": BOT,
            "artifact_id": self.artifact_id,
            "registry_version": self.registry_version,
            "trained_until": None if model is None else model.manifest.trained_until,
            "metrics": [] if model is None else [dict(row) for row in model.manifest.metrics],
            "breaker": self.breaker_state,
            "side_px": self.side_px or MOST_SIDE,
            "kinds": [] if model is None else model.predictor.spec.kinds,
            "miss_level": self.miss_level,
            "batches": len(self.batch_ids),
        }

    def _asked(self) -> Predictor:
        if self.model is None:
            raise Implausible(self.refused or "no model")
        return self.model.predictor


def open_champion(folder: Path, pointer: Pointer, settings: ServeSettings) -> Champion:
    """Verify, open, warm up and self-test a release; ReleaseError (or what its files raise) when it must not serve."""
    verify(folder, pointer.artifact_id)
    samples = read_samples(folder / "samples")
    model = Model(load(folder / "artifact"), read_manifest(folder / "artifact"))
    if model.manifest.artifact_id != pointer.artifact_id:
        raise ReleaseError(
            f"{folder} holds artifact {model.manifest.artifact_id}, the pointer asks for {pointer.artifact_id}: "
            "build the release again"
        )
    champion = _champion(pointer, samples, model, settings)
    _self_test(champion, samples, settings)
    return champion


def degrade(
    running: Champion | None, folder: Path, pointer: Pointer, why: str, settings: ServeSettings
) -> Champion | None:
    """What answers when the champion's model must not: a human, for the batches that are known."""
    if running is not None:
        return replace(running, model=None, refused=why)
    try:
        samples: ApprovedSamples | None = read_samples(folder / "samples")
    except SamplesError:
        samples = None
    return replace(_champion(pointer, samples, None, settings), refused=why)


def _champion(
    pointer: Pointer, samples: ApprovedSamples | None, model: Model | None, settings: ServeSettings
) -> Champion:
    breakers = make_breaker(settings), make_breaker(settings)
    return Champion(pointer.artifact_id, pointer.registry_version, samples, model, *breakers)


def _self_test(champion: Champion, samples: ApprovedSamples, settings: ServeSettings) -> None:
    """Inspect the first approved sample as a package a few times: the first calls warm up, the quickest must be in time."""
    first = slice(0, 1)
    if not samples.batch_ids:
        raise ReleaseError(f"artifact {champion.artifact_id} comes without approved samples: build the release again")
    question = InspectionInput(
        samples.pictures[first], samples.pictures[first], np.zeros(1, np.int64), samples.nominal[first], samples.nominal[first]
    )  # fmt: skip
    taken_ms = []
    for _ in range(SELF_TESTS):
        start = time.perf_counter()
        champion.inspect(question)
        taken_ms.append((time.perf_counter() - start) * 1000)
    if min(taken_ms) > settings.deadline_ms:
        raise ReleaseError(
            f"artifact {champion.artifact_id} takes {min(taken_ms):.0f} ms, the bound is {settings.deadline_ms:.0f} ms: "
            "train a smaller model or raise STORELOOP_SERVE_DEADLINE_MS"
        )
