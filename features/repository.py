"""The Feast repository of a workspace: its configuration, its Parquet files and its online store."""

import contextlib
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ibis
import ibis.expr.types as ir
from pydantic import BaseModel, ConfigDict, Field

from data_checks.durable import locked, replace_file
from features.known_future import known_future_vectors
from features.layout import ATTRIBUTES_VIEW, ONLINE_VIEW, STATE_VIEW, Layout, source_file
from features.sales import PERIOD_DAYS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(2200, 1, 1, tzinfo=UTC)


class RepositoryError(ValueError):
    """The feature repository cannot be used as it is; the message says what to do."""


class Repository(BaseModel):
    """Where Feast's registry, files and online store lie.

    `online_store` is "sqlite" (a file in `folder`) or `redis://[:password@]host:port[/db]`. `project` separates
    workspaces that share a Redis.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    online_store: str = "sqlite"
    project: str = Field(default="storeloop", pattern=r"^[a-z][a-z0-9_]{0,62}$")

    def feast_config(self) -> dict[str, Any]:
        """What `feature_store.yaml` says."""
        return {
            "project": self.project,
            "provider": "local",
            "registry": str(self.folder / "registry.db"),
            "offline_store": {"type": "features.offline_store.AsofOfflineStore"},
            "online_store": self._online_store(),
            "entity_key_serialization_version": 3,
        }

    def open(self) -> Any:
        """Feast's FeatureStore of this repository."""
        from feast import FeatureStore
        from feast.repo_config import RepoConfig

        return FeatureStore(config=RepoConfig(**self.feast_config(), repo_path=self.folder))

    def _online_store(self) -> dict[str, str]:
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
        return {"type": "redis", "connection_string": ",".join(parts)}


def apply(repository: Repository, layout: Layout) -> Any:
    """Register entity and views, write what the `feast` command needs beside them, and return the FeatureStore.

    `feast -c <folder> ...` then works: `feature_store.yaml` holds the configuration and `repo.py` the same definitions.
    """
    from features.store.definitions import definitions

    store = repository.open()
    with locked(repository.folder):
        with contextlib.redirect_stdout(io.StringIO()):  # Feast reports its progress by print
            store.apply(definitions(repository.folder, layout))
        _replace_text(repository.folder / "feature_store.yaml", json.dumps(repository.feast_config(), indent=2) + "\n")
        _replace_text(
            repository.folder / "repo.py",
            '"""Definitions for the `feast` command; written by features.repository.apply."""\n\n'
            "from pathlib import Path\n\n"
            "from features.layout import Layout\n"
            "from features.store.definitions import definitions\n\n"
            f"LAYOUT = Layout.model_validate_json({layout.model_dump_json()!r})\n"
            "series, state, attributes, online = definitions(Path(__file__).resolve().parent, LAYOUT)\n",
        )
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
    series. A pair that `state` lacks is left out.
    """
    vectors = known_future_vectors(ahead, layout.covariate_names)
    for index, name in enumerate(layout.covariate_names):
        vectors = vectors.rename({f"ahead_{index}": name})
    missing = float("nan")
    packed = _with_event_time(state, layout).select(
        "series_id",
        "origin",
        "event_timestamp",
        state=ibis.array([state[name].fill_null(missing) for name in layout.state_names]),
    )
    rows = packed.inner_join(vectors, ["series_id", "origin"])
    known: Any = ibis.array([ibis.literal(missing)])  # a reader without covariates passes it over
    for index in range(len(layout.covariate_names)):
        known = rows[f"ahead_{index}"] if index == 0 else known.concat(rows[f"ahead_{index}"])
    rows = rows.select(
        "series_id",
        "event_timestamp",
        "state",
        origin_day=rows.origin.delta(ibis.date(1970, 1, 1), unit="day").cast("int64"),
        fingerprint=ibis.literal(layout.fingerprint),
        known_future=known,
    )
    return _write(con, rows, repository, ONLINE_VIEW, ["series_id", "event_timestamp"])


def materialise(store: Any, *, upto: datetime | None = None) -> None:
    """Carry the newest row of every series with an event time up to `upto` (UTC, default: all) to the online store.

    Safe to repeat: rows are replaced, each in one step, while readers go on. The published file holds only the newest
    origins, so that a run costs as much as what changed and a corrected origin is never passed over. (Feast's own
    incremental mode starts at the wall clock less the TTL and so finds nothing in past years.)
    """
    end = upto or FAR_AHEAD
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        store.materialize(EPOCH, end if end.tzinfo else end.replace(tzinfo=UTC), feature_views=[ONLINE_VIEW])


def _with_event_time(state: ir.Table, layout: Layout) -> ir.Table:
    """`event_timestamp`: the instant at which the origin period is over, when its state became known."""
    ended = (state.origin + ibis.interval(days=PERIOD_DAYS[layout.frequency])).cast("timestamp(6)")
    return state.mutate(event_timestamp=ended)


def _write(con: Any, rows: ir.Table, repository: Repository, view: str, order: Sequence[str]) -> int:
    import pyarrow.parquet as pq

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
