"""Erasing a customer from everything that a workspace holds, so that no run, service or source brings them back.

Every step looks for what still names the customer: kill it and call it again, and it goes on where it was. What is keyed
by impressions goes before the tables that say whose they were.
"""

import shutil
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from orchestration.workspace import Workspace

JOURNAL_TABLES = {"impressions", "clicks", "journal", "marks"}  # of models.recommender.online_log


def erase_customers(workspace: Workspace, customer_ids: Collection[str], *, who: str, reason: str) -> dict[str, int]:
    """What went, by place. Errors: ValueError where who or why is missing, or a file cannot be rewritten."""
    from data_checks.docs_site import build_site
    from data_checks.erasure import erase_from_files, erase_from_lake, erase_from_reports
    from features.customer_erasure import erase_published

    ids = sorted({name.strip() for name in customer_ids})
    tombstones, root = workspace.tombstones, workspace.root
    with workspace.exclusive():
        tombstones.ask(ids, who=who, reason=reason)
        gone = {
            "feedback": erase_from_feedback(workspace, ids),
            "online": _erase_online(workspace, ids),
            "published": erase_published(workspace.feast_customers, ids),
            "releases": sum(erase_from_releases(model, ids) for model in _folders(workspace.releases)),
            "bentos": _drop_bentos(workspace),
            "spool": erase_from_files(workspace.spool, tombstones),
            "quarantine": erase_from_files(workspace.quarantine.folder, tombstones),
            "lake": erase_from_lake(workspace.lake, tombstones),
            "reports": erase_from_reports(root, ids),
        }
        if workspace.history.tables():
            for table in workspace.history.tables():
                build_site(workspace.site, history=workspace.history, quarantine=workspace.quarantine, judged=table)
        tombstones.finish(ids, who=who, reason=reason)
    return gone


def erase_from_releases(folder: Path, customer_ids: Collection[str]) -> int:
    """Releases of one model (the folder with `champion.json`) without these customers; how many held one.

    The champion's is made anew beside itself, sealed, and pointed to in one step, so that a service goes on answering;
    older ones go, a roll-back makes them anew.
    """
    from features.online_customers import SnapshotCustomers, erase_from_snapshot
    from serving.release import ReleaseError, read_pointer, seal, write_pointer

    try:
        pointer = read_pointer(folder / "champion.json")
    except ReleaseError:
        pointer = None
    held, erased = 0, set(customer_ids)
    for draft in folder.glob(".*.erasing"):  # of a killed erasure
        shutil.rmtree(draft)
    for release in _folders(folder):
        snapshot = release / "customers"
        if release.name.startswith(".") or not snapshot.is_dir():
            continue
        if not erased & set(SnapshotCustomers(snapshot).customer_ids):
            continue
        held += 1
        if pointer is not None and pointer.release == release.name:
            draft = folder / f".{release.name}.erasing"
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(release, draft)
            (draft / "release.json").unlink()
            erase_from_snapshot(draft / "customers", customer_ids)
            seal(draft, pointer.artifact_id)
            target = _free(folder, release.name)
            draft.rename(target)
            write_pointer(folder / "champion.json", pointer.model_copy(update={"release": target.name}))
        shutil.rmtree(release)
    return held


def erase_from_feedback(workspace: Workspace, customer_ids: Collection[str]) -> int:
    """Impressions and clicks of these customers in every journal of feedback below the workspace.

    Examples that were made of them keep their place in the journal and say no longer whose they were.
    """
    from models.recommender.online_log import erase_feedback

    theirs = _impressions_of(workspace, customer_ids)
    return sum(erase_feedback(path, customer_ids, theirs) for path in _journals(workspace.root))


def _impressions_of(workspace: Workspace, customer_ids: Collection[str]) -> frozenset[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    lake = workspace.lake
    version = lake.version("clean", "impressions")
    if version is None or not version.rows:
        return frozenset()
    rows = lake.arrow("clean", "impressions", ["impression_id", "customer_id"])
    return frozenset(
        rows.filter(pc.is_in(rows["customer_id"], pa.array(sorted(customer_ids))))["impression_id"].to_pylist()
    )


def _journals(root: Path) -> list[Path]:
    """SQLite files with the tables of a journal of feedback."""
    found = []
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.stat().st_size < 100:
            continue
        with path.open("rb") as stream:
            if stream.read(16) != b"SQLite format 3\x00":
                continue
        with closing(sqlite3.connect(path, timeout=60)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables >= JOURNAL_TABLES:
            found.append(path)
    return found


def _erase_online(workspace: Workspace, customer_ids: Collection[str]) -> int:
    if not (workspace.feast_customers / "feature_store.yaml").is_file():
        return 0
    from features.attention_repository import erase_attention
    from features.online_customers import FeastCustomers
    from orchestration.customers import repository

    looked = erase_attention(repository(workspace).open(), customer_ids)
    return looked + FeastCustomers.open(workspace.feast_customers).erase(list(customer_ids))


def _drop_bentos(workspace: Workspace) -> int:
    """Packages hold a copy of the release; the next run packs it anew."""
    folder = workspace.root / "bentos"
    if not any(
        (release / "customers").is_dir() for model in _folders(workspace.releases) for release in _folders(model)
    ):
        return 0
    there = folder.is_dir()
    shutil.rmtree(folder, ignore_errors=True)
    return int(there)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _free(folder: Path, name: str) -> Path:
    base = name.split("-erased", maxsplit=1)[0]
    return next(path for n in range(1, 10_000) if not (path := folder / f"{base}-erased{n}").exists())
