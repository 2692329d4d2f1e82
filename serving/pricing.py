"""Pricing as a BentoML service: what each shelf should cost now, why, and what other prices would bring."""

import os

from models.common.telemetry import switch_off

switch_off(os.environ)  # before BentoML is imported: it reads its switches once

import gc  # noqa: E402
import time  # noqa: E402
from collections.abc import Mapping  # noqa: E402
from typing import Any  # noqa: E402

import bentoml  # noqa: E402
from starlette.responses import Response  # noqa: E402

from models.pricing.explain import reference_of  # noqa: E402
from models.pricing.requests import PEOPLE, simulated_people  # noqa: E402
from serving import curve_forms  # noqa: E402
from serving.approval_desk import Desk, DeskDoor  # noqa: E402
from serving.approval_files import open_approvals, open_roles  # noqa: E402
from serving.bot import KNOBS, quiet_refusals, show_pages, tell  # noqa: E402
from serving.label_desk import LabelDesk  # noqa: E402
from serving.label_schemas import DecisionsReply, DecisionsRequest, ToldReply, ToldRequest  # noqa: E402
from serving.loader import ChampionLoader, Doors  # noqa: E402
from serving.metrics import ServiceMetrics  # noqa: E402
from serving.pricing_answering import Answerer  # noqa: E402
from serving.pricing_champion import BOT, Champion, degrade, fresh_opening, open_champion  # noqa: E402
from serving.pricing_clips import ClipLog  # noqa: E402
from serving.pricing_fresh_schemas import (  # noqa: E402
    EXAMPLE_GOOD,
    EXAMPLE_GOODS,
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
from serving.pricing_schemas import (  # noqa: E402
    EXAMPLE_COLUMNS,
    EXAMPLE_ITEM,
    EXAMPLE_MARKET,
    ExplainReply,
    ExplainRequest,
    PricingCard,
    QuoteReply,
    QuoteRequest,
    RepriceReply,
    RepriceRequest,
    WhatIfReply,
    WhatIfRequest,
)
from serving.proposal_door import ProposalDoor  # noqa: E402
from serving.release import POINTER_FILE  # noqa: E402
from serving.replies import reply, reply_with_status  # noqa: E402
from serving.schema_base import ModelRequest, PageRequest  # noqa: E402
from serving.settings import ServeSettings  # noqa: E402

STORE_BYTES = 8 << 20  # 10,000 items, and then some

FORM_EXAMPLES = {curve_forms.MARKET.path: EXAMPLE_ITEM, curve_forms.FRESH.path: EXAMPLE_GOOD}

settings = ServeSettings()
metrics = ServiceMetrics(BOT, settings.workers)
examples: dict[str, Any] = {}
desk = Desk()


@bentoml.service(name=BOT, **KNOBS)
class Pricing:
    """Prices of shelves, seats, slots and fresh goods: by networks within rules that they cannot break, and why.

    When a network fails, is late, or a situation lies outside what it was trained on, the last approved ladder answers and
    `served_by` says so. In approval mode `reprice` proposes, and what people approve at `/approvals` is what `quote` serves.
    """

    def __init__(self) -> None:
        self._loader: ChampionLoader[Champion] = ChampionLoader(
            settings.releases / BOT / POINTER_FILE,
            Doors(
                lambda release, pointer: open_champion(release, pointer, settings),
                lambda running, release, pointer, why: degrade(running, release, pointer, why, settings),
                _measure,
            ),
            poll_s=settings.poll_s,
        )
        approvals = open_approvals(settings)
        self._answerer = Answerer(lambda: self._loader.current, approvals, ClipLog(settings.pricing), settings, metrics)
        self._labels = LabelDesk(settings, metrics, clock=time.time)
        desk.answerer, desk.approvals, desk.roles = self._answerer, approvals, open_roles(settings)
        self._loader.start()
        quiet_refusals()

    @bentoml.api(output_spec=QuoteReply)  # type: ignore[untyped-decorator]
    async def quote(self, request: QuoteRequest, /) -> Response:
        """Price one or some items of a market.

        Answers the price, what the network wanted and the rule that moved it, money expected until the end and the gain over
        list price. `served_by` says who answered, item by item; `outside` which variable the network was not trained on.
        """
        return await reply(self._answerer.quote(request))

    @bentoml.api(output_spec=RepriceReply)  # type: ignore[untyped-decorator]
    async def reprice(self, request: RepriceRequest, /) -> Response:
        """Price a whole store, up to 10,000 items of several markets, as columns.

        In approval mode these are proposals: none is live before somebody approves it. Send a request again under its
        `request_id` until it is answered: nothing is proposed twice. Where tokens are given out, it takes a proposer's or an
        approver's as `Authorization: Bearer TOKEN` (401 without).
        """
        return await reply(self._answerer.reprice(request))

    @bentoml.api(output_spec=ExplainReply)  # type: ignore[untyped-decorator]
    async def explain(self, request: ExplainRequest, /) -> Response:
        """Say which variables moved the price: exact Shapley values of groups, against the market's first morning."""
        return await reply(self._answerer.explain(request))

    @bentoml.api(output_spec=WhatIfReply)  # type: ignore[untyped-decorator]
    async def what_if(self, request: WhatIfRequest, /) -> Response:
        """Tell what each price of the ladder would bring, whether the rules allow it, and draw the curve."""
        return await reply(self._answerer.what_if(request))

    @bentoml.api(output_spec=QuoteFreshReply)  # type: ignore[untyped-decorator]
    async def quote_fresh(self, request: QuoteFreshRequest, /) -> Response:
        """Price one or some fresh goods, each on its shelf this morning.

        What is not told of demand and orders is as trained. `worth` counts days to come less and less; the rest as in `quote`.
        """
        return await reply(self._answerer.quote(request))

    @bentoml.api(output_spec=RepriceFreshReply)  # type: ignore[untyped-decorator]
    async def reprice_fresh(self, request: RepriceFreshRequest, /) -> Response:
        """Price up to 10,000 fresh goods, as columns; in approval mode these are proposals, as in `reprice`."""
        return await reply(self._answerer.reprice(request))

    @bentoml.api(output_spec=ExplainFreshReply)  # type: ignore[untyped-decorator]
    async def explain_fresh(self, request: ExplainFreshRequest, /) -> Response:
        """Say what of this morning moved the price: exact Shapley values of groups, against the good's usual morning."""
        return await reply(self._answerer.explain(request))

    @bentoml.api(output_spec=WhatIfFreshReply)  # type: ignore[untyped-decorator]
    async def what_if_fresh(self, request: WhatIfFreshRequest, /) -> Response:
        """Tell what each price would bring for one fresh good, whether the rules allow it, and draw the curve."""
        return await reply(self._answerer.what_if(request))

    @bentoml.api(output_spec=GoodsReply)  # type: ignore[untyped-decorator]
    async def goods(self, request: PageRequest, /) -> Response:
        """List the fresh goods that are priced, by name, each with the ladder that it falls back to."""
        return await reply(self._answerer.goods(request))

    @bentoml.api(output_spec=DecisionsReply)  # type: ignore[untyped-decorator]
    async def decisions(self, request: DecisionsRequest, /, ctx: bentoml.Context) -> Response:
        """Take in what a box of shelf labels decided, up to 500 prices a delivery.

        With `Authorization: Bearer TOKEN`, one of `STORELOOP_SERVE_BOXES`. Answered once all is on the disk; a delivery that was
        not answered is sent again and counts once.
        """
        return await reply_with_status(ctx, self._labels.take(request, ctx.request.headers.get("authorization", "")))

    @bentoml.api(output_spec=ToldReply)  # type: ignore[untyped-decorator]
    async def decisions_told(self, request: ToldRequest, /, ctx: bentoml.Context) -> Response:
        """Tell the last prices on labels, or read on from a place; with any token of this service."""
        return await reply_with_status(ctx, self._labels.told(request, ctx.request.headers.get("authorization", "")))

    @bentoml.api(output_spec=PricingCard)  # type: ignore[untyped-decorator]
    async def model(self, request: ModelRequest, /) -> Response:
        """Tell which champion answers, its markets and fresh goods, and whether something is wrong."""
        del request
        return await reply(self._answerer.model(swaps=self._loader.swaps, problem=self._loader.problem))

    def __is_ready__(self) -> bool:
        """Ready once anything can answer, be it the ladders."""
        return self._loader.current is not None

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Stop following promotions and let the worker threads go."""
        self._loader.stop()
        self._answerer.close()
        self._labels.close()


def _measure(loader: ChampionLoader[Champion]) -> None:
    champion = loader.current
    if champion is not None:
        desk.markets = tuple(champion.ladders)
        examples.update(_examples(champion))
        desk.usual = {path: _texts(examples[name]) for path, name in FORM_EXAMPLES.items() if name in examples}
    tell(metrics, loader)
    # What was loaded stays: looking through it again and again for garbage would hold up requests.
    gc.collect()
    gc.freeze()


def _examples(champion: Champion) -> dict[str, Any]:
    """What the API page offers to try: the first market's first morning, the first fresh good's usual one."""
    found: dict[str, Any] = {}
    model = champion.model
    if champion.ladders:
        found[EXAMPLE_MARKET] = name = next(iter(champion.ladders))
        if model is not None:
            usual = reference_of(model.markets[name])
            told = {"period": usual.period, "stock": list(usual.stock), "before": usual.before}
            factors = dict(usual.factors)
            if (people := simulated_people(factors, 1)) is not None:
                told[PEOPLE] = int(people[0])
            found[EXAMPLE_ITEM] = {"item_id": "I00001", **told, "factors": factors}
            columns = {"market": name, "item_ids": ["I00001"], **_columns(told), "factors": _columns(factors)}
            found[EXAMPLE_COLUMNS] = columns
    if champion.fresh is not None and model is not None:
        morning = fresh_opening(model.predictor.fresh)
        names = ("list_price", "stock", "before", "weekday")
        told = {"good": morning.good[0], **{name: getattr(morning, name)[0].tolist() for name in names}}
        found |= {EXAMPLE_GOOD: told, EXAMPLE_GOODS: _columns(told)}
    return found


def _columns(told: Mapping[str, Any]) -> dict[str, Any]:
    """One row as columns."""
    return {name: [value] for name, value in told.items()}


def _texts(item: Mapping[str, Any]) -> dict[str, str]:
    """An example's morning as texts of a curve's form."""
    return {name: _text(value) for name, value in item.items()}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={number:g}" for name, number in value.items())
    if isinstance(value, list):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else f"{value:g}"


def _bounded() -> ServeSettings:
    """A store is larger than a question; whoever set a bound of their own keeps it."""
    if "max_body_bytes" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"max_body_bytes": STORE_BYTES})


service: Any = Pricing  # the decorator has made a bentoml Service of the class, which its types do not say
service.add_asgi_middleware(DeskDoor, desk=desk)  # before the door that takes JSON alone
service.add_asgi_middleware(ProposalDoor, desk=desk)
show_pages(
    service,
    BOT,
    metrics,
    _bounded(),
    examples,
    bad="each item_id may be there once; remove the repeated ones",
    unknown="unknown market 'milk': name one of 'salad', as `/model` lists",
)
