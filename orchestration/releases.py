"""Releases: what services and edge boxes load, and the moves of the champion that they follow."""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_checks.durable import locked, replace_file
from orchestration.fingerprints import ROOT, Stamp, fingerprint
from orchestration.registry import RegisteredVersion, check_signed
from orchestration.tenants import tenant
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from orchestration.criteria import Criterion
    from serving.release import Pointer

KEPT_RELEASES = 3
PREPARED_BESIDE = 3  # times that a release is prepared while services go on changing the one before
POINTER, SEAL = "champion.json", "release.json"


class PromotionRefused(ValueError):
    """The gate said no; the message lists what failed and how to override it."""


class _Overtaken(Exception):
    """What a release is made from changed while it was written."""


class NoChampion(ValueError):
    """There is nothing to release; the message names the model and where to look."""


def promote_and_publish(
    workspace: Workspace, model: str, version: int, *, who: str, reason: str, override: bool = False
) -> RegisteredVersion:
    """Promote a version that passes the gate (or is overridden, which is recorded) and publish its release.

    The release is built and verified before anything moves: a version that cannot answer never becomes champion.
    """
    from orchestration.judging import judge_version

    tenant(model)  # a name that nobody bears is said first
    check_signed("promote", who, reason)
    registry = workspace.registry
    challenger, current = registry.version(model, version), registry.champion(model)
    if current is not None and current.version == version:
        publish_release(workspace, model)
        return current
    verdict = judge_version(workspace, challenger)
    failed = [_said(row) for row in verdict.criteria if not row.passed]
    if failed and not override:
        raise PromotionRefused(
            f"{model} version {version} does not pass the gate: {'; '.join(failed)}. "
            "Train a better challenger, or override with a reason"
        )
    _catch_up(workspace, model)
    said = f"gate overridden ({'; '.join(failed)}): {reason}" if failed else reason
    _release(workspace, challenger, lambda: registry.promote(model, version, who=who, reason=said))
    return registry.version(model, version)


def rollback_and_publish(workspace: Workspace, model: str, *, who: str, reason: str) -> RegisteredVersion:
    """Give the champion's place back to the version before it, and publish that; its release is built first."""
    tenant(model)  # a name that nobody bears is said first
    check_signed("rollback", who, reason)
    _catch_up(workspace, model)
    registry = workspace.registry
    target = registry.rollback_target(model)
    _release(workspace, target, lambda: registry.rollback(model, who=who, reason=reason))
    return registry.version(model, target.version)


def publish_release(workspace: Workspace, model: str) -> dict[str, Any]:
    """Write the release of today's champion on today's state, then move the pointer that services follow."""
    champion = workspace.registry.champion(model)
    if champion is None:
        raise NoChampion(
            f"no version of the {model} passed the promotion gate, so there is nothing to release; "
            f"see `storeloop models {model}`"
        )
    root = workspace.releases / model
    before = {seal.parent.name for seal in root.glob(f"*/{SEAL}")}
    released = _release(workspace, champion, lambda: None).release
    return {
        "champion": champion.version,
        "artifact_id": champion.artifact_id,
        "release": str(root / released),
        **tenant(model).release_facts(workspace),
        "unchanged": released in before,
    }


def build_bento(workspace: Workspace, model: str) -> dict[str, Any]:
    """Package the released champion as a bento."""
    from serving.packaging import TEMPLATE, Bento, build

    pointer = released_pointer(workspace, model)
    store = workspace.root / "bentos"
    stamp, packed = Stamp(store / f"built_{model}.json"), (TEMPLATE, ROOT / "requirements.lock")
    made_from = fingerprint(
        code=("serving", "models", *tenant(model).serving_code),
        inputs={
            "release": pointer.release,
            "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in packed},
        },
    )
    bento = Bento(f"{model}:{pointer.artifact_id[:16]}", store.resolve())
    unchanged = stamp.says(made_from) and bento.folder.is_dir()
    if not unchanged:
        bento = build(model, workspace.releases, store)
        stamp.write(made_from)
    size = sum(path.stat().st_size for path in bento.folder.rglob("*") if path.is_file()) / 1e6
    return {"tag": bento.tag, "release": pointer.release, "size_mb": round(size, 2), "unchanged": unchanged}


def build_edge_bundle(workspace: Workspace, model: str) -> dict[str, Any]:
    """Sign the released champion for edge boxes; the key pair is made on first use and stays in the workspace."""
    from edge.bundle import verify
    from edge.export import build_bundle
    from models.common.keys import generate_keys, key_id, read_private_key, read_public_key

    release = released_pointer(workspace, model).release
    keys, folder = workspace.root / "keys", workspace.root / "edge" / model
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
            build_bundle(workspace.releases / model / release, bundle, read_private_key(private), revision=revision)
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
    former = counter.parent.parent / counter.name  # of a workspace from when there was one bot
    known = next((file for file in (counter, former) if file.exists()), None)
    last = 0 if known is None else json.loads(known.read_text(encoding="utf-8"))
    replace_file(counter, lambda draft: draft.write_text(json.dumps(last + 1), encoding="utf-8"))
    return int(last) + 1


def _release(workspace: Workspace, version: RegisteredVersion, move: Callable[[], object]) -> "Pointer":
    """Release a version on today's state: `move` it in the registry, then the pointer that services follow.

    Preparing takes minutes where much was enrolled, so services go on changing the release before meanwhile. Where they did, what was
    prepared lacks it and is prepared again; at last they are made to wait.
    """
    from serving.release import pointer_held

    root = workspace.releases / version.model
    for _ in range(PREPARED_BESIDE):
        try:
            pointer = _prepare(workspace, version)
        except _Overtaken:
            continue
        with pointer_held(root):
            if pointer.release == _release_name(workspace, version):
                move()
                _point(workspace, version.model, pointer)
                return pointer
    with pointer_held(root):
        pointer = _prepare(workspace, version)
        move()
        _point(workspace, version.model, pointer)
    return pointer


def _prepare(workspace: Workspace, version: RegisteredVersion) -> "Pointer":
    """The release of a version on today's state, written unless it is there, and verified; nothing points to it yet."""
    from serving.release import Pointer, verify

    root, name = workspace.releases / version.model, _release_name(workspace, version)
    if not (root / name / SEAL).exists():
        _write_release(workspace, version, root / name)
    verify(root / name, version.artifact_id)
    return Pointer(release=name, artifact_id=version.artifact_id, registry_version=str(version.version))


def _point(workspace: Workspace, model: str, pointer: "Pointer") -> None:
    """For who holds the pointer: then no draft and no release that is swept is anybody's work."""
    from serving.release import write_pointer

    root = workspace.releases / model
    write_pointer(root / POINTER, pointer)
    _sweep(root, keep=pointer.release)


def _catch_up(workspace: Workspace, model: str) -> None:
    """Publish the champion that a killed run left unpublished, so that people move away from what they see serving.

    A champion that cannot be published must not keep anybody from replacing it.
    """
    from serving.release import ReleaseError, read_pointer

    champion = workspace.registry.champion(model)
    if champion is None:
        return
    pointer = workspace.releases / model / POINTER
    try:
        if read_pointer(pointer).registry_version == str(champion.version):
            return
    except ReleaseError:  # absent or unreadable: written anew below
        logging.getLogger(__name__).info("no usable pointer in %s", pointer.parent)
    try:
        publish_release(workspace, model)
    except ValueError as error:
        logging.getLogger(__name__).warning("champion version %d cannot be published: %s", champion.version, error)


def _release_name(workspace: Workspace, version: RegisteredVersion) -> str:
    released = tenant(version.model)
    made_from = fingerprint(
        code=released.release_code,
        inputs={"artifact": version.artifact_id, **released.release_inputs(workspace)},
    )
    return f"{version.artifact_id[:12]}-{made_from[:12]}"


def _said(row: "Criterion") -> str:
    return f"{row.name} is {row.value:.4g}, asked {row.bound}" + (f" ({row.note})" if row.note else "")


def _write_release(workspace: Workspace, version: RegisteredVersion, target: Path) -> None:
    from serving.release import build_release

    if target.exists():  # it has lost its seal
        shutil.rmtree(target)

    def fill(folder: Path) -> None:
        tenant(version.model).fill(workspace, version, folder)
        if _release_name(workspace, version) != target.name:
            raise _Overtaken(f"what {target} is made from changed while it was written: try again")

    build_release(target, version.artifact_id, fill)


def released_pointer(workspace: Workspace, model: str) -> "Pointer":
    """Which release services load now; ReleaseError where there is none."""
    from serving.release import read_pointer

    return read_pointer(workspace.releases / model / POINTER)


def _sweep(root: Path, *, keep: str) -> None:
    """Remove drafts of killed runs and all but the newest releases; a service holds what it loaded in memory."""
    releases = sorted((p for p in root.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime, reverse=True)
    kept = [p for p in releases if p.name != keep and not p.name.startswith(".")][: KEPT_RELEASES - 1]
    for folder in releases:
        if folder.name != keep and folder not in kept:
            shutil.rmtree(folder)
