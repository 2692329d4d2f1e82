"""The Feast repository of a workspace: its configuration, its Parquet files and its online store."""

import contextlib
import io
import json
import shutil
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ibis
import ibis.expr.types as ir
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from data_checks.durable import locked, replace_file
from features.layout import ATTRIBUTES_VIEW, ONLINE_VIEW, STATE_VIEW, Layout, source_file
from features.online_rows import Materialised, carry, write_packed
from features.sales import PERIOD_DAYS

FAR_AHEAD = datetime(2200, 1, 1, tzinfo=UTC)


class RepositoryError(ValueError):
    """The feature repository cannot be used as it is; the message says what to do."""


class Repository(BaseModel):
    """Where Feast's registry, files and online store lie.

    `online_store` is "sqlite" (a file in `folder`) or `redis://[:password@]host:port[/db]`. `project` separates
    workspaces that share a Redis. `memory_limit_gb` (GiB) and `threads` bound the point-in-time join.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    online_store: str = "sqlite"
    project: str = Field(default="storeloop", pattern=r"^[a-z][a-z0-9_]{0,62}$")
    memory_limit_gb: float = Field(default=3.0, gt=0)
    threads: int = Field(default=2, ge=1)

    def feast_config(self) -> dict[str, Any]:
        """What `feature_store.yaml` says."""
        return {
            "project": self.project,
            "provider": "local",
            # Never read again during a request: a reader that meets a new layout asks for it itself.
            "registry": {"path": str(self.folder / "registry.db"), "cache_ttl_seconds": 0},
            "offline_store": {
                "type": "features.offline_store.AsofOfflineStore",
                "memory_limit_gb": self.memory_limit_gb,
                "threads": self.threads,
            },
            "online_store": self._online_store(),
            "entity_key_serialization_version": 3,
        }

    def open(self) -> Any:
        """Feast's FeatureStore of this repository."""
        from feast import FeatureStore
        from feast.repo_config import RepoConfig

        return FeatureStore(config=RepoConfig(**self.feast_config(), repo_path=self.folder))

    def _online_store(self) -> dict[str, Any]:
        if self.online_store == "sqlite":
            return {"type": "sqlite", "path": str(self.folder / "online.db")}
        address = urlsplit(self.online_store)
        if address.scheme not in {"redis", "rediss"} or not address.hostname:
            raise RepositoryError(
                f"online store {self.online_store!r}: use sqlite or redis://[:password@]host:port[/db]"
            )
        parts = [f"{address.hostname}:{address.port or 6379}"]
        if database := address.path.strip("/"):
            parts.append(f"db={database}")
        if address.username:
            parts.append(f"username={address.username}")
        if address.password:
            parts.append(f"password={address.password}")
        if address.scheme == "rediss":
            parts.append("ssl=true")
        # Feast would not replace a row by a corrected one of the same origin.
        return {"type": "redis", "connection_string": ",".join(parts), "skip_dedup": True}


def apply(repository: Repository, layout: Layout) -> Any:
    """Register entity and views, write what the `feast` command needs beside them, and return the FeatureStore.

    `feast -c <folder> ...` then works: `feature_store.yaml` holds the configuration and `repo.py` the same definitions.
    """
    from features.store.definitions import definitions

    text = (
        "from features.layout import Layout\n"
        "from features.store.definitions import definitions\n\n"
        f"LAYOUT = Layout.model_validate_json({layout.model_dump_json()!r})\n"
        "series, state, attributes, online = definitions(Path(__file__).resolve().parent, LAYOUT)\n"
    )
    return register(repository, definitions(repository.folder, layout), text)


def register(repository: Repository, objects: Sequence[Any], module: str) -> Any:
    """Register entities and views, and write `feature_store.yaml` and `repo.py`, whose code is `module`."""
    store = repository.open()
    with locked(repository.folder):
        with contextlib.redirect_stdout(io.StringIO()):  # Feast reports its progress by print
            store.apply(list(objects))
        _replace_text(repository.folder / "feature_store.yaml", json.dumps(repository.feast_config(), indent=2) + "\n")
        heading = '"""Definitions for the `feast` command; written by features.repository."""\n\n'
        _replace_text(repository.folder / "repo.py", f"{heading}from pathlib import Path\n\n{module}")
    return store


def publish_state(repository: Repository, layout: Layout, state: ir.Table, series: ir.Table, *, con: Any) -> int:
    """Write the files of `sales_state` and `series_attributes`, each replaced whole; returns the rows of state.

    `state` comes from `state_features` (perhaps with columns beside it), `series` has the columns of its contract.
    """
    rows = _with_event_time(state, layout).select("series_id", "event_timestamp", *layout.state_names)
    attributes = series.select(
        "series_id",
        "store_id",
        "product_id",
        "category",
        "region",
        event_timestamp=series.started_on.cast("timestamp(6)"),
    )
    _write(con, attributes, repository, ATTRIBUTES_VIEW, ["series_id"])
    return _write(con, rows, repository, STATE_VIEW, ["series_id", "event_timestamp"])


def publish_online(repository: Repository, layout: Layout, state: ir.Table, ahead: ir.Table, *, con: Any) -> int:
    """Write the file of `sales_online` for the (series_id, origin) pairs of `ahead`; returns its rows.

    `ahead` comes from `known_future` with all steps of `layout.horizon`; usually it holds the newest origin of every
    series. A pair that `state` lacks is left out. Raises PublishError where a pair lacks steps or repeats.
    """
    pair = ["series_id", "origin"]
    target, drafts = source_file(repository.folder, ONLINE_VIEW), repository.folder / ".drafts"
    with locked(repository.folder):
        drafts.mkdir(exist_ok=True)
        states, steps = drafts / "states.parquet", drafts / "steps.parquet"
        rows = state.semi_join(ahead.filter(ahead.step == 1), pair).select(*pair, **_known(state, layout.state_names))
        con.to_parquet(rows.order_by(pair), states)
        there = ibis.memtable(pq.read_table(states, columns=pair))
        rows = ahead.semi_join(there, pair).select(*pair, "step", **_known(ahead, layout.covariate_names))
        con.to_parquet(rows.order_by([*pair, "step"]), steps)
        replace_file(target, lambda draft: write_packed(states, steps, layout, draft))
        shutil.rmtree(drafts)
    return int(pq.read_metadata(target).num_rows)


def materialise(store: Any, *, upto: datetime | None = None) -> Materialised:
    """Carry the newest published row of every series with an event time up to `upto` (UTC, default: all) online.

    Only what the store lacks is written, while readers go on; safe to repeat, and after a kill a repetition finishes
    the work. A series that is no longer published keeps its row, with the origin it has, until that lies STATE_TTL
    behind the newest origin: from then on FeastState does not know it.
    """
    moment = upto or FAR_AHEAD
    moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    folder = Path(store.config.repo_path)
    with locked(folder):
        let_readers_go_on(store)
        return carry(store, folder, moment)


def let_readers_go_on(store: Any) -> None:
    """SQLite's write-ahead log, which is kept in the file: readers never wait for the writer."""
    if store.config.online_store.type == "sqlite":
        with contextlib.closing(sqlite3.connect(store.config.online_store.path, timeout=30)) as database:
            database.execute("PRAGMA journal_mode = WAL")


def _known(rows: ir.Table, names: Sequence[str]) -> dict[str, Any]:
    return {name: rows[name].cast("float64").fill_null(float("nan")) for name in names}


def _with_event_time(state: ir.Table, layout: Layout) -> ir.Table:
    """`event_timestamp`: the instant at which the origin period is over, when its state became known."""
    ended = (state.origin + ibis.interval(days=PERIOD_DAYS[layout.frequency])).cast("timestamp(6)")
    return state.mutate(event_timestamp=ended)


def _write(con: Any, rows: ir.Table, repository: Repository, view: str, order: Sequence[str]) -> int:
    target = source_file(repository.folder, view)
    in_order = rows.order_by(list(order))
    with locked(repository.folder):
        replace_file(target, lambda draft: con.to_parquet(in_order, draft, compression="zstd"))
    return int(pq.read_metadata(target).num_rows)


def _replace_text(path: Path, text: str) -> None:
    def write(draft: Path) -> None:
        draft.touch(mode=0o600)  # the address of an online store may hold a password
        draft.write_text(text, encoding="utf-8")

    replace_file(path, write)
