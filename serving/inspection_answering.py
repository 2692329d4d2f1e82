"""Decides what becomes of packages: the champion within its deadline, or a human, and the reply says which."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import numpy as np
from pydantic_core import to_json

from models.common.pictures import PictureError
from models.inspection.data import READINGS
from models.inspection.explain import Reasons
from models.inspection.packages import Readings, decoded
from models.inspection.pictures import MOST_SIDE
from models.inspection.predict import InspectionInput, Reply
from models.inspection.registering import Pixels
from serving.guarded import Outcome, guarded
from serving.inspection_champion import Champion
from serving.inspection_schemas import REASONS_MAX, BatchesRequest, InspectFormRequest, InspectRequest
from serving.metrics import ServiceMetrics
from serving.pixel_budget import PixelBudget
from serving.replies import Refusal, named, page
from serving.settings import ServeSettings

HUMAN, FALLBACK = "human", "fallback:human"
REGIONS = 3  # told of a picture
STATUS: Mapping[str, int] = {"bytes": 413, "pixels": 413, "format": 415, "empty": 400, "broken": 400}


class Answerer:
    """Answers the requests of inspection from whatever champion is current when they come in."""

    def __init__(
        self, current: Callable[[], Champion | None], settings: ServeSettings, metrics: ServiceMetrics
    ) -> None:
        self._current, self._settings, self._metrics = current, settings, metrics
        self._pool = ThreadPoolExecutor(settings.model_threads, thread_name_prefix="model")
        self._budget = PixelBudget(settings)

    def close(self) -> None:
        """Let the worker threads go; what still runs is abandoned."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def inspect_form(self, request: InspectFormRequest) -> bytes:
        """As `inspect`, of one package; a Refusal names the form's fields."""
        try:
            return await self.inspect(request.request())
        except Refusal as refusal:
            named_so = refusal.error.replace("packages.0.approved.", "approved_").replace("packages.0.", "")
            raise Refusal(refusal.status, named_so, retry_after_s=refusal.retry_after_s, **refusal.detail) from refusal

    async def inspect(self, request: InspectRequest) -> bytes:
        """Reply (JSON of `InspectReply`); Refusal where a picture or a batch cannot be read, or too many are being looked at."""
        start, packages = time.perf_counter(), request.packages
        if request.reasons and len(packages) > REASONS_MAX:
            raise Refusal(400, f"reasons for {len(packages)} packages: at most {REASONS_MAX} a request; split it")
        champion = self._champion()
        _check_batches(champion, request)
        notes: list[str] = []
        reasons: Reasons | None = None
        async with self._budget.room(_pixels_of(champion, request)) as room:
            pool = room.within(self._pool)
            # Pictures of strangers are read before the model is asked: a broken one is no failure of the model.
            question = await asyncio.get_running_loop().run_in_executor(pool, _read, champion, request)
            outcome = await self._ask(champion, question, pool)
            if outcome.value is None:
                self._metrics.fell_back(outcome.failure or "error")
                notes.append(f"fallback: {outcome.detail}; a human must look at every package of this request")
            if request.reasons and outcome.value is not None and question is not None:
                explained = await self._explain(champion, question, pool)
                reasons = explained.value
                notes += [] if reasons is not None else [f"no reasons: {explained.detail}"]
            elif request.reasons:
                notes.append("there are no reasons for an answer that the model did not give")
        served_by = FALLBACK if outcome.value is None else f"champion {champion.artifact_id}"
        told = _rows(request, champion, outcome.value, reasons)
        reply = to_json({
            "served_by": served_by,
            "breaker": champion.breaker_state,
            "artifact_id": champion.artifact_id,
            "registry_version": champion.registry_version,
            "miss_level": None if outcome.value is None else champion.miss_level,
            "packages": told,
            "notes": notes,
        })  # fmt: skip
        for row in told:
            self._metrics.decided(str(row["decision"]))
        self._metrics.answered("inspect", served_by.split(" ", 1)[0], time.perf_counter() - start)
        self._metrics.breaker(champion.breaker_state)
        return reply

    async def batches(self, request: BatchesRequest) -> bytes:
        """Reply (JSON of `BatchesPage`)."""
        shown, rest = page(self._champion().batch_ids, request.prefix, request.after, request.limit)
        return to_json({"batch_ids": shown, **rest})

    async def model(self, *, swaps: int, problem: str | None) -> bytes:
        """Reply (JSON of `InspectionCard`)."""
        champion = self._champion()
        return to_json({**champion.card(), "swaps": swaps, "problem": champion.refused or problem})

    def _champion(self) -> Champion:
        champion = self._current()
        if champion is None:
            raise Refusal(503, "no champion has been promoted yet: promote one, the service then picks it up by itself")
        return champion

    async def _ask(self, champion: Champion, question: InspectionInput | None, pool: Executor) -> Outcome[Reply]:
        if question is None:
            return Outcome(None, "refused", champion.refused or "no model")
        return await guarded(
            lambda: champion.inspect(question),
            champion.breaker,
            pool,
            deadline_s=self._settings.deadline_ms * len(question.pictures) / 1000,
            confidence=lambda _: champion.within_range(question),
        )

    async def _explain(self, champion: Champion, question: InspectionInput, pool: Executor) -> Outcome[Reasons]:
        """Reasons cost some seventy decisions each, so they have a breaker of their own."""
        return await guarded(
            lambda: champion.explain(question),
            champion.reasons_breaker,
            pool,
            deadline_s=self._settings.reasons_deadline_ms * len(question.pictures) / 1000,
            confidence=lambda _: 1.0,
        )


def _check_batches(champion: Champion, request: InspectRequest) -> None:
    if champion.samples is None:  # nobody can say which are known; a human is called for all
        return
    asked = dict.fromkeys(each.batch_id for each in request.packages if each.batch_id is not None)
    if unknown := [name for name in asked if name not in champion.samples.places]:
        raise Refusal(
            404,
            f"unknown batch {named(unknown)}: `/batches` lists the {len(champion.batch_ids)} known ones, or send its "
            "`approved` sample",
        )


def _pixels_of(champion: Champion, request: InspectRequest) -> int:
    """Most that a request may decode to: each package's picture and the one that it is compared with."""
    return 2 * len(request.packages) * (champion.side_px or MOST_SIDE) ** 2


def _read(champion: Champion, request: InspectRequest) -> InspectionInput | None:
    """The question to the model, every picture decoded within the bounds of the champion, each approved sample once; None where the
    model must not be asked. Refusal names the picture."""
    pictures, approved, batch, nominal = list[Pixels](), list[Pixels](), list[int](), list[list[float]]()
    places, samples = dict[str, int](), champion.samples
    for number, package in enumerate(request.packages):
        pictures.append(_pixels(f"packages.{number}.picture", package.picture, champion.side_px))
        known = package.batch_id
        if known is not None and known in places:
            batch.append(places[known])
            continue
        if package.approved is not None:
            where = f"packages.{number}.approved.picture"
            approved.append(_pixels(where, package.approved.picture, champion.side_px))
            nominal.append(_readings(package.approved))
        elif samples is not None and known is not None:
            places[known] = len(approved)
            approved.append(samples.pictures[samples.places[known]])
            nominal.append(samples.nominal[samples.places[known]].tolist())
        batch.append(len(approved) - 1)
    if champion.refused is not None:
        return None
    return InspectionInput(
        np.stack(pictures),
        np.stack(approved),
        np.array(batch, dtype=np.int64),
        np.array([_readings(each) for each in request.packages]),
        np.array(nominal),
    )


def _pixels(field: str, text: str, side: int | None) -> Pixels:
    try:
        return decoded(text, side)
    except PictureError as error:
        raise Refusal(STATUS[error.trouble], f"{field}: {error}") from error


def _readings(told: Readings) -> list[float]:
    return [float(getattr(told, name)) for name in READINGS]


def _rows(
    request: InspectRequest, champion: Champion, reply: Reply | None, reasons: Reasons | None
) -> list[dict[str, Any]]:
    if reply is None or champion.model is None:
        nothing: dict[str, Any] = {"decision": HUMAN, "probability": None, "kind": None, "kinds": {}, "reasons": None}
        return [{"package_id": each.package_id, **nothing} for each in request.packages]
    kinds = champion.model.predictor.spec.kinds
    return [
        {
            "package_id": each.package_id,
            "decision": str(reply.decision[row]),
            "probability": float(reply.probability[row]),
            "kind": str(reply.kind[row]),
            "kinds": dict(zip(kinds, reply.kinds[row].tolist(), strict=True)),
            "reasons": None if reasons is None else _why(reasons, row, champion.model.predictor.spec.side_px),
        }
        for row, each in enumerate(request.packages)
    ]


def _why(reasons: Reasons, row: int, side: int) -> dict[str, Any]:
    grid = reasons.regions[row]
    step = -(-side // len(grid))
    telling = [place for place in np.argsort(-grid, axis=None)[:REGIONS] if grid.flat[place] > 0]
    regions = []
    for place in telling:
        top, left = (int(each) * step for each in np.unravel_index(place, grid.shape))
        width, height = min(step, side - left), min(step, side - top)
        if width > 0 and height > 0:
            regions.append({
                "left_px": left, "top_px": top, "width_px": width, "height_px": height, "weight": float(grid.flat[place]),
            })  # fmt: skip
    return {
        "foremost": reasons.foremost[row],
        "picture": float(reasons.picture[row]),
        "readings": dict(zip(READINGS, reasons.readings[row].tolist(), strict=True)),
        "regions": regions,
    }
