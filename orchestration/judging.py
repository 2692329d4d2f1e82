"""Scores challenger and champion on one held-out window, writes the evidence, and promotes the winner."""

import json
import logging
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.fingerprints import fingerprint
from orchestration.forecasting import MODEL, current_challenger, dataset
from orchestration.promotion import Budgets, Criterion, Verdict, judge_challenger
from orchestration.registry import RegisteredVersion
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.common.artifact import Manifest
    from models.forecaster.data import Dataset, Panel
    from models.forecaster.predict import Predictor

LATENCY_RUNS = 200
REASON_SERIES = 24


def judge_and_promote(workspace: Workspace) -> dict[str, Any]:
    """Judge the newest registered version beside the champion; promote it when every criterion holds."""
    registry = workspace.registry
    artifact_id = _artifact_id(current_challenger(workspace).artifact)
    challenger = registry.find(MODEL, artifact_id)
    if challenger is None:
        raise ValueError(
            f"the challenger {artifact_id[:12]} is not registered: run the asset forecaster/registered first"
        )
    verdict = judge_version(workspace, challenger)
    if verdict.promoted:
        registry.promote(MODEL, challenger.version, who=workspace.settings.actor, reason="passed the promotion gate")
    champion = registry.champion(MODEL)
    failed = [row.name for row in verdict.criteria if not row.passed]
    return {
        "challenger": challenger.version,
        "champion": -1 if champion is None else champion.version,
        "promoted": verdict.promoted,
        "failed": failed,
        "evidence": str(evidence_page(workspace, challenger.version)),
    }


def judge_version(workspace: Workspace, challenger: RegisteredVersion) -> Verdict:
    """The verdict on one version beside today's champion, from the record when nothing changed since.

    The champion is judged against the baseline alone: it cannot be its own rival.
    """
    champion = workspace.registry.champion(MODEL)
    if champion is not None and champion.version == challenger.version:
        champion = None
    record = evidence_page(workspace, challenger.version).with_suffix(".json")
    inputs = {
        "challenger": challenger.artifact_id,
        "champion": None if champion is None else champion.artifact_id,
        "data": [_hash(workspace, "gold", "sales"), _hash(workspace, "features", "known_future")],
        "budgets": _budgets(workspace).model_dump(),
    }
    made_from = fingerprint(code=("orchestration/judging.py", "orchestration/promotion.py"), inputs=inputs)
    if record.exists():
        kept = json.loads(record.read_text(encoding="utf-8"))
        # A verdict that promoted this version stands: what it was judged beside is no longer the champion.
        if kept["made_from"] == made_from or (champion is None and kept["verdict"]["promoted"]):
            return verdict_from_json(kept["verdict"])
    verdict = _judge(workspace, challenger, champion)
    _record(workspace, challenger, verdict, made_from)
    return verdict


def read_verdict(workspace: Workspace) -> Verdict:
    """The verdict on the newest challenger."""
    version = workspace.registry.find(MODEL, _artifact_id(current_challenger(workspace).artifact))
    if version is None:
        raise ValueError("the newest challenger was never registered: run `storeloop run full`")
    record = evidence_page(workspace, version.version).with_suffix(".json")
    return verdict_from_json(json.loads(record.read_text(encoding="utf-8"))["verdict"])


def evidence_page(workspace: Workspace, version: int) -> Path:
    """Where the evidence of a version lies."""
    return workspace.root / "evidence" / MODEL / f"version-{version}.html"


def verdict_from_json(body: dict[str, Any]) -> Verdict:
    """What `Verdict.to_json` wrote."""
    return Verdict(
        model=body["model"],
        challenger=body["challenger"],
        champion=body["champion"],
        window_start=date.fromisoformat(body["window_start"]),
        window_end=date.fromisoformat(body["window_end"]),
        criteria=tuple(Criterion(**row) for row in body["criteria"]),
        context=body["context"],
    )


def _load_rival(champion: RegisteredVersion) -> "Predictor | None":
    """The champion's predictor, or None where this code cannot run it any more: then the baseline is the only rival."""
    from models.common.artifact import ArtifactError
    from models.forecaster.predict import load

    try:
        return load(champion.folder)
    except ArtifactError as error:
        logging.getLogger(__name__).warning("champion version %d cannot be judged: %s", champion.version, error)
        return None


@dataclass(frozen=True)
class _Scores:
    loss: "NDArray[np.float64]"  # (S,) mean absolute error over the window, in units of the series' scale
    coverage_80: float


def _judge(workspace: Workspace, challenger: RegisteredVersion, champion: RegisteredVersion | None) -> Verdict:
    import numpy as np

    from models.forecaster.predict import load

    data = dataset(workspace)
    if data.test is None:
        raise ValueError("no held-out window: train with hold_out=true, or give a cutoff before the last period")
    test, predictor = data.test, load(challenger.folder)
    scores = _score(predictor, data, test)
    loss = {"challenger": scores.loss, "baseline": _baseline_loss(data, test)}
    trained_until = {"challenger": date.fromisoformat(challenger.trained_until)}
    rival = None if champion is None else _load_rival(champion)
    if champion is not None and rival is not None:
        trained_until["champion"] = date.fromisoformat(champion.trained_until)
        loss["champion"] = _score(rival, data, test).loss
    known = np.logical_and.reduce([np.isfinite(values) for values in loss.values()])
    size = sum(path.stat().st_size for path in challenger.folder.rglob("*") if path.is_file()) / 1e6
    return judge_challenger(
        model=MODEL,
        challenger=challenger.artifact_id,
        champion=None if champion is None or rival is None else champion.artifact_id,
        window=_window(data),
        trained_until=trained_until,
        loss={name: values[known] for name, values in loss.items()},
        measured={
            "latency_p99_ms": _latency_p99_ms(predictor, test),
            "size_mb": size,
            "coverage_80": scores.coverage_80,
        },
        budgets=_budgets(workspace),
        seed=workspace.settings.seed,
    )


def _score(predictor: "Predictor", data: "Dataset", test: "Panel") -> _Scores:
    from models.common.metrics import coverage

    target = data.targets(test)
    reply = predictor.predict(_request(predictor, test), jittered=True)
    jitter = 1.0 if predictor.spec.counts else 0.0
    return _Scores(_loss(data, test, reply.mean), coverage(target, reply.q10, reply.q90, jitter=jitter))


def _baseline_loss(data: "Dataset", test: "Panel") -> "NDArray[np.float64]":
    from models.forecaster.baselines import season_length, seasonal_naive

    cut = data.test_period
    forecast = seasonal_naive(
        data.values[test.series, :cut],
        data.usable[test.series, :cut],
        season=season_length(data.frequency, cut),
        horizon=data.horizon,
    )
    return _loss(data, test, forecast)


def _loss(data: "Dataset", test: "Panel", forecast: Any) -> "NDArray[np.float64]":
    """Root mean squared scaled error of each series over the window (N,); NaN if it was never open.

    Squared, because a mean is judged: the absolute error of a series that mostly sells nothing is least for a forecast
    of nothing.
    """
    import numpy as np

    from models.common.metrics import squared_scale

    cut = data.test_period
    history = np.where(data.usable[test.series, :cut], data.values[test.series, :cut], np.nan)
    error = (forecast - data.targets(test)) ** 2
    known = np.isfinite(error)
    total = np.where(known, error, 0.0).sum(axis=1)
    mean = np.divide(total, known.sum(axis=1), out=np.full(total.shape, np.nan), where=known.any(axis=1))
    scale = squared_scale(history)
    return np.sqrt(np.divide(mean, scale, out=np.full(mean.shape, np.nan), where=scale > 0))


def _request(predictor: "Predictor", panel: "Panel") -> Any:
    """The panel as this predictor reads it; a column it knows and the data lacks is unknown (NaN)."""
    import numpy as np

    from models.forecaster.predict import ForecastInput

    n, spec = len(panel), predictor.spec
    width = next((values.shape[1] for values in panel.known_future.values()), spec.horizon)
    state = {name: panel.state.get(name, np.full(n, np.nan)) for name in spec.state_columns}
    future = {name: panel.known_future.get(name, np.full((n, width), np.nan)) for name in spec.covariates}
    return ForecastInput(state, future, panel.origin)


def _latency_p99_ms(predictor: "Predictor", test: "Panel") -> float:
    import numpy as np

    request = _request(predictor, test.take(np.arange(1)))
    seconds = []
    for _ in range(LATENCY_RUNS):
        began = time.perf_counter()
        predictor.predict(request)
        seconds.append(time.perf_counter() - began)
    return float(np.quantile(seconds, 0.99) * 1e3)


def _window(data: "Dataset") -> tuple[date, date]:
    import numpy as np

    start = data.split.test_start.astype("datetime64[D]")
    last = data.periods[min(data.test_period + data.horizon, data.periods.size) - 1]
    return np.datetime64(start).item(), last.astype("datetime64[D]").item()


def _budgets(workspace: Workspace) -> Budgets:
    return Budgets(**workspace.settings.section("promotion"))


def _hash(workspace: Workspace, layer: Any, table: str) -> str:
    version = workspace.lake.version(layer, table)
    return "never written" if version is None else version.content_hash


def _artifact_id(folder: Path) -> str:
    from models.common.artifact import read_manifest

    return read_manifest(folder).artifact_id


def _record(workspace: Workspace, challenger: RegisteredVersion, verdict: Verdict, made_from: str) -> None:
    """The verdict as JSON, and the page that people read; the page first, for the record says that it exists."""
    from data_checks.durable import replace_file
    from models.common.artifact import read_manifest
    from orchestration.evidence import Evidence, render

    manifest = read_manifest(challenger.folder)
    page = evidence_page(workspace, challenger.version)
    tables = [("gold", "sales"), ("gold", "series"), ("gold", "covariates"), ("features", "training_state")]
    versions = {f"{layer}/{name}": workspace.lake.version(layer, name) for layer, name in tables}  # type: ignore[arg-type]
    evidence = Evidence(
        model=MODEL,
        version=challenger.version,
        artifact_id=challenger.artifact_id,
        trained_until=challenger.trained_until,
        code_revision=manifest.code_revision,
        data_fingerprint=manifest.data_fingerprint,
        tables=[
            {"table": name, "rows": v.rows, "content_hash": v.content_hash}
            for name, v in versions.items()
            if v is not None
        ],
        config=manifest.config,
        reasons=_mean_reasons(workspace, challenger),
        limits=_limits(manifest),
    )
    text = render(evidence, current_challenger(workspace).report(), verdict)
    replace_file(page, lambda draft: draft.write_text(text, encoding="utf-8"))
    replace_file(page.with_name("index.html"), lambda draft: draft.write_text(text, encoding="utf-8"))
    body = json.dumps({"made_from": made_from, "verdict": verdict.to_json()}, indent=1)
    replace_file(page.with_suffix(".json"), lambda draft: draft.write_text(body, encoding="utf-8"))


def _mean_reasons(workspace: Workspace, challenger: RegisteredVersion) -> list[tuple[str, float]]:
    """Mean absolute Shapley value of each feature group over a sample of the held-out series, largest first."""
    import numpy as np

    from models.forecaster.predict import load

    predictor, test = load(challenger.folder), dataset(workspace).test
    if test is None:
        return []
    sample = np.unique(np.linspace(0, len(test) - 1, min(len(test), REASON_SERIES)).astype(int))
    found = predictor.reasons(_request(predictor, test.take(sample)), steps=[1, min(7, predictor.horizon)])
    shares = np.abs(found.values).mean(axis=(0, 1))
    return sorted(zip(found.groups, map(float, shares), strict=True), key=lambda pair: -pair[1])


def _limits(manifest: "Manifest") -> list[str]:
    spec = manifest.input_schema
    known = ", ".join(sorted(spec["known_future"])) or "none"  # type: ignore[arg-type]
    return [
        f"Trained on periods up to {manifest.trained_until}; the confidence in each reply falls outside what it has seen.",
        f"Known ahead it uses: {known}. What is not known ahead (observed weather, social heat) it never sees.",
        "A series younger than the seasons it would need is forecast from the level and the calendar alone.",
        "Periods cut short by a stock-out teach it nothing and are not scored: true demand there is not observed.",
    ]
