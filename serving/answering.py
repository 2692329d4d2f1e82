"""Decides who answers a forecast: the champion within its deadline, or the fallback, which says that it did."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic_core import to_json

from models.forecaster import fallback
from serving.champion import Champion, Overrides, Prediction
from serving.guarded import Outcome, guarded
from serving.metrics import ServiceMetrics
from serving.replies import Refusal, named, page
from serving.schemas import REASONS_MAX, ForecastRequest, ReasonsRequest, SeriesRequest
from serving.settings import ServeSettings

FloatArray = npt.NDArray[np.float32]
QUANTILE_COLUMNS: Mapping[float, tuple[str, int]] = {0.1: ("q10", 1), 0.5: ("q50", 2), 0.9: ("q90", 3)}


class Answerer:
    """Answers the requests of the forecaster from whatever champion is current when they come in."""

    def __init__(
        self, current: Callable[[], Champion | None], settings: ServeSettings, metrics: ServiceMetrics
    ) -> None:
        self._current, self._settings, self._metrics = current, settings, metrics
        self._pool = ThreadPoolExecutor(settings.model_threads, thread_name_prefix="model")

    def close(self) -> None:
        """Let the worker threads go; what still runs is abandoned."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def forecast(self, request: ForecastRequest) -> bytes:
        """Reply (JSON of `ForecastReply`) to a forecast request; Refusal when it cannot be answered at all."""
        start = time.perf_counter()
        ids, horizon = request.series_ids, request.horizon
        if request.reasons and len(ids) > REASONS_MAX:
            raise Refusal(400, f"reasons for {len(ids)} series: at most {REASONS_MAX} a request; split it")
        champion = self._champion(ids, horizon)
        overrides = _overrides(request, champion)
        outcome = await self._predict(champion, ids, horizon, overrides)
        reasons = None
        if outcome.value is not None:
            values, origins, served_by, notes = self._complete(champion, ids, horizon, outcome.value)
            if request.reasons:
                explained = await self._explain(champion, ids, horizon, overrides)
                reasons = explained.value
                notes += [] if reasons is not None else [f"no reasons: {explained.detail}"]
        else:
            values, origins, served_by, notes = self._fall_back(champion, ids, horizon, outcome)
            if request.overrides:
                notes.append("the what-if overrides are not in this answer: only the model can honour them")
            if request.reasons:
                notes.append("there are no reasons for an answer that the model did not give")
        worst = max(served_by, key=_degraded)
        reply = to_json({
            "served_by": worst,
            "breaker": champion.breaker_state,
            "artifact_id": champion.artifact_id,
            "registry_version": champion.registry_version,
            "frequency": champion.frequency,
            "forecasts": _rows(champion, request, values, origins, served_by),
            "reasons": reasons,
            "notes": notes,
        })  # fmt: skip
        self._count("forecast", worst, champion, start)
        return reply

    async def reasons(self, request: ReasonsRequest) -> bytes:
        """Reply (JSON of `ReasonsReply`); Refusal 503 when the model cannot be asked."""
        start = time.perf_counter()
        champion = self._champion(request.series_ids, request.horizon)
        outcome = await self._explain(champion, request.series_ids, request.horizon, {})
        if outcome.value is None:
            self._count("reasons", "refused", champion, start)
            raise Refusal(503, f"no reasons can be given now: {outcome.detail}; `/forecast` still answers")
        served_by = f"champion {champion.artifact_id}"
        reply = to_json({
            "served_by": served_by,
            "breaker": champion.breaker_state,
            "artifact_id": champion.artifact_id,
            "reasons": outcome.value,
            "notes": [],
        })  # fmt: skip
        self._count("reasons", served_by, champion, start)
        return reply

    async def series(self, request: SeriesRequest) -> bytes:
        """Reply (JSON of `SeriesPage`)."""
        ids = self._champion((), 1).series_ids
        shown, rest = page(ids, request.prefix, request.after, request.limit)
        return to_json({"series_ids": shown, **rest})

    async def model(self, *, swaps: int, problem: str | None) -> bytes:
        """Reply (JSON of `ModelReply`)."""
        champion = self._champion((), 1)
        return to_json({**champion.card(), "swaps": swaps, "problem": champion.refused or problem})

    def _champion(self, series_ids: Sequence[str], horizon: int) -> Champion:
        champion = self._current()
        if champion is None:
            raise Refusal(503, "no champion has been promoted yet: promote one, the service then picks it up by itself")
        unknown = [series_id for series_id in series_ids if series_id not in champion.units]
        if unknown:
            raise Refusal(404, f"unknown series {named(unknown)}: `/series` lists the {len(champion.units)} known ones")
        if horizon > champion.horizon:
            raise Refusal(
                400,
                f"horizon {horizon} is beyond this champion's {champion.horizon} periods: ask for at most that many",
            )
        return champion

    async def _predict(
        self, champion: Champion, series_ids: Sequence[str], horizon: int, overrides: Overrides
    ) -> Outcome[Prediction]:
        if champion.refused is not None:
            return Outcome(None, "refused", champion.refused)
        knobs = self._settings
        deadline_ms = knobs.deadline_ms + knobs.deadline_per_series_ms * (len(series_ids) - 1)
        return await guarded(
            lambda: champion.predict(series_ids, horizon, overrides),
            champion.breaker,
            self._pool,
            deadline_s=deadline_ms / 1000,
            confidence=lambda prediction: prediction.confidence,
        )

    async def _explain(
        self, champion: Champion, series_ids: Sequence[str], horizon: int, overrides: Overrides
    ) -> Outcome[list[dict[str, Any]]]:
        """Reasons cost hundreds of times a forecast, so they have a breaker of their own."""
        if champion.refused is not None:
            return Outcome(None, "refused", champion.refused)
        return await guarded(
            lambda: champion.explain(series_ids, horizon, overrides),
            champion.reasons_breaker,
            self._pool,
            deadline_s=self._settings.reasons_deadline_ms * len(series_ids) / 1000,
            confidence=lambda _: 1.0,
        )

    def _complete(
        self, champion: Champion, series_ids: Sequence[str], horizon: int, prediction: Prediction
    ) -> tuple[FloatArray, npt.NDArray[np.datetime64], list[str], list[str]]:
        """The model's answer, with the fallback's for the series it could not answer."""
        values, origins = prediction.values, prediction.origins
        served_by = [f"champion {champion.artifact_id}"] * len(series_ids)
        absent = np.flatnonzero(np.isnan(values[:, 0, 0]))
        if not absent.size:
            return values, origins, served_by, []
        outcome: Outcome[Prediction] = Outcome(None, "no_state", f"{absent.size} series have no current state")
        missing = [series_ids[row] for row in absent.tolist()]
        values[absent], origins[absent], by, notes = self._fall_back(champion, missing, horizon, outcome)
        for row, who in zip(absent, by, strict=True):
            served_by[row] = who
        return values, origins, served_by, notes

    def _fall_back(
        self, champion: Champion, series_ids: Sequence[str], horizon: int, outcome: Outcome[Prediction]
    ) -> tuple[FloatArray, npt.NDArray[np.datetime64], list[str], list[str]]:
        origins, state = champion.last_known(series_ids)
        answer = fallback.answer(champion.last_good, series_ids, origins, horizon, champion.frequency, state)
        self._metrics.fell_back(outcome.failure or "error")
        return answer.values, origins, list(answer.served_by), [f"fallback: {outcome.detail}", *answer.notes]

    def _count(self, endpoint: str, served_by: str, champion: Champion, start: float) -> None:
        self._metrics.answered(endpoint, served_by.split(" ", 1)[0], time.perf_counter() - start)
        self._metrics.breaker(champion.breaker_state)


def _degraded(served_by: str) -> int:
    return ("champion", "fallback:last_good_forecast", "fallback:seasonal_mean").index(served_by.split(" ", 1)[0])


def _overrides(request: ForecastRequest, champion: Champion) -> dict[str, FloatArray]:
    """What-if values by covariate, each `(N, horizon)` with NaN where the plan stands."""
    rows = {series_id: row for row, series_id in enumerate(request.series_ids)}
    found: dict[str, FloatArray] = {}
    for override in request.overrides:
        name, given, horizon = override.name, len(override.values), request.horizon
        if champion.refused is None and name not in champion.known_ahead:
            known = ", ".join(champion.known_ahead) or "none"
            raise Refusal(400, f"covariate {name!r} is not known ahead to this champion: override one of {known}")
        if given != horizon:
            raise Refusal(400, f"override {name!r} has {given} values for a horizon of {horizon}: give one a period")
        wanted = request.series_ids if override.series_ids is None else override.series_ids
        strangers = [series_id for series_id in wanted if series_id not in rows]
        if strangers:
            raise Refusal(400, f"override {name!r} names {strangers[0]!r}, which is not among the series asked for")
        values = found.setdefault(name, np.full((len(rows), horizon), np.nan, dtype=np.float32))
        values[[rows[series_id] for series_id in wanted]] = override.values
    return found


def _rows(
    champion: Champion,
    request: ForecastRequest,
    values: FloatArray,
    origins: npt.NDArray[np.datetime64],
    served_by: Sequence[str],
) -> list[dict[str, object]]:
    lists = values.transpose(0, 2, 1).tolist()
    columns = [("mean", 0), *(QUANTILE_COLUMNS[level] for level in request.quantiles)]
    step = fallback.STEP_DAYS[champion.frequency]
    calendar: dict[np.datetime64, tuple[str, list[str]]] = {}
    rows = []
    for row, series_id in enumerate(request.series_ids):
        origin = origins[row]
        if origin not in calendar:
            ahead = origin + np.arange(1, request.horizon + 1) * np.timedelta64(step, "D")
            calendar[origin] = (str(origin), ahead.astype(str).tolist())
        known_until, period_start = calendar[origin]
        rows.append({
            "series_id": series_id,
            "unit": champion.units[series_id],
            "origin": known_until,
            "period_start": period_start,
            **{name: lists[row][column] for name, column in columns},
            "served_by": served_by[row],
        })  # fmt: skip
    return rows
