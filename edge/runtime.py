"""Runs a verified bundle: asks the model under a deadline and behind a breaker, and else answers from the fallback."""

import math
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from edge.bots import EdgeBot, SelfTestReport, open_bot
from edge.bundle import BundleManifest, verify
from edge.update import SelfTest, start
from models.common.guard import BreakerConfig, CircuitBreaker

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SELF_TEST_FILE = "selftest.safetensors"


class RuntimeConfig(BaseModel):
    """How patient a box is with its model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deadline_s: float = Field(default=2.0, gt=0, le=600, description="seconds; a shelf or a till waits no longer")
    failures: int = Field(default=3, ge=1, le=10_000, description="failures in a row that open the breaker")
    reset_s: float = Field(default=30.0, gt=0, le=86_400, description="seconds until an open breaker tries again")
    min_confidence: float = Field(default=0.5, ge=0, le=1, description="less sure answers count as failures; 0 = off")


class EdgeRuntime:
    """One bundle at work. Thread-safe; `answer` never raises for a failing model, only for a wrong request."""

    def __init__(self, bot: EdgeBot, manifest: BundleManifest, config: RuntimeConfig) -> None:
        self._bot, self._config = bot, config
        self.manifest = manifest
        self._breaker = CircuitBreaker(
            BreakerConfig(
                failures=config.failures,
                reset_s=config.reset_s,
                slow_s=config.deadline_s,
                min_confidence=config.min_confidence,
                trial_successes=1,
            ),
            time.monotonic,
        )
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="model")
        self._lock = threading.Lock()
        self._answered: Counter[str] = Counter()
        self._problem = ""

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request; the reply says who answered (`served_by`) and how the breaker stands.

        InputError for a request that is wrong: no fallback can mend it.
        """
        checked = self._bot.check(request)
        reply = self._ask(checked)
        served_by = f"edge:{self.manifest.artifact_id[:12]}"
        if reply is None:
            reply, served_by = self._bot.fall_back(checked).reply, "fallback"
        with self._lock:
            self._answered["fallback" if served_by == "fallback" else "model"] += 1
        head = {"served_by": served_by, "breaker": self._breaker.status().state, "revision": self.manifest.revision}
        return head | ({"problem": self._problem} if served_by == "fallback" else {}) | reply

    def status(self) -> dict[str, Any]:
        """Bundle, breaker and counts, ready for JSON."""
        breaker = self._breaker.status()
        return {
            "bot": self.manifest.bot,
            "revision": self.manifest.revision,
            "artifact_id": self.manifest.artifact_id,
            "breaker": breaker.state,
            "times_opened": breaker.times_opened,
            "answered_by_model": self._answered["model"],
            "answered_by_fallback": self._answered["fallback"],
            "problem": self._problem,
            **self._bot.card(),
        }

    def self_test(self, folder: Path) -> SelfTestReport:
        """Answer the questions in the bundle and compare with the answers in it; SelfTestError when off."""
        return self._bot.self_test((folder / SELF_TEST_FILE).read_bytes())

    def close(self) -> None:
        """End its threads; a call that hangs is left behind."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, checked: Any) -> dict[str, Any] | None:
        if not self._breaker.allow():
            return None
        began = time.monotonic()
        call = self._pool.submit(self._bot.ask, checked)
        try:
            answer = call.result(timeout=self._config.deadline_s)
        except LateError:
            call.cancel()
            self._problem = f"the model took longer than {self._config.deadline_s} s"
            self._breaker.record(elapsed_s=math.inf)
            return None
        except Exception as error:  # whatever a model raises, the shop gets an answer and the status says why
            self._problem = f"the model failed: {type(error).__name__}: {error}"[:500]
            self._breaker.record(elapsed_s=time.monotonic() - began, error=True)
            return None
        if self._breaker.record(elapsed_s=time.monotonic() - began, confidence=answer.confidence) == "low_confidence":
            self._problem = f"confidence {answer.confidence:.2f} is below {self._config.min_confidence}"
            return None
        return answer.reply


def open_bundle(folder: Path, key: "Ed25519PublicKey", config: RuntimeConfig | None = None) -> EdgeRuntime:
    """Verify an unpacked bundle to the last byte and open it."""
    manifest = verify(folder, key)
    return EdgeRuntime(open_bot(manifest.bot, folder), manifest, config or RuntimeConfig())


def open_box(home: Path, key: "Ed25519PublicKey", config: RuntimeConfig | None = None) -> EdgeRuntime:
    """Open what is installed under `home`, the former bundle where the current one does not start or fails its test."""

    def tried(folder: Path) -> EdgeRuntime:
        runtime = open_bundle(folder, key, config)
        runtime.self_test(folder)
        return runtime

    return start(home, key, tried)[0]


def tester(key: "Ed25519PublicKey") -> SelfTest:
    """The self-test that `update` runs before a bundle becomes current."""

    def run(folder: Path) -> None:
        runtime = open_bundle(folder, key)
        try:
            runtime.self_test(folder)
        finally:
            runtime.close()

    return run
