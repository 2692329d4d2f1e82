"""Runs jobs and selections in this process, with progress, on the same instance that the UI shows."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from orchestration.settings import Settings
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import dagster as dg

PID_TAG = "storeloop/pid"
MOVES = ("promote", "rollback")
REASON_LINES, REASON_CHARACTERS = 6, 600  # of a failed step's message; Dagster keeps the whole of it

DAGSTER_YAML = """telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 1
run_monitoring:
  enabled: true
  max_resume_run_attempts: 0
"""


@dataclass(frozen=True)
class StepEnd:
    """One finished step: its asset, how it ended, and how many are done."""

    step: str
    status: str
    done: int
    total: int
    message: str = ""


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended, step by step, and what each asset said of itself."""

    run_id: str
    success: bool
    steps: dict[str, str]
    failures: dict[str, str]
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**vars(self)}


def open_instance(workspace: Workspace) -> "dg.DagsterInstance":
    """The Dagster instance of a workspace; created on first use, telemetry and pop-ups off."""
    import dagster as dg

    from orchestration.days import CHANGED

    home = workspace.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists() or config.read_text(encoding="utf-8") != DAGSTER_YAML:
        config.write_text(DAGSTER_YAML, encoding="utf-8")
    instance = dg.DagsterInstance.from_config(str(home))
    instance.add_dynamic_partitions("day", [CHANGED])  # sensors and people ask for it before the first run
    return instance


def run(
    settings: Settings,
    target: str,
    *,
    days: tuple[date, date] | None = None,
    on_step: Callable[[StepEnd], None] | None = None,
    on_message: Callable[[str], None] | None = None,
) -> RunOutcome:
    """Run a job by name or a selection of assets (see `select`).

    What changed is made; with `days` (first, last) those days are made anew too, all in this one run. ValueError names
    the days there are when none of them lies there, and a target of which nothing is made by day.
    Only one run at a time may write a workspace; a second one waits (see `WorkspaceResource`). Runs whose process was
    killed are closed first. The reason of a failure is what the check that refused says, where one did.
    """
    from orchestration.dagster_storage import kept_open
    from orchestration.days import CHANGED
    from orchestration.definitions import build

    workspace = Workspace(settings)
    workspace.root.mkdir(parents=True, exist_ok=True)
    definitions = build(settings)
    job, keys = _resolve(definitions, target)
    by_day = _by_day(definitions, job, keys)
    if days and not by_day:
        raise ValueError(f"nothing of {target!r} is made by day: leave the days out, `storeloop run {target}`")
    with kept_open(workspace.dagster_home), open_instance(workspace) as instance:
        _close_dead_runs(instance)
        run_id = str(uuid4())
        chosen = _range_tags(workspace, instance, *days) if days else {}
        total = len(keys) if keys is not None else len(job.nodes)
        steps: dict[str, str] = {}
        failures: dict[str, str] = {}
        planned: set[str] = set()
        refusals: dict[str, str] = {}

        def listen(entry: Any) -> None:
            event = entry.dagster_event
            if event is None:
                if on_message:
                    on_message(entry.user_message)
                return
            kind = event.event_type_value
            if kind == "ASSET_MATERIALIZATION_PLANNED":
                planned.add(event.step_key)
            if kind == "ASSET_CHECK_EVALUATION" and not event.event_specific_data.passed:
                refusals[event.step_key] = _refusal(event.event_specific_data)
            if kind not in {"STEP_SUCCESS", "STEP_FAILURE"}:
                return
            steps[event.step_key] = kind.removeprefix("STEP_").lower()
            message = (refusals.get(event.step_key) or _reason(event)) if kind == "STEP_FAILURE" else ""
            if message:
                failures[event.step_key] = message
            if on_step:
                on_step(StepEnd(event.step_key, steps[event.step_key], len(steps), total, message))

        instance.add_event_listener(run_id, listen)
        result = job.execute_in_process(
            instance=instance,
            run_id=run_id,
            raise_on_error=False,
            asset_selection=keys,
            partition_key=CHANGED if by_day and not days else None,
            tags={PID_TAG: str(os.getpid()), **chosen},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        for step in sorted(planned - steps.keys()):  # Dagster says nothing of what lies behind a stopped step
            steps[step] = "not run"
            if on_step:
                on_step(StepEnd(step, "not run", len(steps), total))
        metadata = {
            "/".join(event.asset_key.path): {k: v.value for k, v in event.materialization.metadata.items()}
            for event in result.get_asset_materialization_events()
            if event.asset_key is not None
        }
    return RunOutcome(run_id, bool(result.success), steps, failures, metadata)


def select(definitions: "dg.Definitions", target: str) -> list["dg.AssetKey"]:
    """The assets that `target` names: `group:features`, `clean/sales`, `+forecaster/challenger` (with all that it
    needs), or several of these with commas between them. ValueError names what there is.

    Dagster's own selection syntax needs an ANTLR runtime that DVC's dependencies hold back.
    """
    import dagster as dg

    graph = definitions.resolve_asset_graph()
    by_name = {"/".join(key.path): key for key in graph.get_all_asset_keys()}
    chosen: set[dg.AssetKey] = set()
    for term in (part.strip() for part in target.split(",")):
        name, with_upstream = term.removeprefix("+"), term.startswith("+")
        if name.startswith("group:"):
            keys = {key for key in by_name.values() if graph.get(key).group_name == name.removeprefix("group:")}
        else:
            keys = {by_name[name]} if name in by_name else set()
        if not keys:
            groups = sorted({str(graph.get(key).group_name) for key in by_name.values()})
            raise ValueError(
                f"{term!r} is no job ({', '.join(sorted(job.name for job in definitions.jobs or []))}), no group "
                f"({', '.join(groups)}) and no asset ({', '.join(sorted(by_name))})"
            )
        chosen |= dg.AssetSelection.assets(*keys).upstream().resolve(graph) if with_upstream else keys
    return sorted(chosen, key=lambda key: key.path)


def _resolve(definitions: "dg.Definitions", target: str) -> tuple[Any, list["dg.AssetKey"] | None]:
    if target in MOVES:
        raise ValueError(f"{target!r} needs a version, a name and a reason: use `storeloop {target}`")
    if target in {job.name for job in definitions.jobs or []}:
        return definitions.resolve_job_def(target), None
    return definitions.resolve_implicit_global_asset_job_def(), select(definitions, target)


def _by_day(definitions: "dg.Definitions", job: Any, keys: list["dg.AssetKey"] | None) -> bool:
    """Whether a run of these assets needs a partition; one that does not must have none."""
    if keys is None:
        return job.partitions_def is not None
    graph = definitions.resolve_asset_graph()
    return any(graph.get(key).partitions_def is not None for key in keys)


def _range_tags(workspace: Workspace, instance: "dg.DagsterInstance", first: date, last: date) -> dict[str, str]:
    """Tags that make a run one over the days from `first` to `last`."""
    from orchestration.days import RANGE_END, RANGE_START, sync_days
    from orchestration.ingest import known_days

    known = known_days(workspace)
    within = [day for day in known if str(first) <= day <= str(last)]
    if not within or str(first) < known[0] or str(last) > known[-1]:
        there = f"there are {known[0]} to {known[-1]}" if known else "none is known before the first `storeloop run`"
        raise ValueError(f"days {first} to {last}: {there}; choose the first and the last among these")
    sync_days(instance, known)
    return {RANGE_START: within[0], RANGE_END: within[-1]}


def _refusal(check: Any) -> str:
    """What a check that failed says: its metadata in words."""
    parts = []
    for name, entry in check.metadata.items():
        if name in {"broken", "reason", "remedy"}:
            value = entry.value
            parts.append("; ".join(map(str, value)) if isinstance(value, list) else str(value))
    return f"{check.check_name} refused {'/'.join(check.asset_key.path)}: {'. '.join(parts)}"


def _reason(event: Any) -> str:
    error = event.step_failure_data.error
    while error.cause is not None:
        error = error.cause
    return "\n".join(str(error.message).strip().splitlines()[:REASON_LINES])[:REASON_CHARACTERS]


def _close_dead_runs(instance: "dg.DagsterInstance") -> None:
    import dagster as dg
    import psutil

    for stale in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        pid = stale.tags.get(PID_TAG)
        if pid is not None and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
            instance.report_run_failed(stale, f"the process {pid} that ran it is gone")
