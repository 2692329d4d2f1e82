"""Rows of the online view: packed into the published file, and carried to the store where they differ from it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.layout import ONLINE_VIEW, Layout, source_file
from features.online import entity_keys
from features.sales import PERIOD_DAYS
from features.vector import NEWEST_ORIGIN, digest, mark, pack

BLOCK = 500  # series a transaction: some MB of vectors, so that neither SQLite's log nor a Redis pipeline grows
SCHEMA = pa.schema(
    [
        pa.field("series_id", pa.string(), nullable=False),
        pa.field("event_timestamp", pa.timestamp("us"), nullable=False),
        pa.field("origin_day", pa.int64(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("digest", pa.binary(), nullable=False),
        pa.field("vector", pa.binary(), nullable=False),
    ]
)
EPOCH = datetime(1970, 1, 1)


class PublishError(ValueError):
    """State and covariates do not fit together; the message says where."""


@dataclass(frozen=True)
class Materialised:
    """How many series the published file holds by then, and how many of them were written anew."""

    series: int
    written: int


def write_packed(state: Path, ahead: Path, layout: Layout, target: Path) -> int:
    """Pack two sorted files into `target`, in the order of their keys; returns its rows.

    `state`: one row per (series_id, origin) with the state features. `ahead`: exactly `layout.horizon` rows for each of
    these, by step, with the covariates. All values float64 without nulls. One block of series is held at a time.
    """
    marked, horizon, rows = mark(layout), layout.horizon, int(pq.read_metadata(state).num_rows)
    if (steps_given := pq.read_metadata(ahead).num_rows) != rows * horizon:
        raise PublishError(
            f"{rows} rows of state need {horizon} steps ahead each, but there are {steps_given} in all: give the rows "
            "of `known_future` over the whole horizon, and each (series_id, origin) once"
        )
    both = zip(blocks(state, BLOCK), blocks(ahead, BLOCK * horizon), strict=True)
    with pq.ParquetWriter(target, SCHEMA, compression="zstd") as writer:
        for states, steps in both:
            _check_pairs(states, steps, horizon)
            count = states.num_rows
            values = np.empty((count, len(layout.state_names) + len(layout.covariate_names) * horizon))
            for column, name in enumerate(layout.state_names):
                values[:, column] = states[name].to_numpy()
            for index, name in enumerate(layout.covariate_names):
                start = len(layout.state_names) + index * horizon
                values[:, start : start + horizon] = steps[name].to_numpy().reshape(count, horizon)
            origins = states["origin"].cast(pa.date32()).cast(pa.int32()).to_pylist()
            ended = [EPOCH + timedelta(days=day + PERIOD_DAYS[layout.frequency]) for day in origins]
            columns = [
                states["series_id"].cast(pa.string()).combine_chunks(),
                pa.array(ended, pa.timestamp("us")),
                pa.array(origins, pa.int64()),
                pa.array([marked] * count, pa.string()),
                pa.array([digest(day, marked, row) for day, row in zip(origins, values, strict=True)], pa.binary()),
                pa.array([pack(row) for row in values], pa.binary()),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), row_group_size=BLOCK)
    return rows


def carry(store: Any, folder: Path, upto: datetime) -> Materialised:
    """Bring the store to the newest published row of every series with an event time <= `upto` (UTC, naive).

    A series is written where the digest in the store differs from its row's, so the store itself says what is missing:
    a killed run, a lost store and a store filled by someone else all end in the same state. A row is one transaction's
    (SQLite) or one command's (Redis) work, and blocks follow each other, so a reader sees each row old or new.
    """
    file = source_file(folder, ONLINE_VIEW)
    keys = pq.read_table(file, columns=["series_id", "event_timestamp", "origin_day"])
    if (clash := pc.index(keys["series_id"], NEWEST_ORIGIN).as_py()) >= 0:
        raise PublishError(f"row {clash} of {file} has the reserved series id {NEWEST_ORIGIN!r}: rename the series")
    wanted = _newest(keys, upto)
    view = store.get_feature_view(ONLINE_VIEW)
    series = written = start = 0
    newest: dict[str, Any] | None = None
    for block in blocks(file, BLOCK):
        rows = block.filter(pa.array(wanted[start : start + block.num_rows])).to_pylist()
        start += block.num_rows
        if not rows:
            continue
        series, written = series + len(rows), written + write_changed(store, view, rows, key="series_id")
        best = max(rows, key=lambda row: row["origin_day"])
        newest = best if newest is None or best["origin_day"] > newest["origin_day"] else newest
    if newest is not None:
        store.provider.online_write_batch(
            store.config, view, as_protos([newest | {"series_id": NEWEST_ORIGIN, "vector": b""}], "series_id"), None
        )
    return Materialised(series, written)


def write_changed(store: Any, view: Any, rows: Sequence[dict[str, Any]], *, key: str) -> int:
    """Write those rows whose `digest` the store has not; how many. A row holds `key`, `event_timestamp` and features."""
    there = store.provider.online_read(store.config, view, entity_keys([row[key] for row in rows], key), ["digest"])
    changed = [
        row
        for row, (_, values) in zip(rows, there, strict=True)
        if values is None or "digest" not in values or values["digest"].bytes_val != row["digest"]
    ]
    if changed:
        store.provider.online_write_batch(store.config, view, as_protos(changed, key), None)
    return len(changed)


def as_protos(rows: Sequence[dict[str, Any]], key: str) -> list[Any]:
    """Rows (`key`, `event_timestamp` and features of any plain type) as a provider writes them."""
    from feast.protos.feast.types.Value_pb2 import Value

    kinds = {int: "int64_val", str: "string_val", bytes: "bytes_val"}
    values = [
        {name: Value(**{kinds[type(v)]: v}) for name, v in row.items() if name not in {key, "event_timestamp"}}
        for row in rows
    ]
    times = [row["event_timestamp"].replace(tzinfo=UTC) for row in rows]
    return list(zip(entity_keys([row[key] for row in rows], key), values, times, [None] * len(rows), strict=True))


def _newest(keys: pa.Table, upto: datetime) -> np.ndarray:
    """Which rows are the last of their series by `upto`, (N,) bool; rows are sorted by series, then time."""
    in_time = np.flatnonzero(pc.less_equal(keys["event_timestamp"], pa.scalar(upto, pa.timestamp("us"))).to_numpy())
    names = keys["series_id"].take(in_time).to_numpy()
    wanted = np.zeros(keys.num_rows, dtype=np.bool_)
    wanted[in_time] = np.append(names[1:] != names[:-1], True)[: in_time.size]
    return wanted


def _check_pairs(states: pa.Table, steps: pa.Table, horizon: int) -> None:
    """Rows i * horizon ... of `steps` are steps 1 ... horizon of the series and origin of row i of `states`."""
    rows = np.arange(states.num_rows).repeat(horizon)
    fits = np.array_equal(steps["step"].to_numpy(), np.tile(np.arange(1, horizon + 1), states.num_rows))
    if not fits or any(not steps[key].equals(states[key].take(rows)) for key in ("series_id", "origin")):
        first = states.slice(0, 1).select(["series_id", "origin"]).to_pylist()
        raise PublishError(
            f"from {first} on, some (series_id, origin) repeats or lacks one of the steps 1 to {horizon}: give the "
            "rows of `known_future` over the whole horizon, and each pair once"
        )


def blocks(file: Path, rows: int) -> Iterator[pa.Table]:
    """Tables of exactly `rows` rows; the last may be shorter."""
    held: list[pa.RecordBatch] = []
    for batch in pq.ParquetFile(file).iter_batches(batch_size=rows):
        held.append(batch)
        while (count := sum(part.num_rows for part in held)) >= rows:
            table = pa.Table.from_batches(held)
            yield table.slice(0, rows)
            held = table.slice(rows).to_batches() if count > rows else []
    if held:
        yield pa.Table.from_batches(held)
