"""Runs a model under a deadline and behind a breaker, off the event loop; what happens is an outcome, no exception."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from models.common.guard import BreakerConfig, CircuitBreaker
from serving.settings import ServeSettings

logger = logging.getLogger("storeloop.serving")
T = TypeVar("T")
Failure = Literal["late", "error", "implausible", "unsure", "breaker_open", "refused", "no_state"]


class Implausible(ValueError):
    """The model answered, but nothing that may be passed on."""


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """A value, or why there is none."""

    value: T | None
    failure: Failure | None
    detail: str = ""


def make_breaker(settings: ServeSettings) -> CircuitBreaker:
    """Each request has its own deadline, so the breaker's bound on lateness only has to lie beyond them all."""
    config = BreakerConfig(
        failures=settings.breaker_failures,
        reset_s=settings.breaker_reset_s,
        slow_s=600.0,
        min_confidence=settings.breaker_min_confidence,
    )
    return CircuitBreaker(config, time.monotonic)


async def guarded(
    work: Callable[[], T],
    breaker: CircuitBreaker,
    pool: Executor,
    *,
    deadline_s: float,
    confidence: Callable[[T], float],
) -> Outcome[T]:
    """Ask the model once. A call over the deadline is abandoned: its thread ends by itself, its result is dropped.

    A value of too low `confidence` is not passed on either.
    """
    if not breaker.allow():
        return Outcome(None, "breaker_open", "the breaker is open after repeated failures of the model")
    start = time.perf_counter()
    future = asyncio.get_running_loop().run_in_executor(pool, work)
    done, _ = await asyncio.wait((future,), timeout=deadline_s)
    elapsed_s = time.perf_counter() - start
    if not done:
        future.cancel()
        breaker.record(elapsed_s=math.inf)
        return Outcome(None, "late", f"the model took longer than {deadline_s * 1000:.0f} ms")
    error = future.exception()
    if error is None:
        value = future.result()
        if breaker.record(elapsed_s=elapsed_s, confidence=confidence(value)) == "low_confidence":
            return Outcome(None, "unsure", "too many of the features lie outside what the model was trained on")
        return Outcome(value, None)
    implausible = isinstance(error, Implausible)
    breaker.record(elapsed_s=elapsed_s, error=True)
    if not isinstance(error, Exception):
        raise error
    logger.error("the model failed: %s", error, exc_info=error)
    return Outcome(None, "implausible" if implausible else "error", f"the model failed ({type(error).__name__})")
