"""The life of any model's challenger: made once from what it is made from, kept beside its report, registered."""

import json
import math
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from orchestration.registry import RegisteredVersion
from orchestration.workspace import Workspace, code_revision

if TYPE_CHECKING:
    from models.common.report import Report

REPORT = "report.json"


class Saveable(Protocol):
    """What every model's `train` returns."""

    def save(self, folder: Path, *, report: "Report | None" = None, code_revision: str = "unknown") -> Any:
        """Write the artifact."""
        ...


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


def current_challenger(workspace: Workspace, model: str) -> Challenger:
    """The candidate the last training left. Raises ValueError before the first training."""
    pointer = _pointer(workspace, model)
    if not pointer.exists():
        raise ValueError(f"no {model} was trained in this workspace: run `storeloop run +{model}/challenger` first")
    if remedy := absence(workspace, model):
        raise ValueError(f"there is no {model} in this workspace: {remedy}")
    return Challenger(pointer.parent / json.loads(pointer.read_text(encoding="utf-8"))["folder"])


def absence(workspace: Workspace, model: str) -> str | None:
    """Why the last training found too little to train on; None where it did not, and before the first."""
    pointer = _pointer(workspace, model)
    return json.loads(pointer.read_text(encoding="utf-8")).get("absence") if pointer.exists() else None


def record_absence(workspace: Workspace, model: str, remedy: str) -> None:
    """Note that there is too little to train on, until a training finds enough."""
    _write_json(_pointer(workspace, model), {"absence": remedy})


def read_report(workspace: Workspace, model: str) -> "Report":
    """The report of the newest challenger."""
    return current_challenger(workspace, model).report()


def make_challenger(
    workspace: Workspace,
    model: str,
    made_from: str,
    make: "Callable[[], tuple[Saveable, Report]]",
    *,
    headline: tuple[str, ...],
) -> dict[str, Any]:
    """Train and score by `make`, unless a candidate made from the very same lies there; what the UI shows of it.

    A candidate is moved to its place when it is whole; what a killed run left half made is replaced.
    """
    root = _pointer(workspace, model).parent
    folder = root / made_from[:16]
    unchanged = (folder / REPORT).exists()
    if not unchanged:
        trained, report = make()
        root.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=root, prefix=".draft-"))
        trained.save(draft / "artifact", report=report, code_revision=code_revision())
        (draft / REPORT).write_text(report.to_json(), encoding="utf-8")
        draft.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        draft.rename(folder)
    _write_json(_pointer(workspace, model), {"folder": folder.name})
    _sweep(root, keep=folder.name)
    report = Challenger(folder).report()
    shown = {
        f"{row.metric} ({row.model})": row.value
        for row in report.rows
        if row.segment == "all" and row.metric in headline
    }
    return {"unchanged": unchanged, "artifact": folder.name, **shown, **_pictures(report)}


def register_challenger(workspace: Workspace, model: str) -> dict[str, Any]:
    """Log the run in MLflow with its pictures and register the artifact as a version, once an artifact."""
    from models.common.artifact import read_artifact

    challenger, registry = current_challenger(workspace, model), workspace.registry
    manifest = read_artifact(challenger.artifact)
    known = registry.find(model, manifest.artifact_id)
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
            model, challenger.artifact, params=manifest.config, metrics=_finite(metrics), pages=pages, tags=tags
        )
    else:
        run_id = known.run_id
    version = registry.register(model, run_id, tags=tags)
    return {"version": version.version, "artifact_id": version.artifact_id, "unchanged": known is not None}


def report_of(version: RegisteredVersion) -> "Report":
    """The report that was logged with a version; one without figures, which says so, where that page was removed."""
    from models.common.report import Report

    page = version.folder.parent / "report" / REPORT
    if not page.exists():
        return Report("", (), notes=(f"The report of version {version.version} is no longer beside its artifact.",))
    return Report.from_json(page.read_text(encoding="utf-8"))


def world_truth(workspace: Workspace) -> Any:
    """The world's truth, for `evaluate` alone; None for a source that is no simulation."""
    truth = getattr(workspace.source, "truth", None)
    return None if truth is None else truth()


def _pointer(workspace: Workspace, model: str) -> Path:
    return workspace.root / "challengers" / model / "current.json"


def _write_json(path: Path, body: dict[str, Any]) -> None:
    from data_checks.durable import replace_file

    replace_file(path, lambda draft: draft.write_text(json.dumps(body), encoding="utf-8"))


def _sweep(root: Path, *, keep: str) -> None:
    """Remove older candidates (registered ones live on in the registry) and drafts of killed runs."""
    for folder in root.iterdir():
        if folder.is_dir() and folder.name != keep:
            shutil.rmtree(folder)


def _plain(name: str) -> str:
    """A name in the letters that MLflow takes."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_")


def _finite(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _pictures(report: "Report") -> dict[str, Any]:
    """Plots as Markdown metadata, so that the UI shows them."""
    import base64

    import dagster as dg

    table = {"report": dg.MetadataValue.md(report.to_markdown())}
    return table | {
        name: dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})")
        for name, png in report.plots.items()
    }
