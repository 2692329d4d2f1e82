"""Decides who recommends: the champion within its deadline, or what is popular in the segment, which says that it does."""

import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from pydantic_core import to_json

from models.recommender.online_published import Published
from models.recommender.reweighting import Reweighting
from serving.guarded import Implausible, Outcome, guarded
from serving.impressions import ImpressionIds
from serving.metrics import ServiceMetrics
from serving.recommender_champion import Champion, Model
from serving.recommender_feedback import FeedbackDesk
from serving.recommender_reasons import reason
from serving.recommender_schemas import FeedbackRequest, ItemsRequest, RecommendRequest, SimilarRequest
from serving.recommender_slates import Asked, Shortlists, Slate, make_slates, shortlists
from serving.replies import Refusal, named, page
from serving.settings import ServeSettings

FALLBACK = "fallback:segment_popular"


@dataclass(frozen=True)
class Known:
    """What the store says of N customers: ids, histories by name, segments, devices, and who was found."""

    ids: tuple[str | None, ...]
    histories: tuple[tuple[str, ...], ...]
    segments: tuple[str, ...]
    device: str
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recommended:
    """What the model found for N customers."""

    known: Known
    shortlist: Shortlists
    slates: list[Slate]
    confidence: float  # share of the stored histories' items that the model knows
    notes: list[str]


@dataclass
class Clock:
    """How long each stage took, in seconds."""

    taken: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done within."""
        start = time.perf_counter()
        yield
        self.taken[name] = self.taken.get(name, 0.0) + time.perf_counter() - start


class Answerer:
    """Answers the requests of the recommender from whatever champion is current when they come in."""

    def __init__(
        self,
        current: Callable[[], Champion | None],
        online: Callable[[], Published],
        ids: ImpressionIds,
        desk: FeedbackDesk,
        reweighting: Reweighting,
        settings: ServeSettings,
        metrics: ServiceMetrics,
    ) -> None:
        self._current, self._online, self._ids, self._desk = current, online, ids, desk
        self._reweighting, self._settings, self._metrics = reweighting, settings, metrics
        self._pool = ThreadPoolExecutor(settings.model_threads, thread_name_prefix="model")

    def close(self) -> None:
        """Let the worker threads go; what still runs is abandoned."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._desk.close()

    async def recommend(self, request: RecommendRequest) -> bytes:
        """Reply (JSON of `RecommendReply`); Refusal when it cannot be answered at all."""
        start, clock = time.perf_counter(), Clock()
        champion, online = self._champion(), self._online()
        outcome = await self._ask(champion, online, request, clock)
        with clock.stage("write"):
            if outcome.value is not None:
                served_by, notes = f"champion {champion.artifact_id}", list(outcome.value.notes)
                rows = self._rows(champion, request, outcome.value, served_by)
            else:
                served_by, notes = FALLBACK, [f"fallback: {outcome.detail}"]
                rows = self._popular(champion, request)
                self._metrics.fell_back(outcome.failure or "error")
            reply = to_json({
                "served_by": served_by,
                "breaker": champion.breaker_state,
                "artifact_id": champion.artifact_id,
                "registry_version": champion.registry_version,
                "learned_events": online.events,
                "recommendations": rows,
                "notes": notes,
            })  # fmt: skip
        self._count("recommend", served_by, champion, start)
        self._metrics.stages(clock.taken)
        self._metrics.learned(online.events)
        return reply

    async def feedback(self, request: FeedbackRequest) -> bytes:
        """Reply (JSON of `FeedbackReply`), sent once all is on the disk."""
        start = time.perf_counter()
        champion = self._champion()
        reply = to_json(await self._desk.accept(request, champion.customers))
        self._count("feedback", "champion", champion, start)
        return reply

    async def similar(self, request: SimilarRequest) -> bytes:
        """Reply (JSON of `SimilarReply`)."""
        champion = self._champion()
        if champion.model is None:
            raise Refusal(503, f"likeness of items cannot be told now: {champion.refused}")
        model, place = champion.model, champion.model.places.get(request.item_id)
        if place is None:
            raise Refusal(404, f"unknown item {request.item_id!r}: `/items` lists the {len(model.items)} known ones")
        items, cosines = model.predictor.similar(place, request.k)
        return to_json({
            "served_by": f"champion {champion.artifact_id}",
            "items": [
                {"item_id": model.items[item], "category": model.categories[item], "similarity": cosine}
                for item, cosine in zip(items.tolist(), cosines.tolist(), strict=True)
            ],
        })  # fmt: skip

    async def items(self, request: ItemsRequest) -> bytes:
        """Reply (JSON of `ItemsPage`)."""
        shown, rest = page(self._champion().item_ids, request.prefix, request.after, request.limit)
        return to_json({"item_ids": shown, **rest})

    async def model(self, *, swaps: int, problem: str | None, learner: str, learner_problem: str | None) -> bytes:
        """Reply (JSON of `RecommenderCard`)."""
        champion = self._champion()
        return to_json({
            **champion.card(),
            "swaps": swaps,
            "problem": champion.refused or problem,
            "learner": learner,
            "learned_events": self._online().events,
            "learner_problem": learner_problem,
        })  # fmt: skip

    def _champion(self) -> Champion:
        champion = self._current()
        if champion is None:
            raise Refusal(503, "no champion has been promoted yet: promote one, the service then picks it up by itself")
        return champion

    async def _ask(
        self, champion: Champion, online: Published, request: RecommendRequest, clock: Clock
    ) -> Outcome[Recommended]:
        model, knobs = champion.model, self._settings
        if model is None:
            return Outcome(None, "refused", champion.refused or "no model")
        count = len(request.customer_ids or ("",))
        return await guarded(
            lambda: self._recommend(champion, model, online, request, clock),
            champion.breaker,
            self._pool,
            deadline_s=(knobs.deadline_ms + knobs.deadline_per_series_ms * (count - 1)) / 1000,
            confidence=lambda found: found.confidence,
        )

    def _recommend(
        self, champion: Champion, model: Model, online: Published, request: RecommendRequest, clock: Clock
    ) -> Recommended:
        with clock.stage("read"):
            known = self._read(champion, request)
        with clock.stage("rank"):
            histories = model.predictor.histories(known.histories)
            asked = Asked(
                histories,
                known.segments,
                tuple(name or "" for name in known.ids),
                known.device,
                _hour(request),
                request.k,
                model.mask(request.in_stock, request.exclude),
                request.already_taken == "allow",
                request.most_of_category,
                self._settings.explore if request.explore else 0.0,
            )
            shortlist = shortlists(model, champion.popular, asked, max(self._settings.candidates, request.k))
        with clock.stage("reweigh"):
            rng = np.random.default_rng(secrets.randbits(64))
            found = make_slates(model, shortlist, asked, online.scorer, self._reweighting, rng)
        if not all(np.isfinite(slate.scores).all() for slate in found):
            raise Implausible("a score is no number")
        return Recommended(known, shortlist, found, _confidence(known, histories), _notes(model, known, request))

    def _read(self, champion: Champion, request: RecommendRequest) -> Known:
        """What is known of the customers; the request's segment and device stand in where the store knows none."""
        context = request.context
        if request.customer_ids is None:
            return Known((None,), (tuple(request.history or ()),), (context.segment,), context.device)
        if champion.customers is None:
            ids = tuple(request.customer_ids)
            return Known(ids, ((),) * len(ids), (context.segment,) * len(ids), context.device, ids)
        batch = champion.customers.read(request.customer_ids)
        of_store = batch.texts.get("segment")
        segments = [""] * len(batch.found) if of_store is None else of_store.tolist()
        return Known(
            batch.customer_ids,
            batch.history,
            tuple(segment or context.segment for segment in segments),
            context.device,
            tuple(name for name, found in zip(batch.customer_ids, batch.found.tolist(), strict=True) if not found),
        )

    def _rows(
        self, champion: Champion, request: RecommendRequest, found: Recommended, served_by: str
    ) -> list[dict[str, Any]]:
        model = champion.model
        if model is None:  # replaced, never changed: what was asked is what answers
            raise Implausible("no model")
        shown_us, rows = time.time_ns() // 1_000, []
        for row, (customer, slate) in enumerate(zip(found.known.ids, found.slates, strict=True)):
            cold, segment = bool(found.shortlist.cold[row]), found.known.segments[row]
            ids = self._ids.give(shown_us, slate.codes, slate.offsets, slate.propensity)
            listed = zip(
                slate.items.tolist(), slate.scores.tolist(), slate.propensity.tolist(), slate.explored.tolist(), ids,
                strict=True,
            )  # fmt: skip
            items: list[dict[str, Any]] = []
            for place, (item, score, propensity, explored, impression) in enumerate(listed, start=1):
                items.append({
                    "item_id": model.items[item],
                    "category": model.categories[item],
                    "position": place,
                    "score": score,
                    "propensity": propensity,
                    "impression_id": impression,
                    "reason": reason(
                        model.predictor, champion.popular, found.known.histories[row], model.items[item],
                        segment=segment, cold=cold, explored=explored,
                    ) if request.reasons else None,
                })  # fmt: skip
            rows.append({
                "customer_id": customer, "cold_start": cold, "segment": segment, "served_by": served_by, "items": items,
            })  # fmt: skip
        return rows

    def _popular(self, champion: Champion, request: RecommendRequest) -> list[dict[str, Any]]:
        """What most customers of the request's segment took: nothing else is asked, for anything may be broken."""
        stock, excluded = None if request.in_stock is None else set(request.in_stock), set(request.exclude)
        if request.already_taken == "leave_out":
            excluded |= set(request.history or ())
        segment = request.context.segment
        items, shares = champion.popular.best(
            segment, request.k, lambda item: item not in excluded and (stock is None or item in stock)
        )
        why = reason(None, champion.popular, (), "", segment=segment, cold=True, explored=False)
        listed = [
            {
                "item_id": item, "category": "", "position": place, "score": share, "propensity": 1.0,
                "impression_id": None, "reason": why if request.reasons else None,
            }
            for place, (item, share) in enumerate(zip(items, shares, strict=True), start=1)
        ]  # fmt: skip
        return [
            {"customer_id": name, "cold_start": True, "segment": segment, "served_by": FALLBACK, "items": listed}
            for name in (request.customer_ids or (None,))
        ]

    def _count(self, endpoint: str, served_by: str, champion: Champion, start: float) -> None:
        self._metrics.answered(endpoint, served_by.split(" ", 1)[0], time.perf_counter() - start)
        self._metrics.breaker(champion.breaker_state)


def _hour(request: RecommendRequest) -> int:
    return datetime.now(UTC).hour if request.context.hour is None else request.context.hour


def _confidence(known: Known, histories: Any) -> float:
    """Of stored histories alone: what strangers send must not open the breaker."""
    given = sum(len(history) for name, history in zip(known.ids, known.histories, strict=True) if name is not None)
    return float(histories.lengths.sum()) / given if given else 1.0


def _notes(model: Model, known: Known, request: RecommendRequest) -> list[str]:
    notes = []
    if known.unknown:
        notes.append(f"unknown customers {named(known.unknown)}: they get what is popular, and what is new")
    for field_, names in (("history", request.history), ("in_stock", request.in_stock), ("exclude", request.exclude)):
        if strangers := [name for name in names or () if name not in model.places]:
            notes.append(f"{field_}: unknown items {named(strangers)} are passed over; `/items` lists the known ones")
    return notes
