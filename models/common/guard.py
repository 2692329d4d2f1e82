"""Circuit breaker: stop asking a model that fails, dawdles or doubts, answer from the fallback, and try again later.

The pattern is Nygard's, Release It! (2nd ed. 2018, ch. 5): closed -> open -> half-open -> closed or open again.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["closed", "open", "half_open"]
Cause = Literal["error", "late", "low_confidence"]


class BreakerConfig(BaseModel):
    """When the breaker opens and when it tries again."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    failures: int = Field(default=5, ge=1, le=10_000, description="failures in a row that open it; one may be chance")
    slow_s: float = Field(default=0.5, gt=0, le=600, description="seconds; a slower answer counts as a failure")
    min_confidence: float = Field(
        default=0.0, ge=0, le=1, description="an answer of lower confidence counts as a failure; 0 = off"
    )
    reset_s: float = Field(
        default=10.0, gt=0, le=86_400, description="seconds that it stays open before one trial call"
    )
    trial_successes: int = Field(default=2, ge=1, le=1_000, description="good trial calls in a row that close it again")


@dataclass(frozen=True)
class BreakerStatus:
    """State, failures in a row, times opened, and the cause of the last opening (None if it never opened)."""

    state: State
    failures_in_a_row: int
    times_opened: int
    cause: Cause | None


class CircuitBreaker:
    """Thread-safe circuit breaker; `clock` is monotonic seconds, injected so that tests need not wait.

    Usage: `if breaker.allow(): ... breaker.record(...)` else answer from the fallback. Every allowed call must be
    recorded once; while half-open one trial runs at a time, and a trial never recorded is given up after `reset_s`.
    """

    def __init__(self, config: BreakerConfig, clock: Callable[[], float]) -> None:
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._state: State = "closed"
        self._failures = 0
        self._successes = 0
        self._opened = 0
        self._cause: Cause | None = None
        self._opened_at = 0.0
        self._trial_since: float | None = None

    def allow(self) -> bool:
        """Say whether the model may be asked now; in the half-open state the caller who gets True is the trial."""
        with self._lock:
            now = self._clock()
            if self._state == "closed":
                return True
            if self._state == "open":
                if now - self._opened_at < self._config.reset_s:
                    return False
                self._state, self._successes, self._trial_since = "half_open", 0, None
            if self._trial_since is not None and now - self._trial_since < self._config.reset_s:
                return False
            self._trial_since = now
            return True

    def record(self, *, elapsed_s: float, error: bool = False, confidence: float = 1.0) -> Cause | None:
        """Tell the outcome of an allowed call; returns the cause if it counted as a failure, else None."""
        cause: Cause | None = None
        if error:
            cause = "error"
        elif elapsed_s > self._config.slow_s:
            cause = "late"
        elif confidence < self._config.min_confidence:
            cause = "low_confidence"
        with self._lock:
            if self._state == "open":
                return cause  # a straggler that was allowed before it opened
            if self._state == "half_open":
                self._after_trial(cause)
            elif cause is None:
                self._failures = 0
            else:
                self._failures += 1
                if self._failures >= self._config.failures:
                    self._open(cause)
        return cause

    def status(self) -> BreakerStatus:
        """Return a consistent picture of the breaker for health pages, metrics and replies."""
        with self._lock:
            return BreakerStatus(self._state, self._failures, self._opened, self._cause)

    def reset(self) -> None:
        """Close the breaker and forget failures: a new model deserves a new chance."""
        with self._lock:
            self._state, self._failures, self._successes, self._trial_since = "closed", 0, 0, None

    def _after_trial(self, cause: Cause | None) -> None:
        self._trial_since = None
        if cause is not None:
            self._open(cause)
            return
        self._successes += 1
        if self._successes >= self._config.trial_successes:
            self._state, self._failures = "closed", 0

    def _open(self, cause: Cause) -> None:
        self._state, self._cause = "open", cause
        self._opened_at = self._clock()
        self._opened += 1
        self._trial_since = None
