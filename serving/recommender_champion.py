"""A recommender's champion as the service holds it: model, customers, fallback and breaker of one release, never changed."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from features.online_customers import OnlineCustomers, SnapshotCustomers
from models.common.artifact import Manifest, read_manifest
from models.common.guard import CircuitBreaker
from models.recommender.fallback import FallbackError, PopularItems, read_popular
from models.recommender.online_features import text_codes
from models.recommender.predict import Predictor, load
from serving.guarded import make_breaker
from serving.release import Pointer, ReleaseError, verify
from serving.settings import ServeSettings

BOT = "recommender"
SELF_TEST_HISTORY = 50  # items: as long as any that is read
SELF_TESTS = 5

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Model:
    """A loaded artifact, with what the slates need of its items in the order of its arrays."""

    predictor: Predictor
    manifest: Manifest

    @cached_property
    def items(self) -> tuple[str, ...]:
        """Names (I,)."""
        return self.predictor.spec.items

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Place of each item by name."""
        return {name: place for place, name in enumerate(self.items)}

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Category (I,) of each item, "" unknown."""
        return self.predictor.spec.categories or ("",) * len(self.items)

    @cached_property
    def item_codes(self) -> Ints:
        """Codes (I,) of the names: hashing text costs more than all else that the online model does."""
        return text_codes(np.asarray(self.items))

    @cached_property
    def category_codes(self) -> Ints:
        """Codes (I,) of the categories."""
        return text_codes(np.asarray(self.categories))

    def mask(self, in_stock: Sequence[str] | None, exclude: Sequence[str]) -> Bools | None:
        """Which items (I,) may be shown; None where all may."""
        if in_stock is None and not exclude:
            return None
        allowed = np.full(len(self.items), in_stock is None)
        for names, value in ((in_stock or (), True), (exclude, False)):
            allowed[[self.places[name] for name in names if name in self.places]] = value
        return allowed

    def warm_up(self) -> None:
        """Lay out what is worked out once."""
        for name in ("places", "item_codes", "category_codes"):
            getattr(self, name)


@dataclass(frozen=True)
class Champion:
    """One release, opened. `model` is None when it must not be asked; `refused` then says why."""

    artifact_id: str
    registry_version: str
    popular: PopularItems
    customers: OnlineCustomers | None
    customers_from: str
    model: Model | None
    breaker: CircuitBreaker
    refused: str | None = None
    item_ids: tuple[str, ...] = field(default=())

    @property
    def breaker_state(self) -> str:
        """`closed`, `half_open` or `open`."""
        return self.breaker.status().state

    @property
    def trained_until(self) -> date | None:
        """Last day seen in training."""
        return None if self.model is None else self.model.manifest.trained_until

    def card(self) -> dict[str, Any]:
        """The release's part of `RecommenderCard`."""
        return {
            "bot": BOT,
            "artifact_id": self.artifact_id,
            "registry_version": self.registry_version,
            "trained_until": self.trained_until,
            "metrics": [] if self.model is None else [dict(row) for row in self.model.manifest.metrics],
            "breaker": self.breaker_state,
            "items": len(self.item_ids),
            "customers": self.customers_from,
        }


def load_model(folder: Path) -> Model:
    """Open an artifact folder; ArtifactError when it is not what its manifest says."""
    return Model(load(folder), read_manifest(folder))


def open_champion(folder: Path, pointer: Pointer, settings: ServeSettings, store: OnlineCustomers | None) -> Champion:
    """Verify, open, warm up and self-test a release; ReleaseError (or what its files raise) when it must not serve.

    Customers come from `store` where there is one, else from the release's snapshot, if it has one.
    """
    verify(folder, pointer.artifact_id)
    popular, model = read_popular(folder / "fallback"), load_model(folder / "artifact")
    if model.manifest.artifact_id != pointer.artifact_id:
        raise ReleaseError(
            f"{folder} holds artifact {model.manifest.artifact_id}, the pointer asks for {pointer.artifact_id}: "
            "build the release again"
        )
    customers, told = store, "feast"
    if customers is None:
        has_snapshot = (folder / "customers").is_dir()
        customers, told = (SnapshotCustomers(folder / "customers"), "snapshot") if has_snapshot else (None, "none")
    champion = Champion(
        pointer.artifact_id,
        pointer.registry_version,
        popular,
        customers,
        told,
        model,
        make_breaker(settings),
        item_ids=tuple(sorted(model.items)),
    )
    model.warm_up()
    _self_test(model, settings)
    return champion


def degrade(
    running: Champion | None, folder: Path, pointer: Pointer, why: str, settings: ServeSettings
) -> Champion | None:
    """What answers when the champion's model must not: the running one without it, or the release's popular items."""
    if running is not None:
        return replace(running, model=None, refused=why)
    try:
        popular = read_popular(folder / "fallback")
    except FallbackError:
        return None
    return Champion(
        pointer.artifact_id,
        pointer.registry_version,
        popular,
        None,
        "none",
        None,
        make_breaker(settings),
        refused=why,
        item_ids=tuple(sorted(popular.items)),
    )


def _self_test(model: Model, settings: ServeSettings) -> None:
    """Rank for a long history a few times: the first calls warm up, the quickest must be in time."""
    history = model.predictor.histories([model.items[:SELF_TEST_HISTORY]])
    taken_ms = []
    for _ in range(SELF_TESTS):
        start = time.perf_counter()
        items, scores = model.predictor.shortlist(history, settings.candidates, with_taken=True)
        taken_ms.append((time.perf_counter() - start) * 1000)
        if not np.isfinite(scores[items >= 0]).all():
            raise ReleaseError(
                f"artifact {model.manifest.artifact_id} gives scores that are no numbers: train it again"
            )
    if min(taken_ms) > settings.deadline_ms:
        raise ReleaseError(
            f"artifact {model.manifest.artifact_id} takes {min(taken_ms):.0f} ms, the bound is {settings.deadline_ms:.0f} "
            "ms: train a smaller model or raise STORELOOP_SERVE_DEADLINE_MS"
        )
