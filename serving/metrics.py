"""Prometheus metrics of a bot; every label has a bounded set of values."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

BREAKER_STATES: Mapping[str, int] = {"closed": 0, "half_open": 1, "open": 2}
FOLDER_OF_WORKERS = "PROMETHEUS_MULTIPROC_DIR"
LATENCY_BUCKETS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ServiceMetrics:
    """Counters, gauges and histograms of one bot.

    Made inside a running service: prometheus_client decides when it is imported whether its values lie in files. Where one
    of several `workers` is asked, it tells the sums of all.
    """

    def __init__(self, bot: str, workers: int = 1) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        # BentoML gives all services of a user one folder, which the next one that starts clears.
        self._shared = _shared_folder(bot) if workers > 1 else None
        if self._shared is not None:
            os.environ[FOLDER_OF_WORKERS] = str(self._shared)
        self.registry = CollectorRegistry()
        self._bot, where = bot, self.registry
        self._requests = Counter(
            "requests",
            "Requests answered, by who answered",
            ["bot", "endpoint", "served_by"],
            namespace="storeloop",
            registry=where,
        )
        self._latency = Histogram(
            "request_seconds",
            "Time to answer inside the service",
            ["bot", "endpoint"],
            buckets=LATENCY_BUCKETS,
            namespace="storeloop",
            registry=where,
        )
        self._fallbacks = Counter(
            "fallbacks",
            "Answers the model did not give, by reason",
            ["bot", "reason"],
            namespace="storeloop",
            registry=where,
        )
        self._breaker = Gauge(
            "breaker_state",
            "0 closed, 1 half open, 2 open",
            ["bot"],
            multiprocess_mode="mostrecent",
            namespace="storeloop",
            registry=where,
        )
        self._champion = Gauge(
            "champion_info", "1 for the champion that answers", ["bot", "artifact_id", "registry_version"],
            multiprocess_mode="mostrecent", namespace="storeloop", registry=where,
        )  # fmt: skip
        self._swaps = Gauge(
            "champion_swaps",
            "Champions taken over since start",
            ["bot"],
            multiprocess_mode="mostrecent",
            namespace="storeloop",
            registry=where,
        )
        self._refusals = Gauge(
            "champion_refusals",
            "Releases refused since start",
            ["bot"],
            multiprocess_mode="mostrecent",
            namespace="storeloop",
            registry=where,
        )
        self._problem = Gauge(
            "champion_problem", "1 while the promoted champion is not the one that answers", ["bot"],
            multiprocess_mode="mostrecent", namespace="storeloop", registry=where,
        )  # fmt: skip
        self._stages = Histogram(
            "stage_seconds",
            "Time of each stage of an answer",
            ["bot", "stage"],
            buckets=LATENCY_BUCKETS,
            namespace="storeloop",
            registry=where,
        )
        self._learned = Gauge(
            "learned_events", "Events that what answers has learned of online", ["bot"],
            multiprocess_mode="mostrecent", namespace="storeloop", registry=where,
        )  # fmt: skip
        self._clipped = Counter(
            "clipped_prices", "Prices that a rule moved, by rule", ["bot", "rule"], namespace="storeloop", registry=where
        )  # fmt: skip
        self._labels = Counter(
            "label_decisions", "Decisions on labels that boxes told, once each, by who priced them", ["bot", "source"],
            namespace="storeloop", registry=where,
        )  # fmt: skip
        self._label_conflicts = Counter(
            "label_decision_conflicts", "Decisions on labels not kept: their id was given before with another content", ["bot"],
            namespace="storeloop", registry=where,
        )  # fmt: skip
        self._decisions = Counter(
            "decisions", "What was decided on packages", ["bot", "decision"], namespace="storeloop", registry=where
        )  # fmt: skip
        self._last: tuple[str, str, str] | None = None

    def answered(self, endpoint: str, served_by: str, seconds: float) -> None:
        """One request was answered; `served_by` without the artifact id."""
        self._requests.labels(self._bot, endpoint, served_by).inc()
        self._latency.labels(self._bot, endpoint).observe(seconds)

    def fell_back(self, reason: str) -> None:
        """The model did not answer: `late`, `error`, `implausible`, `breaker_open` or `refused`."""
        self._fallbacks.labels(self._bot, reason).inc()

    def stages(self, seconds: Mapping[str, float]) -> None:
        """How long each stage of one answer took, by name; a stage is a step of our code, so there are few."""
        for stage, taken in seconds.items():
            self._stages.labels(self._bot, stage).observe(taken)

    def learned(self, events: int) -> None:
        """How many events the weights that answer were learned of."""
        self._learned.labels(self._bot).set(events)

    def clipped(self, counts: Mapping[str, int]) -> None:
        """How many prices each rule moved."""
        for rule, count in counts.items():
            self._clipped.labels(self._bot, rule).inc(count)

    def label_decisions(self, new: Mapping[str, int], *, conflicts: int) -> None:
        """How many decisions on labels each source of prices brought, and how many could not be kept."""
        for source, count in new.items():
            self._labels.labels(self._bot, source).inc(count)
        if conflicts:
            self._label_conflicts.labels(self._bot).inc(conflicts)

    def decided(self, decision: str) -> None:
        """One package is to be passed, rejected or seen by a human."""
        self._decisions.labels(self._bot, decision).inc()

    def breaker(self, state: str) -> None:
        """The breaker is `closed`, `half_open` or `open`."""
        self._breaker.labels(self._bot).set(BREAKER_STATES[state])

    def champion(self, artifact_id: str, registry_version: str, *, swaps: int, refusals: int, problem: bool) -> None:
        """Which champion answers; an empty id is none."""
        now = (self._bot, artifact_id, registry_version)
        if self._last is not None and self._last != now:
            self._champion.labels(*self._last).set(0)
        if artifact_id:
            self._champion.labels(*now).set(1)
            self._last = now
        self._swaps.labels(self._bot).set(swaps)
        self._refusals.labels(self._bot).set(refusals)
        self._problem.labels(self._bot).set(int(problem))

    def exposition(self) -> tuple[str, bytes]:
        """Content type and text of `/metrics`."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self.registry
        if self._shared is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=str(self._shared))  # type: ignore[no-untyped-call]
        return CONTENT_TYPE_LATEST, generate_latest(registry)


def _shared_folder(bot: str) -> Path:
    """Where the workers of one service keep their numbers: named by their parent and its start, so that none is stale."""
    import psutil

    parent = psutil.Process(os.getppid())
    folder = Path(tempfile.gettempdir()) / f"storeloop-{bot}-{parent.pid}-{parent.create_time():.0f}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} is somebody else's: remove it, or set TMPDIR to a folder of your own")
    return folder
