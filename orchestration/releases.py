"""Releases: what services and edge boxes load, and the moves of the champion that they follow."""

import hashlib
import json
import logging
import shutil
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_checks.durable import locked, replace_file
from orchestration.feature_tables import plan, repository
from orchestration.fingerprints import ROOT, Stamp, fingerprint
from orchestration.forecasting import MODEL
from orchestration.registry import RegisteredVersion, check_signed
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from features.online import StateBatch
    from orchestration.promotion import Criterion
    from serving.release import Pointer

KEPT_RELEASES = 3
POINTER, SEAL = "champion.json", "release.json"


class PromotionRefused(ValueError):
    """The gate said no; the message lists what failed and how to override it."""


def promote_and_publish(
    workspace: Workspace, model: str, version: int, *, who: str, reason: str, override: bool = False
) -> RegisteredVersion:
    """Promote a version that passes the gate (or is overridden, which is recorded) and publish its release.

    The release is built and verified before anything moves: a version that cannot answer never becomes champion.
    """
    from orchestration.judging import judge_version

    _known(model)
    check_signed("promote", who, reason)
    registry = workspace.registry
    challenger, current = registry.version(model, version), registry.champion(model)
    if current is not None and current.version == version:
        publish_release(workspace)
        return current
    verdict = judge_version(workspace, challenger)
    failed = [_said(row) for row in verdict.criteria if not row.passed]
    if failed and not override:
        raise PromotionRefused(
            f"{model} version {version} does not pass the gate: {'; '.join(failed)}. "
            "Train a better challenger, or override with a reason"
        )
    _catch_up(workspace)
    pointer = _prepare(workspace, challenger)
    said = f"gate overridden ({'; '.join(failed)}): {reason}" if failed else reason
    moved = registry.promote(model, version, who=who, reason=said)
    _point(workspace, pointer)
    return moved


def rollback_and_publish(workspace: Workspace, model: str, *, who: str, reason: str) -> RegisteredVersion:
    """Give the champion's place back to the version before it, and publish that; its release is built first."""
    _known(model)
    check_signed("rollback", who, reason)
    _catch_up(workspace)
    pointer = _prepare(workspace, workspace.registry.rollback_target(model))
    moved = workspace.registry.rollback(model, who=who, reason=reason)
    _point(workspace, pointer)
    return moved


def publish_release(workspace: Workspace) -> dict[str, Any]:
    """Write the release of today's champion on today's state, then move the pointer that services follow."""
    champion = workspace.registry.champion(MODEL)
    if champion is None:
        raise ValueError(
            "no version of the forecaster passed the promotion gate, so there is nothing to release; see `storeloop models`"
        )
    last = plan(workspace).last
    name = _release_name(workspace, champion, last)
    unchanged = (workspace.releases / MODEL / name / SEAL).exists()
    _point(workspace, _prepare(workspace, champion))
    return {
        "champion": champion.version,
        "artifact_id": champion.artifact_id,
        "release": str(workspace.releases / MODEL / name),
        "origin": last.isoformat(),
        "unchanged": unchanged,
    }


def build_bento(workspace: Workspace) -> dict[str, Any]:
    """Package the released champion as a bento."""
    from serving.packaging import TEMPLATE, Bento, build

    pointer = _released(workspace)
    store = workspace.root / "bentos"
    stamp, packed = Stamp(store / "built.json"), (TEMPLATE, ROOT / "requirements.lock")
    made_from = fingerprint(
        code=("serving", "models", "features/online.py"),
        inputs={
            "release": pointer.release,
            "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in packed},
        },
    )
    bento = Bento(f"{MODEL}:{pointer.artifact_id[:16]}", store.resolve())
    unchanged = stamp.says(made_from) and bento.folder.is_dir()
    if not unchanged:
        bento = build(MODEL, workspace.releases, store)
        stamp.write(made_from)
    size = sum(path.stat().st_size for path in bento.folder.rglob("*") if path.is_file()) / 1e6
    return {"tag": bento.tag, "release": pointer.release, "size_mb": round(size, 2), "unchanged": unchanged}


def build_edge_bundle(workspace: Workspace) -> dict[str, Any]:
    """Sign the released champion for edge boxes; the key pair is made on first use and stays in the workspace."""
    from edge.bundle import verify
    from edge.export import build_bundle
    from edge.keys import generate_keys, key_id, read_private_key, read_public_key

    release = _released(workspace).release
    keys, folder = workspace.root / "keys", workspace.root / "edge"
    private, public = keys / "edge_private.pem", keys / "edge_public.pem"
    if not (private.exists() and public.exists()):
        generate_keys(private, public)
    trusted = read_public_key(public)
    made_from = fingerprint(code=("edge", "models"), inputs={"release": release, "key": key_id(trusted)})
    bundle, stamp = folder / f"{release}.tar", Stamp(folder / "built.json")
    with locked(folder):
        unchanged = bundle.exists() and stamp.says(made_from)
        if not unchanged:
            revision = _next_revision(folder / "revision.json")
            build_bundle(workspace.releases / MODEL / release, bundle, read_private_key(private), revision=revision)
        manifest = verify(bundle, trusted)
        stamp.write(made_from)
        for stale in folder.glob("*.tar"):
            if stale != bundle:
                stale.unlink()
    return {
        "bundle": str(bundle),
        "revision": manifest.revision,
        "size_mb": round(bundle.stat().st_size / 1e6, 2),
        "unchanged": unchanged,
    }


def _next_revision(counter: Path) -> int:
    """One more than ever before, taken before it is used: a box that saw a revision never meets it again."""
    last = json.loads(counter.read_text(encoding="utf-8")) if counter.exists() else 0
    replace_file(counter, lambda draft: draft.write_text(json.dumps(last + 1), encoding="utf-8"))
    return int(last) + 1


def _prepare(workspace: Workspace, version: RegisteredVersion) -> "Pointer":
    """The release of a version on today's state, written unless it is there, and verified; nothing points to it yet."""
    from serving.release import Pointer, verify

    last, root = plan(workspace).last, workspace.releases / MODEL
    name = _release_name(workspace, version, last)
    if not (root / name / SEAL).exists():
        _write_release(workspace, version, root / name, last)
    verify(root / name, version.artifact_id)
    return Pointer(release=name, artifact_id=version.artifact_id, registry_version=str(version.version))


def _point(workspace: Workspace, pointer: "Pointer") -> None:
    from serving.release import write_pointer

    root = workspace.releases / MODEL
    write_pointer(root / POINTER, pointer)
    _sweep(root, keep=pointer.release)


def _catch_up(workspace: Workspace) -> None:
    """Publish the champion that a killed run left unpublished, so that people move away from what they see serving.

    A champion that cannot be published must not keep anybody from replacing it.
    """
    from serving.release import ReleaseError, read_pointer

    champion = workspace.registry.champion(MODEL)
    if champion is None:
        return
    try:
        if read_pointer(workspace.releases / MODEL / POINTER).registry_version == str(champion.version):
            return
    except ReleaseError:  # absent or unreadable: written anew below
        logging.getLogger(__name__).info("no usable pointer in %s", workspace.releases / MODEL)
    try:
        publish_release(workspace)
    except ValueError as error:
        logging.getLogger(__name__).warning("champion version %d cannot be published: %s", champion.version, error)


def _release_name(workspace: Workspace, version: RegisteredVersion, last: date) -> str:
    made_from = fingerprint(
        code=("models/forecaster", "features/online.py", "serving/release.py"),
        inputs={"artifact": version.artifact_id, "state": _state_hash(workspace), "origin": last},
    )
    return f"{version.artifact_id[:12]}-{made_from[:12]}"


def _said(row: "Criterion") -> str:
    return f"{row.name} is {row.value:.4g}, asked {row.bound}" + (f" ({row.note})" if row.note else "")


def _write_release(workspace: Workspace, champion: RegisteredVersion, target: Path, last: date) -> None:
    import numpy as np

    from features.online import StateBatch, write_snapshot
    from models.forecaster.fallback import LastGoodForecast, state_read, write_last_good
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

    # Of hundreds of columns a service or an edge box holds those that its model and its fallback read.
    names = {*spec.state_columns, *state_read(spec.frequency)}
    held = StateBatch(
        batch.series_ids,
        batch.origin,
        {name: values for name, values in batch.state.items() if name in names},
        {name: batch.known_future[name] for name in spec.covariates},
    )

    def fill(folder: Path) -> None:
        shutil.copytree(champion.folder, folder / "artifact")
        write_snapshot(folder / "state", held)
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
    if not series:
        raise ValueError(
            f"no series has a state at the last period, {last}: nothing could be forecast; see whether the source's "
            "last day is whole, then run `storeloop run daily`"
        )
    batch = FeastState.open(repository(workspace).folder).read(series)
    if not batch.found.all():
        raise ValueError(
            f"{int((~batch.found).sum())} of {len(series)} series are not in the online store: materialise again"
        )
    return batch


def _released(workspace: Workspace) -> "Pointer":
    from serving.release import read_pointer

    return read_pointer(workspace.releases / MODEL / POINTER)


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
