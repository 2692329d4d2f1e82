"""Scores challenger and champion on one held-out window, writes the evidence, and promotes the winner."""

import json
import logging
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.challengers import current_challenger, report_of
from orchestration.feature_tables import forecaster_config
from orchestration.fingerprints import fingerprint
from orchestration.forecasting import MODEL, dataset
from orchestration.promotion import Budgets, Criterion, Verdict, judge_challenger
from orchestration.registry import RegisteredVersion
from orchestration.scoring import Scores, latency_p99_ms, request, score, score_baseline
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from models.common.artifact import Manifest
    from models.forecaster.data import Dataset, Panel

REASON_SERIES = 24
_CODE = (*(f"orchestration/{name}.py" for name in ("judging", "scoring", "promotion")), "models")


def judge_and_promote(workspace: Workspace) -> dict[str, Any]:
    """Judge the newest registered version beside the champion; promote it when every criterion holds.

    A version that a person rolled back from is judged but not promoted: only a person brings it back.
    """
    registry = workspace.registry
    artifact_id = _artifact_id(current_challenger(workspace, MODEL).artifact)
    challenger = registry.find(MODEL, artifact_id)
    if challenger is None:
        raise ValueError(
            f"the challenger {artifact_id[:12]} is not registered: run the asset forecaster/registered first"
        )
    verdict = judge_version(workspace, challenger)
    failed = [row.name for row in verdict.criteria if not row.passed]
    withdrawn = registry.rolled_back(MODEL, challenger.version)
    if withdrawn is not None:
        failed.append(f"rolled back by {withdrawn.who}: {withdrawn.reason}; only `storeloop promote` brings it back")
    if not failed:
        registry.promote(MODEL, challenger.version, who=workspace.settings.actor, reason="passed the promotion gate")
    champion = registry.champion(MODEL)
    return {
        "challenger": challenger.version,
        "champion": -1 if champion is None else champion.version,
        "promoted": not failed,
        "failed": failed,
        "evidence": str(evidence_page(workspace, challenger.version)),
    }


def judge_version(workspace: Workspace, challenger: RegisteredVersion) -> Verdict:
    """The verdict on one version beside today's champion, from the record when nothing changed since.

    The champion keeps the verdict it came with: it cannot be its own rival. Only where that record was lost is it
    measured again, against the baseline alone, and the page says so.
    """
    champion = workspace.registry.champion(MODEL)
    reigning = champion is not None and champion.version == challenger.version
    record = evidence_page(workspace, challenger.version).with_suffix(".json")
    rival = None if champion is None or reigning else champion
    tables = [("gold", "sales"), ("gold", "series"), ("features", "training_state"), ("features", "known_future")]
    inputs = {
        "challenger": challenger.artifact_id,
        "champion": None if rival is None else rival.artifact_id,
        "data": [_hash(workspace, layer, name) for layer, name in tables],
        "config": forecaster_config(workspace).model_dump(mode="json"),
        "seed": workspace.settings.seed,
        "budgets": _budgets(workspace).model_dump(),
    }
    made_from = fingerprint(code=_CODE, inputs=inputs)
    if record.exists():
        kept = json.loads(record.read_text(encoding="utf-8"))
        if reigning or kept["made_from"] == made_from:
            return verdict_from_json(kept["verdict"])
    verdict = _judge(workspace, challenger, rival)
    _record(workspace, challenger, verdict, made_from, reigning=reigning)
    return verdict


def read_verdict(workspace: Workspace) -> Verdict:
    """The verdict on the newest challenger."""
    version = workspace.registry.find(MODEL, _artifact_id(current_challenger(workspace, MODEL).artifact))
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


def _score_champion(
    champion: RegisteredVersion, data: "Dataset", test: "Panel"
) -> "tuple[Scores, None] | tuple[None, str]":
    """The champion's losses, or why this code cannot take them."""
    from models.forecaster.predict import load

    try:
        return score(load(champion.folder), data, test), None
    except ValueError as error:  # ArtifactError and InputError are such
        logging.getLogger(__name__).warning("champion version %d cannot be scored: %s", champion.version, error)
        return None, str(error)


def _judge(workspace: Workspace, challenger: RegisteredVersion, champion: RegisteredVersion | None) -> Verdict:
    import numpy as np

    from models.forecaster.predict import load

    data = dataset(workspace)
    if data.test is None:
        raise ValueError("no held-out window: train with hold_out=true, or give a cutoff before the last period")
    test, predictor = data.test, load(challenger.folder)
    scores = score(predictor, data, test)
    by_period = {"challenger": scores.errors}
    loss = {"challenger": scores.per_series(), "baseline": score_baseline(data, test).per_series()}
    trained_until = {"challenger": date.fromisoformat(challenger.trained_until)}
    problem = None
    if champion is not None:
        rival, problem = _score_champion(champion, data, test)
        if rival is not None:
            trained_until["champion"] = date.fromisoformat(champion.trained_until)
            by_period["champion"], loss["champion"] = rival.errors, rival.per_series()
    known = np.logical_and.reduce([np.isfinite(values) for values in loss.values()])
    size = sum(path.stat().st_size for path in challenger.folder.rglob("*") if path.is_file()) / 1e6
    return judge_challenger(
        model=MODEL,
        challenger=challenger.artifact_id,
        champion=None if champion is None else champion.artifact_id,
        window=_window(data),
        trained_until=trained_until,
        loss={name: values[known] for name, values in loss.items()},
        by_period={name: values[known] for name, values in by_period.items()},
        measured={
            "latency_p99_ms": latency_p99_ms(predictor, test),
            "size_mb": size,
            "coverage_80": scores.coverage_80,
        },
        budgets=_budgets(workspace),
        seed=workspace.settings.seed,
        champion_problem=problem,
    )


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


def _record(
    workspace: Workspace, challenger: RegisteredVersion, verdict: Verdict, made_from: str, *, reigning: bool
) -> None:
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
        reigning=reigning,
    )
    text = render(evidence, report_of(challenger), verdict)
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
    found = predictor.reasons(request(predictor, test.take(sample)), steps=[1, min(7, predictor.horizon)])
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
