"""Scores challenger and champion on one held-out window, writes the evidence, and promotes the winner: of any model."""

import json
from pathlib import Path
from typing import Any

from orchestration.challengers import current_challenger, report_of
from orchestration.fingerprints import fingerprint
from orchestration.promotion import Verdict, judge_challenger
from orchestration.registry import RegisteredVersion
from orchestration.tenants import Tenant, tenant
from orchestration.workspace import Workspace

_CODE = tuple(f"orchestration/{name}.py" for name in ("judging", "promotion", "criteria", "detector_budgets"))


def judge_and_promote(workspace: Workspace, model: str) -> dict[str, Any]:
    """Judge the newest registered version beside the champion; promote it when every criterion holds.

    A version that a person rolled back from is judged but not promoted: only a person brings it back.
    """
    registry = workspace.registry
    artifact_id = _artifact_id(current_challenger(workspace, model).artifact)
    challenger = registry.find(model, artifact_id)
    if challenger is None:
        raise ValueError(f"the challenger {artifact_id[:12]} is not registered: run the asset {model}/registered first")
    verdict = judge_version(workspace, challenger)
    failed = [row.name for row in verdict.criteria if not row.passed]
    withdrawn = registry.rolled_back(model, challenger.version)
    if withdrawn is not None:
        failed.append(f"rolled back by {withdrawn.who}: {withdrawn.reason}; only `storeloop promote` brings it back")
    if not failed:
        registry.promote(model, challenger.version, who=workspace.settings.actor, reason="passed the promotion gate")
    champion = registry.champion(model)
    return {
        "challenger": challenger.version,
        "champion": -1 if champion is None else champion.version,
        "promoted": not failed,
        "failed": failed,
        "evidence": str(evidence_page(workspace, model, challenger.version)),
    }


def judge_version(workspace: Workspace, challenger: RegisteredVersion) -> Verdict:
    """The verdict on one version beside today's champion of its model, from the record when nothing changed since.

    The champion keeps the verdict it came with: it cannot be its own rival. Only where that record was lost is it
    measured again, against the baseline alone, and the page says so.
    """
    judged = tenant(challenger.model)
    champion = workspace.registry.champion(judged.name)
    reigning = champion is not None and champion.version == challenger.version
    record = evidence_page(workspace, judged.name, challenger.version).with_suffix(".json")
    rival = None if champion is None or reigning else champion
    inputs = {
        "challenger": challenger.artifact_id,
        "champion": None if rival is None else rival.artifact_id,
        "data": [_hash(workspace, layer, name) for layer, name in judged.judged_tables],
        "config": judged.config(workspace),
        "seed": workspace.settings.seed,
        "budgets": judged.budgets(workspace).model_dump(),
    }
    made_from = fingerprint(code=(*_CODE, *judged.judging_code), inputs=inputs)
    if record.exists():
        kept = json.loads(record.read_text(encoding="utf-8"))
        if reigning or kept["made_from"] == made_from:
            return Verdict.from_json(kept["verdict"])
    verdict = _judge(workspace, judged, challenger, rival)
    _record(workspace, judged, challenger, verdict, made_from, reigning=reigning)
    return verdict


def read_verdict(workspace: Workspace, model: str) -> Verdict:
    """The verdict on the newest challenger of a model."""
    version = workspace.registry.find(model, _artifact_id(current_challenger(workspace, model).artifact))
    if version is None:
        raise ValueError(f"the newest challenger of the {model} was never registered: run `storeloop run full`")
    record = evidence_page(workspace, model, version.version).with_suffix(".json")
    return Verdict.from_json(json.loads(record.read_text(encoding="utf-8"))["verdict"])


def evidence_page(workspace: Workspace, model: str, version: int) -> Path:
    """Where the evidence of a version lies."""
    return workspace.root / "evidence" / model / f"version-{version}.html"


def _judge(
    workspace: Workspace, judged: Tenant, challenger: RegisteredVersion, champion: RegisteredVersion | None
) -> Verdict:
    contest = judged.contest(workspace, challenger, champion)
    size = sum(path.stat().st_size for path in challenger.folder.rglob("*") if path.is_file()) / 1e6
    return judge_challenger(
        model=judged.name,
        challenger=challenger.artifact_id,
        champion=None if champion is None else champion.artifact_id,
        window=contest.window,
        trained_until=contest.trained_until,
        loss=contest.loss,
        by_period=contest.by_period,
        measured={**contest.measured, "size_mb": size},
        budgets=judged.budgets(workspace),
        seed=workspace.settings.seed,
        unit=contest.unit,
        champion_problem=contest.champion_problem,
        judged=contest.judged,
        slack=contest.slack,
        beside=contest.beside,
    )


def _hash(workspace: Workspace, layer: Any, table: str) -> str:
    version = workspace.lake.version(layer, table)
    return "never written" if version is None else version.content_hash


def _artifact_id(folder: Path) -> str:
    from models.common.artifact import read_manifest

    return read_manifest(folder).artifact_id


def _record(
    workspace: Workspace,
    judged: Tenant,
    challenger: RegisteredVersion,
    verdict: Verdict,
    made_from: str,
    *,
    reigning: bool,
) -> None:
    """The verdict as JSON, and the page that people read; the page first, for the record says that it exists."""
    from data_checks.durable import replace_file
    from models.common.artifact import read_manifest
    from orchestration.evidence import Evidence, render

    manifest = read_manifest(challenger.folder)
    page = evidence_page(workspace, judged.name, challenger.version)
    versions = {f"{layer}/{name}": workspace.lake.version(layer, name) for layer, name in judged.shown_tables}
    evidence = Evidence(
        model=judged.name,
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
        explanation=judged.explanation(workspace, challenger),
        limits=judged.limits(manifest),
        reigning=reigning,
    )
    text = render(evidence, report_of(challenger), verdict)
    replace_file(page, lambda draft: draft.write_text(text, encoding="utf-8"))
    replace_file(page.with_name("index.html"), lambda draft: draft.write_text(text, encoding="utf-8"))
    body = json.dumps({"made_from": made_from, "verdict": verdict.to_json()}, indent=1)
    replace_file(page.with_suffix(".json"), lambda draft: draft.write_text(body, encoding="utf-8"))
