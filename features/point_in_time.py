# ruff: noqa: S608 - names pass through quoted(), paths through scan(), numbers are integers: nothing of a file becomes SQL
"""The point-in-time join in DuckDB: every entity row keeps its row and its place, and gets what was known by its time.

Instants are compared in whole microseconds, UTC; a time without a zone is UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_INSTANT = -62_135_596_800_000_000  # year 1 in microseconds: no literal is older


class JoinInputError(ValueError):
    """Entity rows or a view cannot be joined; the message says which column or file, and what to do."""


@dataclass(frozen=True)
class View:
    """A table of values over time, as its Parquet files hold it.

    `files` is a file, a folder or a glob. `keys` leads from a column of the files to the column of the entity rows that it
    must equal, `features` from a column of the files to its name in the result. A value is dead when more than `ttl`
    has passed since its event time (None: it lives for ever). Of rows with one key and event time the one with the
    greatest `created` counts, then the one that lies last in the files.
    """

    name: str
    files: str
    keys: Mapping[str, str]
    features: Mapping[str, str]
    event_time: str
    created: str | None = None
    ttl: timedelta | None = None


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def scan(files: str) -> str:
    """The table expression that reads `files`; missing columns of one of several files are null."""
    return "read_parquet('" + files.replace("'", "''") + "', union_by_name = true)"


def columns_of(con: duckdb.DuckDBPyConnection, files: str, *, wanted: Sequence[str], name: str) -> dict[str, str]:
    """Column -> DuckDB type of `files`. Raises JoinInputError when they cannot be read or lack a wanted column."""
    try:
        found = {row[0]: row[1] for row in con.sql(f"DESCRIBE SELECT * FROM {scan(files)}").fetchall()}
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        raise JoinInputError(f"{name}: no readable Parquet at {files} ({error}): publish it first") from error
    if missing := [column for column in wanted if column not in found]:
        raise JoinInputError(f"{name}: {files} has no columns {missing}, only {sorted(found)}: publish and apply again")
    return found


def microseconds(column: str, kind: str) -> str:
    """The instant in `column` (an SQL expression of DuckDB type `kind`) as microseconds since 1970, cut to whole ones."""
    if kind in ("TIMESTAMP_NS", "TIMESTAMPTZ_NS"):  # DuckDB's own cast rounds, and would reach into the future
        nanoseconds = f"epoch_ns({column})"
        return f"({nanoseconds} // 1000 - CAST({nanoseconds} % 1000 < 0 AS BIGINT))"
    if kind == "VARCHAR":
        return f"epoch_us(CAST({column} AS TIMESTAMPTZ))"
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return f"epoch_us({column})"
    if kind == '"NULL"':
        return "CAST(NULL AS BIGINT)"
    raise JoinInputError(f"column {column} has type {kind}, which is no time: give timestamps")


def between(column: str, kind: str, low: int | None, high: int | None) -> str:
    """SQL condition that the instant in `column` lies in [low, high], microseconds; None leaves an end open."""
    conditions = [f"{column} IS NOT NULL"]
    instant = microseconds(column, kind)
    for sign, bound in ((">=", low), ("<=", high)):
        if bound is None or bound < _FIRST_INSTANT:
            continue
        if kind in ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):  # the plain column: row groups are skipped by it
            conditions.append(f"{column} {sign} CAST(make_timestamp({bound}::BIGINT) AS {kind})")
        else:
            conditions.append(f"{instant} {sign} {bound}")
    return " AND ".join(conditions)


def latest_first(event_time: str, created: str | None) -> str:
    """ORDER BY list of a scan `s` that puts the row that counts first: event time, created, place in the files."""
    by_created = f"{created} DESC NULLS LAST, " if created else ""
    return f"{event_time} DESC, {by_created}s.file_index DESC, s.file_row_number DESC"


def check_entities(entities: pa.Table, event_time: str, views: Sequence[View]) -> None:
    """Raise JoinInputError where a key is missing, or where a name of the result would stand for two columns."""
    names = list(entities.column_names)
    for view in views:
        if missing := [column for column in view.keys.values() if column not in entities.column_names]:
            raise JoinInputError(
                f"view {view.name} joins on {missing}, the entity rows have {entities.column_names}: add the columns"
            )
        names += view.features.values()
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise JoinInputError(f"columns {repeated} would be there twice: rename yours, or ask for full_feature_names")
    if event_time not in entities.column_names:
        raise JoinInputError(f"the entity rows have no column {event_time!r}, only {entities.column_names}")


def time_range(con: duckdb.DuckDBPyConnection, entities: pa.Table, event_time: str) -> tuple[int | None, int | None]:
    """First and last instant of the entity rows in microseconds; None where there is none."""
    rows = con.from_arrow(entities.select([event_time]))
    instant = microseconds(quoted(event_time), str(rows.types[0]))
    low, high = rows.aggregate(f"min({instant}), max({instant})").fetchall()[0]
    return low, high


def join(
    con: duckdb.DuckDBPyConnection,
    entities: pa.Table,
    event_time: str,
    views: Sequence[View],
    *,
    created_by_then: bool = False,
    batch_rows: int = 65_536,
) -> pa.RecordBatchReader:
    """The features of `views`, and nothing else, for each of `entities` (see check_entities), in their order.

    Views are joined one after another into tables of `con`, which spills what exceeds its memory. With
    `created_by_then` a value counts only once its `created` has passed, too. The reader lives as long as `con`.
    """
    columns = list(dict.fromkeys(column for view in views for column in view.keys.values()))
    slots = {column: f"k{index}" for index, column in enumerate(columns)}
    given = entities.select([event_time, *columns]).rename_columns(["t", *slots.values()])
    for index, field in enumerate(given.schema):
        if index and pa.types.is_null(field.type):  # a key that is never known equals nothing, whatever the view's type
            given = given.set_column(index, field.name, given[field.name].cast(pa.string()))
    given = given.append_column("n", pa.array(np.arange(given.num_rows)))
    instant = microseconds("t", str(con.from_arrow(given).types[0]))
    con.register("given_rows", given)
    con.execute(f"CREATE TEMP VIEW entity_rows AS SELECT * REPLACE ({instant} AS t) FROM given_rows")
    low, high = time_range(con, entities, event_time)
    for index, view in enumerate(views):
        since = low - view.ttl // _MICROSECOND if low is not None and view.ttl else None
        values = _values(con, view, since, high, created_by_then=created_by_then)
        if view.keys:
            keys = ", ".join(slots[column] for column in view.keys.values())
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE entity_keys AS SELECT {keys}, row_number() OVER () AS id "
                f"FROM (SELECT DISTINCT {keys} FROM entity_rows)"
            )
        done = con.execute(f"CREATE TEMP TABLE joined_{index} AS {_joined(view, slots, values)}").fetchone()
        if done is None or done[0] != entities.num_rows:
            raise JoinInputError(f"view {view.name}: {entities.num_rows} entity rows went in, {done} came out")
    tables = " POSITIONAL JOIN ".join(f"joined_{index}" for index in range(len(views)))
    return con.sql(f"SELECT * FROM {tables}").to_arrow_reader(batch_rows)


def _joined(view: View, slots: Mapping[str, str], values: str) -> str:
    """SQL of one row per entity row with the features of `view`, in the order of the entity rows."""
    named = [(f"f.v{index}", quoted(name)) for index, name in enumerate(view.features.values())]
    if view.ttl:
        named = [(f"CASE WHEN e.t - f.t <= {view.ttl // _MICROSECOND} THEN {value} END", name) for value, name in named]
    features = ", ".join(f"{value} AS {name}" for value, name in named)
    if not view.keys:
        return f"SELECT {features} FROM entity_rows e ASOF LEFT JOIN ({values}) f ON e.t >= f.known ORDER BY e.n"
    # Sorting by a number for each key is twice as fast as by the keys, and values of other keys drop out before it.
    same = " AND ".join(f"f.k{index} = k.{slots[column]}" for index, column in enumerate(view.keys.values()))
    numbered = f"SELECT k.id, f.* FROM ({values}) f JOIN entity_keys k ON {same}"
    keys = ", ".join(slots[column] for column in view.keys.values())
    rows = f"SELECT n, t, id FROM entity_rows LEFT JOIN entity_keys USING ({keys})"
    return (
        f"SELECT {features} FROM ({rows}) e ASOF LEFT JOIN ({numbered}) f ON e.id = f.id AND e.t >= f.known "
        "ORDER BY e.n"
    )


def _values(
    con: duckdb.DuckDBPyConnection, view: View, low: int | None, high: int | None, *, created_by_then: bool
) -> str:
    """SQL of the rows of `view` that can count: keys k0..., features v0..., `t` and, never twice for a key, `known`.

    `known` is the instant from which the row is the newest known one of its key.
    """
    wanted = [*view.keys, *view.features, view.event_time, *([view.created] if view.created else [])]
    kinds = columns_of(con, view.files, wanted=wanted, name=f"view {view.name}")
    time, source = _of_source(view.event_time), f"{scan(view.files)} AS s"
    t = microseconds(time, kinds[view.event_time])
    keys = [_of_source(column) for column in view.keys]
    named = [f"{column} AS k{index}" for index, column in enumerate(keys)]
    named += [f"{_of_source(column)} AS v{index}" for index, column in enumerate(view.features)]
    inside = between(time, kinds[view.event_time], low, high)
    created = _of_source(view.created) if view.created else None
    if created_by_then and view.created and created:
        made = microseconds(created, kinds[view.created])
        named += [f"{t} AS t", f"greatest({t}, {made}) AS known"]
        age = f"row({t}, {made}, s.file_index, s.file_row_number)"
        rows = f"SELECT {', '.join(named)}, {age} AS age FROM {source} WHERE {inside} AND {created} IS NOT NULL"
        partition = f"PARTITION BY {', '.join(f'k{index}' for index in range(len(keys)))} " if keys else ""
        # Rows known at one instant are peers of the window, so that one of them is left.
        return f"SELECT * FROM ({rows}) QUALIFY age = max(age) OVER ({partition}ORDER BY known)"
    group = ", ".join([*keys, t])
    rows = f"SELECT {', '.join([*named, f'{t} AS t', f'{t} AS known'])} FROM {source} WHERE {inside}"
    ties = con.sql(f"SELECT 1 FROM {source} WHERE {inside} GROUP BY {group} HAVING count(*) > 1 LIMIT 1").fetchall()
    if not ties:
        return rows
    return f"{rows} QUALIFY row_number() OVER (PARTITION BY {group} ORDER BY {latest_first(t, created)}) = 1"


def _of_source(column: str) -> str:
    """`column` of the files, whatever a result is called."""
    return f"s.{quoted(column)}"
