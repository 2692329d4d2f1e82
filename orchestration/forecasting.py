"""The forecaster's life: train and score a challenger, register it, judge it beside the champion."""

import json
import math
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.feature_tables import forecaster_config
from orchestration.fingerprints import fingerprint
from orchestration.registry import RegisteredVersion
from orchestration.workspace import Workspace, code_revision

if TYPE_CHECKING:
    from models.common.report import Report
    from models.forecaster.data import Dataset

MODEL = "forecaster"
REPORT = "report.json"
HEADLINE = ("rmse", "wape", "rmsse", "coverage80")


@dataclass(frozen=True)
class Challenger:
    """The newest trained candidate: its artifact folder and the report beside it."""

    folder: Path

    @property
    def artifact(self) -> Path:
        """The artifact folder."""
        return self.folder / "artifact"

    def report(self) -> "Report":
        """Metrics beside baselines, peer and oracle."""
        from models.common.report import Report

        return Report.from_json((self.folder / REPORT).read_text(encoding="utf-8"))


def current_challenger(workspace: Workspace) -> Challenger:
    """The candidate the last training left. Raises ValueError before the first training."""
    pointer = _pointer(workspace)
    if not pointer.exists():
        raise ValueError("no forecaster was trained in this workspace: run `storeloop run full` first")
    return Challenger(pointer.parent / json.loads(pointer.read_text(encoding="utf-8"))["folder"])


def dataset(workspace: Workspace) -> "Dataset":
    """The forecaster's data set from the lake: Feast's training join for the state, the rest as written."""
    from models.forecaster.data import prepare

    lake = workspace.lake
    tables = {
        "sales": lake.arrow("gold", "sales"),
        "series": lake.arrow("gold", "series"),
        "state": lake.arrow("features", "training_state"),
        "known_future": lake.arrow("features", "known_future"),
    }
    return prepare(tables, forecaster_config(workspace))


def train_challenger(workspace: Workspace, *, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Train, score on the held-out window beside baselines, peer and oracle, and write artifact and report."""
    from models.forecaster.evaluate import evaluate
    from models.forecaster.train import train

    config, seed = forecaster_config(workspace), workspace.settings.seed

    def tell(stage: str, fraction: float) -> None:
        on_progress(f"{fraction:4.0%} {stage}")

    inputs = {name: _content(workspace, layer, name) for layer, name in _INPUTS}
    peer_minutes = workspace.settings.peer_minutes
    asked = {"config": config.model_dump(mode="json"), "seed": seed, "peer_minutes": peer_minutes}
    made_from = fingerprint(code=("models",), inputs={**inputs, **asked})
    root = _pointer(workspace).parent
    folder = root / made_from[:16]
    unchanged = (folder / REPORT).exists()
    if not unchanged:
        data = dataset(workspace)
        began = time.perf_counter()
        trained = train(data, config, seed=seed, on_progress=tell)
        report = evaluate(
            trained.predictor(),
            data,
            truth=_truth(workspace),
            contenders=trained.contenders(),
            peer_minutes=peer_minutes,
            train_seconds=time.perf_counter() - began,
            threads=config.threads,
            seed=seed,
            on_progress=tell,
        )
        root.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=root, prefix=".draft-"))
        trained.save(draft / "artifact", report=report, code_revision=code_revision())
        (draft / REPORT).write_text(report.to_json(), encoding="utf-8")
        draft.chmod(0o755)
        if folder.exists():  # what a killed run left half made
            shutil.rmtree(folder)
        draft.rename(folder)
    _write_json(_pointer(workspace), {"folder": folder.name})
    _sweep(root, keep=folder.name)
    report = Challenger(folder).report()
    return {"unchanged": unchanged, "artifact": folder.name, **_headline(report), **_pictures(report)}


def register_challenger(workspace: Workspace) -> dict[str, Any]:
    """Log the run in MLflow with its pictures and register the artifact as a version, once an artifact."""
    from models.common.artifact import read_artifact

    challenger, registry = current_challenger(workspace), workspace.registry
    manifest = read_artifact(challenger.artifact)
    known = registry.find(MODEL, manifest.artifact_id)
    tags = {
        "artifact_id": manifest.artifact_id,
        "trained_until": manifest.trained_until.isoformat(),
        "data_fingerprint": manifest.data_fingerprint,
        "code_revision": manifest.code_revision,
        "source": workspace.settings.source,
    }
    if known is None:
        report = challenger.report()
        metrics = {
            f"{_plain(row.model)}/{_plain(row.metric)}": row.value for row in report.rows if row.segment == "all"
        }
        pages = {f"{name}.png": png for name, png in report.plots.items()}
        pages[REPORT] = report.to_json().encode()
        pages["report.md"] = report.to_markdown(report.segments()).encode()
        run_id = registry.log_run(
            MODEL, challenger.artifact, params=manifest.config, metrics=_finite(metrics), pages=pages, tags=tags
        )
    else:
        run_id = known.run_id
    version = registry.register(MODEL, run_id, tags=tags)
    return {"version": version.version, "artifact_id": version.artifact_id, "unchanged": known is not None}


def read_report(workspace: Workspace) -> "Report":
    """The report of the newest challenger."""
    return current_challenger(workspace).report()


def report_of(version: RegisteredVersion) -> "Report":
    """The report that was logged with a version; one without figures, which says so, where that page was removed."""
    from models.common.report import Report

    page = version.folder.parent / "report" / REPORT
    if not page.exists():
        return Report("", (), notes=(f"The report of version {version.version} is no longer beside its artifact.",))
    return Report.from_json(page.read_text(encoding="utf-8"))


_INPUTS = (
    ("gold", "sales"),
    ("gold", "series"),
    ("features", "training_state"),
    ("features", "known_future"),
)


def _truth(workspace: Workspace) -> Any:
    """The world's truth, for `evaluate` alone; None for a source that is no simulation."""
    truth = getattr(workspace.source, "truth", None)
    return None if truth is None else truth()


def _pointer(workspace: Workspace) -> Path:
    return workspace.root / "challengers" / MODEL / "current.json"


def _write_json(path: Path, body: dict[str, Any]) -> None:
    from data_checks.durable import replace_file

    replace_file(path, lambda draft: draft.write_text(json.dumps(body), encoding="utf-8"))


def _sweep(root: Path, *, keep: str) -> None:
    """Remove older candidates (registered ones live on in the registry) and drafts of killed runs."""
    for folder in root.iterdir():
        if folder.is_dir() and folder.name != keep:
            shutil.rmtree(folder)


def _content(workspace: Workspace, layer: Any, table: str) -> str:
    version = workspace.lake.version(layer, table)
    return "never written" if version is None else version.content_hash


def _plain(name: str) -> str:
    """A name in the letters that MLflow takes."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_")


def _finite(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _headline(report: "Report") -> dict[str, Any]:
    return {
        f"{row.metric} ({row.model})": row.value
        for row in report.rows
        if row.segment == "all" and row.metric in HEADLINE
    }


def _pictures(report: "Report") -> dict[str, Any]:
    """Plots as Markdown metadata, so that the UI shows them."""
    import base64

    import dagster as dg

    table = {"report": dg.MetadataValue.md(report.to_markdown())}
    return table | {
        name: dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})")
        for name, png in report.plots.items()
    }
