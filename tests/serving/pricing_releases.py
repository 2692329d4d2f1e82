"""Releases of pricing with networks of random weights, their ladders beside them; and the Answerer on one, without a server."""

import asyncio
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from release_factory import FIRST, SECOND, Releases, model_helper

from models.common.artifact import write_artifact
from models.pricing.config import Config
from models.pricing.guardrails import Rules
from models.pricing.instances import Instance, check_instances
from models.pricing.ladder import write_ladders
from models.pricing.ladder_tuning import approved_ladders
from models.pricing.market import build_market
from models.pricing.network import Network
from models.pricing.predict import MODEL, WEIGHTS
from models.pricing.spec import FORMAT_VERSION, MarketSpec, ModelSpec
from models.pricing.state import NAMES, width
from serving.approvals import Approvals
from serving.metrics import ServiceMetrics
from serving.pricing_answering import Answerer
from serving.pricing_champion import Champion, open_champion
from serving.pricing_clips import ClipLog
from serving.pricing_schemas import (
    ExplainReply,
    ExplainRequest,
    QuoteReply,
    QuoteRequest,
    RepriceReply,
    RepriceRequest,
    WhatIfReply,
    WhatIfRequest,
)
from serving.release import build_release, read_pointer
from serving.settings import ServeSettings

SETTINGS = ServeSettings(deadline_ms=5_000, breaker_failures=3, breaker_reset_s=0.1)
RULES = {"salad": Rules(essential=True, floor=1.5, largest_change=0.5), "seats": Rules(floor=8.0, largest_change=0.3)}
TUNING = Config(tuning_episodes=50)


def random_network(instance: Instance, seed: int, *, scale: float = 0.3, hidden: int = 16) -> Network:
    """A network of random weights: prices as wild as they come."""
    market, rng = build_market(instance), np.random.default_rng(seed)
    sizes = {
        "first": (hidden, width(market)),
        "second": (hidden, hidden),
        "value": (1, hidden),
        "advantage": (len(market.prices), hidden),
        "weight": (1, hidden),
    }
    parts = {}
    for name, shape in sizes.items():
        parts[f"{name}.weight"] = (scale * rng.normal(size=shape)).astype(np.float32)
        parts[f"{name}.bias"] = (scale * rng.normal(size=shape[0])).astype(np.float32)
    return Network(parts)


def instances() -> tuple[Instance, ...]:
    """A salad of two periods left, list price 3, and seats of list price 10."""
    case = model_helper("pricing_case")
    return check_instances({"instances": [case.SALAD, case.SEATS]})


def make_release(
    folder: Path, artifact: Path, markets: Sequence[MarketSpec], seed: int, *, scale: float = 0.3, hidden: int = 16
) -> str:
    """Write an artifact and a release of it; its id."""
    spec = ModelSpec(format_version=FORMAT_VERSION, variables=NAMES, markets=tuple(markets))
    files: dict[str, bytes | Path] = {MODEL: spec.model_dump_json().encode()}
    for each in markets:
        made = random_network(each.instance, seed, scale=scale, hidden=hidden)
        files[WEIGHTS.format(each.instance.name)] = made.to_bytes()
    manifest = write_artifact(
        artifact, name="pricing", config=Config(), files=files, metrics=(), input_schema={}, output_schema={},
        data_fingerprint="made", code_revision="made", trained_until=date(2026, 1, 4), seed=seed,
    )  # fmt: skip

    def fill(draft: Path) -> None:
        shutil.copytree(artifact, draft / "artifact")
        write_ladders(draft / "fallback", approved_ladders(markets, TUNING))

    build_release(folder, manifest.artifact_id, fill)
    return manifest.artifact_id


def make_pricing_releases(root: Path) -> Releases:
    """Two releases, the first promoted."""
    markets = [MarketSpec(instance=each, rules=RULES.get(each.name, Rules())) for each in instances()]
    ids = {
        name: make_release(root / "pricing" / name, root / "artifacts" / name, markets, seed)
        for seed, name in enumerate((FIRST, SECOND))
    }
    releases = Releases(root, ids, ("salad", "seats"), "pricing")
    releases.promote(FIRST)
    return releases


def item(**changed: Any) -> dict[str, Any]:
    """A salad in the middle of its life, inside the range of training."""
    told = {"item_id": "I1", "period": 2, "stock": [1, 3], "before": 3.0, "factors": {"weather": 0.5}}
    return {**told, **changed}


def columns(items: Sequence[dict[str, Any]], market: str = "salad") -> dict[str, Any]:
    """Items as the columns of `reprice`."""
    return {
        "market": market,
        "item_ids": [each["item_id"] for each in items],
        **{name: [each[name] for each in items] for name in ("period", "stock", "before")},
        "factors": {name: [each["factors"][name] for each in items] for name in items[0]["factors"]},
    }


def seat(**changed: Any) -> dict[str, Any]:
    """A dear seat of no period that the network knows: the ladder's 10 is clipped to 14 less 3."""
    return {"item_id": "S1", "period": 77, "stock": [2], "before": 14.0, "factors": {}, **changed}


class PricingDesk:
    """An Answerer on one release, with what a test wants to bend."""

    def __init__(
        self,
        releases: Releases,
        settings: ServeSettings = SETTINGS,
        *,
        approvals: Approvals | None = None,
        clips: ClipLog | None = None,
    ) -> None:
        self.pointer = read_pointer(releases.bot / "champion.json")
        self.folder = releases.bot / self.pointer.release
        self.champion: Champion | None = open_champion(self.folder, self.pointer, settings)
        self.metrics = ServiceMetrics("pricing")
        self.clips = clips or ClipLog(None)
        self.answerer = Answerer(lambda: self.champion, approvals, self.clips, settings, self.metrics)

    def quote(self, *items: dict[str, Any], market: str = "salad") -> dict[str, Any]:
        request = QuoteRequest.model_validate({"market": market, "items": items})
        return self._checked(QuoteReply, self.answerer.quote(request))

    def reprice(self, *markets: dict[str, Any], request_id: str | None = None) -> dict[str, Any]:
        request = RepriceRequest.model_validate({"markets": markets, "request_id": request_id})
        return self._checked(RepriceReply, self.answerer.reprice(request))

    def explain(self, *items: dict[str, Any], market: str = "salad") -> dict[str, Any]:
        request = ExplainRequest.model_validate({"market": market, "items": items})
        return self._checked(ExplainReply, self.answerer.explain(request))

    def what_if(self, told: dict[str, Any], market: str = "salad") -> dict[str, Any]:
        request = WhatIfRequest.model_validate({"market": market, "item": told})
        return self._checked(WhatIfReply, self.answerer.what_if(request))

    def settle(self) -> None:
        """Wait until what was to be written down is."""
        self.clips._thread.submit(lambda: None).result()

    def bend_model(self, **methods: Any) -> None:
        """Replace methods of the predictor."""
        assert self.champion is not None and self.champion.model is not None
        real = self.champion.model
        kept = {name: getattr(real.predictor, name) for name in ("spec", "predict", "policy", "names")}
        bent = replace(real, predictor=SimpleNamespace(**(kept | methods)))
        self.champion = replace(self.champion, model=bent)

    @staticmethod
    def _checked(schema: Any, answer: Any) -> dict[str, Any]:
        body = asyncio.run(answer)
        schema.model_validate_json(body)  # what is sent is what the schema promises
        return json.loads(body)


def pricing_settings(releases: Releases, folder: Path, **more: str) -> dict[str, str]:
    """Environment of a service on these releases that writes down what it does in `folder`."""
    return {
        "STORELOOP_SERVE_RELEASES": str(releases.root),
        "STORELOOP_SERVE_POLL_S": "0.05",
        "STORELOOP_SERVE_DEADLINE_MS": "10000",  # a starved test machine is not a slow model
        "STORELOOP_SERVE_PRICING": str(folder / "pricing"),
        **more,
    }
