"""Decides who prices: the networks within their deadline, what was approved, or the approved ladder, which says that it does."""

import asyncio
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
from pydantic_core import to_json

from models.pricing.explain import GROUPS
from models.pricing.fresh_explain import GROUPS as FRESH_GROUPS
from serving.approvals import Approvals
from serving.guarded import Outcome, guarded
from serving.metrics import ServiceMetrics
from serving.pricing_asked import asked_of, fresh_of, store_of
from serving.pricing_batches import APPROVED, Asked, Prices, columns_reply, price, rows_of, worst
from serving.pricing_champion import Champion, Model
from serving.pricing_clips import ClipLog
from serving.pricing_curve import curve_svg
from serving.pricing_fresh_schemas import (
    ExplainFreshRequest,
    QuoteFreshRequest,
    RepriceFreshRequest,
    WhatIfFreshRequest,
)
from serving.pricing_proposals import day_run, proposals_of
from serving.pricing_reasons import WhatIf, curve_of, reasons_of
from serving.pricing_schemas import ExplainRequest, QuoteRequest, RepriceRequest, WhatIfRequest
from serving.replies import Refusal, page
from serving.schema_base import PageRequest
from serving.settings import ServeSettings

logger = logging.getLogger("storeloop.serving")
T = TypeVar("T")
WAITING = "approval mode: what nobody approved yet is priced by the approved ladder; `/reprice` proposes"


class Answerer:
    """Answers the requests of pricing from whatever champion is current when they come in."""

    def __init__(
        self,
        current: Callable[[], Champion | None],
        approvals: Approvals | None,
        clips: ClipLog,
        settings: ServeSettings,
        metrics: ServiceMetrics,
    ) -> None:
        """approvals: of approval mode; None: prices are live."""
        self._current, self._approvals, self._clips = current, approvals, clips
        self._settings, self._metrics = settings, metrics
        self._pool = ThreadPoolExecutor(settings.model_threads, thread_name_prefix="model")
        self._disk = ThreadPoolExecutor(settings.model_threads, thread_name_prefix="disk")

    def close(self) -> None:
        """Let the worker threads go; what still runs is abandoned, what is written is finished."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._disk.shutdown(wait=True)
        self._clips.close()

    async def quote(self, request: QuoteRequest | QuoteFreshRequest) -> bytes:
        """Reply (JSON of `QuoteReply` or `QuoteFreshReply`); Refusal when it cannot be answered at all."""
        start, champion = time.perf_counter(), self._champion()
        asked = asked_of(champion, request)
        endpoint = f"quote{asked.endpoint}"
        if self._approvals is None:
            found, notes = await self._priced(champion, [asked])
        else:
            found, notes = await self._approved(self._approvals, asked)
        notes += self._write_down(endpoint, champion, found)
        served_by = worst(found, champion)
        reply = to_json({**_who(champion, served_by), "prices": rows_of(found[0], champion), "notes": notes})
        self._count(endpoint, served_by, champion, start)
        return reply

    async def reprice(self, request: RepriceRequest | RepriceFreshRequest) -> bytes:
        """Reply (JSON of `RepriceReply` or `RepriceFreshReply`); in approval mode sent once the proposals are on the disk."""
        start, champion = time.perf_counter(), self._champion()
        store = store_of(champion, request)
        endpoint = f"reprice{store[0].endpoint}"
        found, notes = await self._priced(champion, store)
        notes += self._write_down(endpoint, champion, found)
        proposed = 0
        ids: list[list[str | None]] = [[None] * len(each.item_ids) for each in store]
        if self._approvals is not None:
            proposed, ids = await self._propose(self._approvals, champion, found, request.request_id)
        served_by = worst(found, champion)
        mode = "live" if self._approvals is None else "proposals"

        def told() -> bytes:
            columns = [columns_reply(each, own) for each, own in zip(found, ids, strict=True)]
            of = {"goods": columns[0]} if isinstance(request, RepriceFreshRequest) else {"markets": columns}
            return to_json({**_who(champion, served_by), "mode": mode, "proposed": proposed, **of, "notes": notes})

        reply = await self._on(self._pool, told)
        self._count(endpoint, served_by, champion, start)
        return reply

    async def explain(self, request: ExplainRequest | ExplainFreshRequest) -> bytes:
        """Reply (JSON of `ExplainReply` or `ExplainFreshReply`); Refusal 503 when the networks cannot be asked."""
        start, champion = time.perf_counter(), self._champion()
        asked = asked_of(champion, request)
        endpoint = f"explain{asked.endpoint}"
        told = await self._reason(champion, lambda model: reasons_of(asked, model), len(request.items), endpoint)
        self._count(endpoint, "champion", champion, start)
        of = FRESH_GROUPS if isinstance(request, ExplainFreshRequest) else GROUPS
        groups = {group: list(names) for group, names in of.items()}
        return to_json({**_head(champion), "groups": groups, **told})

    async def what_if(self, request: WhatIfRequest | WhatIfFreshRequest) -> bytes:
        """Reply (JSON of `WhatIfReply` or `WhatIfFreshReply`); Refusal 400 outside the range of training."""
        start, champion = time.perf_counter(), self._champion()
        found = await self.curve(request)
        curve = found.curve
        points = zip(
            *(each.tolist() for each in (curve.prices, curve.units, curve.worth, curve.allowed, curve.rule)),
            strict=True,
        )
        self._count(f"what_if{found.asked.endpoint}", "champion", champion, start)
        return to_json({
            **_head(champion),
            **found.asked.titled(found.asked.item_ids[0]),
            "price": curve.price,
            "rule": curve.served_rule,
            "points": [dict(zip(("price", "units", "worth", "allowed", "rule"), each, strict=True)) for each in points],
            "svg": curve_svg(curve),
        })  # fmt: skip

    async def curve(self, request: WhatIfRequest | WhatIfFreshRequest) -> WhatIf:
        """The curve of one item, for the reply and for the page."""
        champion = self._champion()
        asked = asked_of(champion, request)
        found = await self._reason(champion, lambda model: curve_of(asked, model), 1, f"what_if{asked.endpoint}")
        if isinstance(found, str):
            raise Refusal(400, f"{found}: the network knows nothing there; `/quote` answers by the approved ladder")
        return found

    async def goods(self, request: PageRequest) -> bytes:
        """Reply (JSON of `GoodsReply`)."""
        start, champion = time.perf_counter(), self._champion()
        ladders = fresh_of(champion)
        shown, rest = page(sorted(ladders.numbers), request.prefix, request.after, request.limit)
        cards = [ladders.goods[ladders.numbers[name]].model_dump() for name in shown]
        self._count("goods", "champion", champion, start)
        return to_json({"goods": cards, **rest})

    async def model(self, *, swaps: int, problem: str | None) -> bytes:
        """Reply (JSON of `PricingCard`)."""
        champion = self._champion()
        approval = "off" if self._approvals is None else "on"
        return to_json(
            {
                **champion.card(),
                "swaps": swaps,
                "problem": champion.refused or problem or self._clips.problem,
                "approval": approval,
            }
        )

    def _champion(self) -> Champion:
        champion = self._current()
        if champion is None:
            raise Refusal(503, "no champion has been promoted yet: promote one, the service then picks it up by itself")
        return champion

    async def _priced(self, champion: Champion, batches: Sequence[Asked]) -> tuple[list[Prices], list[str]]:
        """Prices of each batch, and what a reader must know: by the networks, rows outside the range by the ladder."""
        model, knobs = champion.model, self._settings
        count = sum(len(each.item_ids) for each in batches)
        outcome: Outcome[list[Prices]] = Outcome(None, "refused", champion.refused or "no model")
        if model is not None:
            known = model
            outcome = await guarded(
                lambda: [price(each, known) for each in batches],
                champion.breaker,
                self._pool,
                deadline_s=(knobs.deadline_ms + knobs.deadline_per_price_ms * (count - 1)) / 1000,
                confidence=lambda _: 1.0,  # what strangers send must not open the breaker: each item has its own answer
            )
        if outcome.value is None:
            self._metrics.fell_back(outcome.failure or "error")
            return [Prices.of_ladder(each) for each in batches], [f"fallback: {outcome.detail}"]
        notes = [note for each in batches if model is not None and (note := each.passed_over(model))]
        outside = sum(int(np.any([part.rows for part in each.outside], axis=0).sum()) for each in outcome.value)
        if outside:
            self._metrics.fell_back("outside")
            notes.append(f"{outside} of {count} items lie outside the range of training: see `outside`")
        return outcome.value, notes

    async def _approved(self, approvals: Approvals, asked: Asked) -> tuple[list[Prices], list[str]]:
        """What was approved, within the rules as they are now; the ladder for the rest."""
        found = Prices.of_ladder(asked)
        try:
            approved = await self._on(self._disk, lambda: approvals.in_force(asked.market, asked.item_ids))
        except sqlite3.Error as error:
            logger.error("approved prices cannot be read: %s", error)
            self._metrics.fell_back("error")
            return [found], [f"fallback: approved prices cannot be read ({error})"]
        rows = np.array([row for row, name in enumerate(asked.item_ids) if name in approved], dtype=np.int64)
        if rows.size:
            wanted = np.array([approved[asked.item_ids[row]][1] for row in rows.tolist()])
            found.take(rows, asked.bounds(rows).within(wanted), APPROVED)
        return [found], [] if rows.size == len(asked.item_ids) else [WAITING]

    async def _propose(
        self, approvals: Approvals, champion: Champion, found: Sequence[Prices], request_id: str | None
    ) -> tuple[int, list[list[str | None]]]:
        run = request_id or day_run(datetime.now(UTC).date())
        # Thousands of hashes: a quote that comes in meanwhile must not wait for them.
        made = await self._on(self._pool, lambda: proposals_of(found, champion.artifact_id, run))
        try:
            return await self._on(self._disk, lambda: approvals.propose(made.proposals, made.unmoved)), made.ids
        except sqlite3.Error as error:
            raise Refusal(503, f"proposals cannot be kept ({error}): nothing was proposed; send it again") from error

    async def _reason(self, champion: Champion, work: Callable[[Model], T], count: int, endpoint: str) -> T:
        """Reasons cost hundreds of times a price, so they have a breaker of their own."""
        model = champion.model
        if model is None:
            raise Refusal(503, f"no network can be asked now: {champion.refused}; `/quote` still answers")
        outcome = await guarded(
            lambda: work(model),
            champion.reasons_breaker,
            self._pool,
            deadline_s=self._settings.reasons_deadline_ms * count / 1000,
            confidence=lambda _: 1.0,
        )
        if outcome.value is None:
            self._metrics.fell_back(outcome.failure or "error")
            raise Refusal(503, f"/{endpoint} cannot be answered now: {outcome.detail}; `/quote` still answers")
        return outcome.value

    def _write_down(self, endpoint: str, champion: Champion, found: Sequence[Prices]) -> list[str]:
        """Each clipped decision into the log; what a reader must know where the disk refused the last ones."""
        clipped: Counter[str] = Counter()
        for each in found:
            clipped.update(each.rule[each.clipped].tolist())
        if not clipped:
            return []
        self._metrics.clipped(clipped)
        self._clips.write(endpoint, champion.artifact_id, found)
        return [] if self._clips.problem is None else [self._clips.problem]

    @staticmethod
    async def _on(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    def _count(self, endpoint: str, served_by: str, champion: Champion, start: float) -> None:
        self._metrics.answered(endpoint, served_by.split(" ", 1)[0], time.perf_counter() - start)
        self._metrics.breaker(champion.breaker_state)


def _head(champion: Champion) -> dict[str, Any]:
    return {
        "served_by": f"champion {champion.artifact_id}",
        "breaker": champion.breaker_state,
        "artifact_id": champion.artifact_id,
    }


def _who(champion: Champion, served_by: str) -> dict[str, Any]:
    return {**_head(champion), "served_by": served_by, "registry_version": champion.registry_version}
