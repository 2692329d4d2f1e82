"""A pricing champion as the service holds it: networks, ladders and breaker of one release, never changed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from models.common.artifact import Manifest, read_manifest
from models.common.guard import CircuitBreaker
from models.pricing.answering import Known, check_ladders
from models.pricing.explain import reference_of
from models.pricing.fresh_explain import usual_morning
from models.pricing.fresh_ladder import FreshLadders
from models.pricing.fresh_predict import FreshInput, FreshPredictor
from models.pricing.ladder import ApprovedLadder, FallbackError, Ladders, read_ladders
from models.pricing.market import Market
from models.pricing.predict import PriceInput, load
from models.pricing.requests import simulated_people
from models.pricing.spec import FRESH
from serving.guarded import make_breaker
from serving.release import Pointer, ReleaseError, verify
from serving.settings import ServeSettings

BOT = "pricing"
SELF_TESTS = 5


@dataclass(frozen=True)
class Model(Known):
    """A loaded artifact, its markets as arrays and what their networks were trained on."""

    manifest: Manifest


@dataclass(frozen=True)
class Champion:
    """One release, opened. `model` is None when it must not be asked; `refused` then says why."""

    artifact_id: str
    registry_version: str
    ladders: Mapping[str, ApprovedLadder]
    model: Model | None
    breaker: CircuitBreaker
    reasons_breaker: CircuitBreaker
    fresh: FreshLadders | None = None
    refused: str | None = None

    @property
    def breaker_state(self) -> str:
        """`closed`, `half_open` or `open`."""
        return self.breaker.status().state

    @property
    def trained_until(self) -> date | None:
        """Last day seen in training."""
        return None if self.model is None else self.model.manifest.trained_until

    def card(self) -> dict[str, Any]:
        """The release's part of `PricingCard`."""
        return {
            "bot": BOT,
            "artifact_id": self.artifact_id,
            "registry_version": self.registry_version,
            "trained_until": self.trained_until,
            "metrics": [] if self.model is None else [dict(row) for row in self.model.manifest.metrics],
            "breaker": self.breaker_state,
            "markets": [self._market_card(name, ladder) for name, ladder in self.ladders.items()],
            "fresh": None if self.fresh is None else self._fresh_card(self.fresh),
        }

    def _fresh_card(self, ladders: FreshLadders) -> dict[str, Any]:
        prices = None if self.model is None else self.model.predictor.fresh.spec.prices
        return {"goods": len(ladders.goods), "prices": prices, "made_by": ladders.made_by}

    def _market_card(self, name: str, ladder: ApprovedLadder) -> dict[str, Any]:
        known = None if self.model is None else self.model.ranges[name]
        return {
            "market": name,
            "list_price": ladder.list_price,
            "periods": None if known is None else known.periods,
            "ages": None if known is None else known.ages,
            "factors": {} if known is None else known.factors,
            "ladder": ladder.steps,
        }


def load_model(folder: Path) -> Model:
    """Open an artifact folder; ArtifactError when it is not what its manifest says."""
    known = Known.of(load(folder))
    return Model(known.predictor, known.markets, known.ranges, read_manifest(folder))


def open_release(folder: Path, pointer: Pointer) -> tuple[Ladders, Model]:
    """Verify a release and open its ladders and model; ReleaseError (or what its files raise) when they must not be used."""
    verify(folder, pointer.artifact_id)
    ladders, model = read_ladders(folder / "fallback"), load_model(folder / "artifact")
    if model.manifest.artifact_id != pointer.artifact_id:
        raise ReleaseError(
            f"{folder} holds artifact {model.manifest.artifact_id}, the pointer asks for {pointer.artifact_id}: "
            "build the release again"
        )
    try:
        check_ladders(ladders, model.predictor)
    except FallbackError as error:
        raise ReleaseError(f"{folder}: {error}") from error
    return ladders, model


def open_champion(folder: Path, pointer: Pointer, settings: ServeSettings) -> Champion:
    """Open, warm up and self-test a release; ReleaseError (or what its files raise) when it must not serve."""
    ladders, model = open_release(folder, pointer)
    _self_test(model, settings)
    return Champion(
        pointer.artifact_id,
        pointer.registry_version,
        {name: ladders.markets[name] for name in model.markets},
        model,
        make_breaker(settings),
        make_breaker(settings),
        fresh=ladders.fresh,
    )


def degrade(
    running: Champion | None, folder: Path, pointer: Pointer, why: str, settings: ServeSettings
) -> Champion | None:
    """What answers when the champion's model must not: the running one without it, or the release's ladders."""
    if running is not None:
        return replace(running, model=None, refused=why)
    try:
        ladders = read_ladders(folder / "fallback")
    except FallbackError:
        return None
    return Champion(
        pointer.artifact_id,
        pointer.registry_version,
        ladders.markets,
        None,
        make_breaker(settings),
        make_breaker(settings),
        fresh=ladders.fresh,
        refused=why,
    )


def opening(market: Market) -> PriceInput:
    """The first morning of a market, as a request of one item."""
    usual = reference_of(market)
    factors = {name: [value] for name, value in usual.factors.items()}
    people = simulated_people(factors, 1)
    return PriceInput(
        market.name, [usual.period], [list(usual.stock)], [usual.before], factors, willingness_people=people
    )


def fresh_opening(fresh: FreshPredictor) -> FreshInput:
    """The usual morning of the first good at a list price of 1, as a request of one item."""
    return usual_morning(fresh, np.zeros(1, dtype=np.int64), np.ones(1))


def _self_test(model: Model, settings: ServeSettings) -> None:
    """Price every market's first morning a few times: the first calls warm up, the quickest must be in time."""
    mornings: dict[str, PriceInput | FreshInput] = {name: opening(market) for name, market in model.markets.items()}
    if model.predictor.spec.fresh is not None:
        mornings[FRESH] = fresh_opening(model.predictor.fresh)
    for name, morning in mornings.items():
        taken_ms = []
        for _ in range(SELF_TESTS):
            start = time.perf_counter()
            found = model.predictor.predict(morning)
            taken_ms.append((time.perf_counter() - start) * 1000)
        if not np.isfinite(found.values).all():
            raise ReleaseError(f"artifact {model.manifest.artifact_id}: worth of {name} is no number: train it again")
        if min(taken_ms) > settings.deadline_ms:
            raise ReleaseError(
                f"artifact {model.manifest.artifact_id} takes {min(taken_ms):.0f} ms for {name}, the bound is "
                f"{settings.deadline_ms:.0f} ms: train a smaller model or raise STORELOOP_SERVE_DEADLINE_MS"
            )
