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
from models.pricing import fresh_state
from models.pricing.config import Config
from models.pricing.fresh import Goods
from models.pricing.fresh_data import goods_bytes
from models.pricing.guardrails import Rules
from models.pricing.instances import Instance, check_instances
from models.pricing.ladder import write_ladders
from models.pricing.ladder_tuning import approved_ladders
from models.pricing.market import build_market
from models.pricing.network import Network
from models.pricing.predict import GOODS, MODEL, WEIGHTS
from models.pricing.spec import FORMAT_VERSION, FRESH, FreshSpec, MarketSpec, ModelSpec
from models.pricing.state import NAMES, width
from serving.approvals import Approvals
from serving.metrics import ServiceMetrics
from serving.pricing_answering import Answerer
from serving.pricing_champion import Champion, open_champion
from serving.pricing_clips import ClipLog
from serving.pricing_fresh_schemas import (
    ExplainFreshReply,
    ExplainFreshRequest,
    GoodsReply,
    QuoteFreshReply,
    QuoteFreshRequest,
    RepriceFreshReply,
    RepriceFreshRequest,
    WhatIfFreshReply,
    WhatIfFreshRequest,
)
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
from serving.schema_base import PageRequest
from serving.settings import ServeSettings

SETTINGS = ServeSettings(deadline_ms=5_000, breaker_failures=3, breaker_reset_s=0.1)
RULES = {"salad": Rules(essential=True, floor=1.5, largest_change=0.5), "seats": Rules(floor=8.0, largest_change=0.3)}
FRESH_RULES = Rules(floor=0.5, margin_floor=-1.0, largest_change=0.5)
NAMED_GOODS = ("S1|bread", "S1|milk", "S1|peaches")
TUNING = Config(tuning_episodes=50, fresh_shelves=30, fresh_days=5)


def random_network(instance: Instance, seed: int, *, scale: float = 0.3, hidden: int = 16) -> Network:
    """A network of random weights: prices as wild as they come."""
    market = build_market(instance)
    return random_weights(width(market), len(market.prices), seed, scale=scale, hidden=hidden)


def random_weights(numbers: int, prices: int, seed: int, *, scale: float = 0.3, hidden: int = 16) -> Network:
    """The same for a state of so many numbers."""
    rng = np.random.default_rng(seed)
    sizes = {
        "first": (hidden, numbers),
        "second": (hidden, hidden),
        "value": (1, hidden),
        "advantage": (prices, hidden),
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


def fresh_spec(names: Sequence[str], goods: Goods, rules: Rules = FRESH_RULES) -> FreshSpec:
    """What an artifact tells of goods, those with a ceiling of 1 essential."""
    return FreshSpec(
        goods=tuple(names),
        essential=tuple(bool(each) for each in goods.ceiling <= 1.0),
        prices=Config().fresh_prices,
        waste_weight=0.3,
        variables=fresh_state.NAMES,
        rules=rules,
    )


def fresh_network(seed: int, *, scale: float = 0.3, hidden: int = 16) -> Network:
    """A network of random weights for fresh goods."""
    prices = len(Config().fresh_prices)
    return random_weights(fresh_state.WIDTH + prices, prices, seed, scale=scale, hidden=hidden)


def three_goods() -> Goods:
    """Bread that keeps a day and milk, both essential, and peaches."""
    return Goods(**model_helper("pricing_case").FRESH)


def make_release(
    folder: Path, artifact: Path, markets: Sequence[MarketSpec], seed: int, *, fresh: tuple[FreshSpec, Goods] | None = None,
    scale: float = 0.3, hidden: int = 16, tuning: Config = TUNING,
) -> str:  # fmt: skip
    """Write an artifact and a release of it; its id."""
    told, goods = fresh or (None, None)
    spec = ModelSpec(format_version=FORMAT_VERSION, variables=NAMES, markets=tuple(markets), fresh=told)
    files: dict[str, bytes | Path] = {MODEL: spec.model_dump_json().encode()}
    if goods is not None:
        files[GOODS] = goods_bytes(goods)
        files[WEIGHTS.format(FRESH)] = fresh_network(seed, scale=scale, hidden=hidden).to_bytes()
    for each in markets:
        made = random_network(each.instance, seed, scale=scale, hidden=hidden)
        files[WEIGHTS.format(each.instance.name)] = made.to_bytes()
    manifest = write_artifact(
        artifact, name="pricing", config=Config(), files=files, metrics=(), input_schema={}, output_schema={},
        data_fingerprint="made", code_revision="made", trained_until=date(2026, 1, 4), seed=seed,
    )  # fmt: skip

    def fill(draft: Path) -> None:
        shutil.copytree(artifact, draft / "artifact")
        write_ladders(draft / "fallback", approved_ladders(spec, goods, tuning))

    build_release(folder, manifest.artifact_id, fill)
    return manifest.artifact_id


def make_pricing_releases(root: Path) -> Releases:
    """Two releases of markets and fresh goods, the first promoted."""
    fresh = (fresh_spec(NAMED_GOODS, three_goods()), three_goods())
    markets = [MarketSpec(instance=each, rules=RULES.get(each.name, Rules())) for each in instances()]
    ids = {
        name: make_release(root / "pricing" / name, root / "artifacts" / name, markets, seed, fresh=fresh)
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


def peach(**changed: Any) -> dict[str, Any]:
    """Peaches on a Wednesday, inside the range of training; they keep four days and are filled up to nine."""
    told = {"good": "S1|peaches", "list_price": 4.0, "stock": [2, 0, 3], "before": 4.0, "weekday": 2}
    return {**told, **changed}


def bread(**changed: Any) -> dict[str, Any]:
    """Essential bread that keeps a day."""
    return {"good": "S1|bread", "list_price": 2.0, "stock": [4], "before": 2.0, "weekday": 2, **changed}


def fresh_columns(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Items as the columns of `reprice_fresh`."""
    return {name: [each[name] for each in items] for name in items[0]}


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

    def quote_fresh(self, *items: dict[str, Any]) -> dict[str, Any]:
        request = QuoteFreshRequest.model_validate({"items": items})
        return self._checked(QuoteFreshReply, self.answerer.quote(request))

    def reprice_fresh(self, goods: dict[str, Any], request_id: str | None = None) -> dict[str, Any]:
        request = RepriceFreshRequest.model_validate({"goods": goods, "request_id": request_id})
        return self._checked(RepriceFreshReply, self.answerer.reprice(request))

    def explain_fresh(self, *items: dict[str, Any]) -> dict[str, Any]:
        request = ExplainFreshRequest.model_validate({"items": items})
        return self._checked(ExplainFreshReply, self.answerer.explain(request))

    def what_if_fresh(self, told: dict[str, Any]) -> dict[str, Any]:
        request = WhatIfFreshRequest.model_validate({"item": told})
        return self._checked(WhatIfFreshReply, self.answerer.what_if(request))

    def goods(self, **asked: Any) -> dict[str, Any]:
        return self._checked(GoodsReply, self.answerer.goods(PageRequest(**asked)))

    def settle(self) -> None:
        """Wait until what was to be written down is."""
        self.clips._thread.submit(lambda: None).result()

    def bend_model(self, **methods: Any) -> None:
        """Replace methods of the predictor."""
        assert self.champion is not None and self.champion.model is not None
        real = self.champion.model
        kept = {name: getattr(real.predictor, name) for name in ("spec", "predict", "policy", "names", "fresh")}
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
