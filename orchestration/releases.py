"""Releases: what services and edge boxes load, and the moves of the champion that they follow."""

import shutil
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.feature_tables import plan, repository
from orchestration.fingerprints import Stamp, fingerprint
from orchestration.forecasting import MODEL
from orchestration.registry import RegisteredVersion
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from features.online import StateBatch

KEPT_RELEASES = 3
POINTER = "champion.json"


class PromotionRefused(ValueError):
    """The gate said no; the message lists what failed and how to override it."""


def promote_and_publish(
    workspace: Workspace, model: str, version: int, *, who: str, reason: str, override: bool = False
) -> RegisteredVersion:
    """Promote a version that passes the gate (or is overridden, which is recorded) and publish its release."""
    from orchestration.judging import judge_version

    _known(model)
    challenger = workspace.registry.version(model, version)
    verdict = judge_version(workspace, challenger)
    failed = [f"{row.name} is {row.value:.4g}, asked {row.bound}" for row in verdict.criteria if not row.passed]
    if failed and not override:
        raise PromotionRefused(
            f"{model} version {version} does not pass the gate: {'; '.join(failed)}. "
            "Train a better challenger, or override with a reason"
        )
    said = f"gate overridden ({'; '.join(failed)}): {reason}" if failed else reason
    moved = workspace.registry.promote(model, version, who=who, reason=said)
    publish_release(workspace)
    return moved


def rollback_and_publish(workspace: Workspace, model: str, *, who: str, reason: str) -> RegisteredVersion:
    """Give the champion's place back to the version before it, and publish that."""
    _known(model)
    moved = workspace.registry.rollback(model, who=who, reason=reason)
    publish_release(workspace)
    return moved


def publish_release(workspace: Workspace) -> dict[str, Any]:
    """Write the release of today's champion on today's state, then move the pointer that services follow."""
    from serving.release import Pointer, verify, write_pointer

    champion = workspace.registry.champion(MODEL)
    if champion is None:
        raise ValueError(
            "no version of the forecaster passed the promotion gate, so there is nothing to release; see `storeloop models`"
        )
    root = workspace.releases / MODEL
    last = plan(workspace).last
    made_from = fingerprint(
        code=("models/forecaster", "features/online.py", "serving/release.py"),
        inputs={"artifact": champion.artifact_id, "state": _state_hash(workspace), "origin": last},
    )
    name = f"{champion.artifact_id[:12]}-{made_from[:12]}"
    unchanged = (root / name / "release.json").exists()
    if not unchanged:
        _write_release(workspace, champion, root / name, last)
    verify(root / name, champion.artifact_id)
    pointer = Pointer(release=name, artifact_id=champion.artifact_id, registry_version=str(champion.version))
    write_pointer(root / POINTER, pointer)
    _sweep(root, keep=name)
    return {
        "champion": champion.version,
        "artifact_id": champion.artifact_id,
        "release": str(root / name),
        "origin": last.isoformat(),
        "unchanged": unchanged,
    }


def build_bento(workspace: Workspace) -> dict[str, Any]:
    """Package the released champion as a bento."""
    from serving.packaging import build

    release = _released(workspace)
    store = workspace.root / "bentos"
    stamp = Stamp(store / "built.json")
    made_from = fingerprint(code=("serving", "models", "features/online.py"), inputs={"release": release})
    if stamp.says(made_from):
        return {"release": release, "unchanged": True}
    built = build(MODEL, workspace.releases, store)
    stamp.write(made_from)
    size = sum(path.stat().st_size for path in built.folder.rglob("*") if path.is_file()) / 1e6
    return {"tag": built.tag, "release": release, "size_mb": round(size, 2), "unchanged": False}


def build_edge_bundle(workspace: Workspace) -> dict[str, Any]:
    """Sign the released champion for edge boxes; the key pair is made on first use and stays in the workspace."""
    from edge.bundle import build, verify
    from edge.keys import generate_keys, read_private_key, read_public_key

    release = _released(workspace)
    keys = workspace.root / "keys"
    private, public = keys / "edge_private.pem", keys / "edge_public.pem"
    if not (private.exists() and public.exists()):
        generate_keys(private, public)
    bundle = workspace.root / "edge" / f"{release}.tar"
    unchanged = bundle.exists()
    if not unchanged:
        champion = workspace.registry.champion(MODEL)
        revision = len(workspace.registry.movements(MODEL))
        if champion is None:
            raise ValueError("no champion to bundle: promote a version first")
        build(
            workspace.releases / MODEL / release,
            bundle,
            read_private_key(private),
            bot=MODEL,
            revision=revision,
            artifact_id=champion.artifact_id,
        )
    verify(bundle, read_public_key(public))
    for stale in bundle.parent.glob("*.tar"):
        if stale != bundle:
            stale.unlink()
    return {"bundle": str(bundle), "size_mb": round(bundle.stat().st_size / 1e6, 2), "unchanged": unchanged}


def _write_release(workspace: Workspace, champion: RegisteredVersion, target: Path, last: date) -> None:
    import numpy as np

    from features.online import write_snapshot
    from models.forecaster.fallback import LastGoodForecast, write_last_good
    from models.forecaster.predict import ForecastInput, load
    from serving.release import build_release

    batch = _newest_state(workspace, last)
    predictor = load(champion.folder)
    spec = predictor.spec
    reply = predictor.predict(
        ForecastInput(
            {name: batch.state[name] for name in spec.state_columns},
            {name: batch.known_future[name] for name in spec.covariates},
            batch.origin,
            steps=spec.horizon,
        )
    )
    values = np.stack([reply.mean, reply.q10, reply.q50, reply.q90], axis=2).astype(np.float32)
    units = (spec.unit,) * len(batch.series_ids)
    forecast = LastGoodForecast(batch.series_ids, units, batch.origin, values, spec.frequency)

    def fill(folder: Path) -> None:
        shutil.copytree(champion.folder, folder / "artifact")
        write_snapshot(folder / "state", batch)
        write_last_good(folder / "fallback", forecast)

    if target.exists():  # it has lost its seal
        shutil.rmtree(target)
    build_release(target, champion.artifact_id, fill)


def _newest_state(workspace: Workspace, last: date) -> "StateBatch":
    """State of every series that reaches the last period, read through Feast's online store."""
    import pyarrow.compute as pc

    from features.online import FeastState

    keys = workspace.lake.arrow("features", "sales_state", ["series_id", "origin"])
    series = sorted(keys.filter(pc.equal(keys["origin"], last))["series_id"].to_pylist())
    batch = FeastState.open(repository(workspace).folder).read(series)
    if not batch.found.all():
        raise ValueError(
            f"{int((~batch.found).sum())} of {len(series)} series are not in the online store: materialise again"
        )
    return batch


def _released(workspace: Workspace) -> str:
    from serving.release import read_pointer

    return read_pointer(workspace.releases / MODEL / POINTER).release


def _sweep(root: Path, *, keep: str) -> None:
    """Remove drafts of killed runs and all but the newest releases; a service holds what it loaded in memory."""
    releases = sorted((p for p in root.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime, reverse=True)
    kept = [p for p in releases if p.name != keep and not p.name.startswith(".")][: KEPT_RELEASES - 1]
    for folder in releases:
        if folder.name != keep and folder not in kept:
            shutil.rmtree(folder)


def _state_hash(workspace: Workspace) -> list[str]:
    versions = [workspace.lake.version("features", name) for name in ("sales_state", "known_future")]
    return ["never written" if v is None else v.content_hash for v in versions]


def _known(model: str) -> None:
    if model != MODEL:
        raise ValueError(f"there is no model {model!r} in the registry of this workspace: use {MODEL!r}")
