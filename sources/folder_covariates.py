# ruff: noqa: S608 - names pass through quoted(), values through text(): nothing of a file becomes SQL
"""Reading the `covariates` file of a folder: keys become a scope, words become flags, known_from is made explicit."""

from typing import Final

import duckdb

from sources.base import SourceError
from sources.folder_checks import one_row
from sources.folder_files import TableFile, quoted, trimmed
from sources.folder_sales import SalesFile, day_sql, day_text_sql, number_text_sql
from sources.folder_settings import SETTINGS_FILE, FolderSettings

RESERVED: Final = ("period_start", "name", "value", "known_from")
SCOPE_OF_ROLE: Final = {"store_id": "store", "product_id": "product", "category": "category", "region": "region"}
MAX_LEVELS: Final = 20
_MOSTLY: Final = 0.95  # that many numbers make a number of the covariate; the rest is dirt, not a level
_FLAGS: Final = "('true', 'false', 't', 'f', 'yes', 'no', 'y', 'n')"


def load_covariates(con: duckdb.DuckDBPyConnection, file: TableFile, sales: SalesFile, settings: FolderSettings) -> str:
    """SQL of raw covariates (scope, scope_value, period_start, name, value, known_from), all text.

    An empty key cell means "every": a row without any key holds for all series. Without `known_from` a value counts as
    known only from its own period on. Needs the connection's table `sales_rows` (`load_sales`).
    Errors: SourceError for missing or unknown columns, for a text covariate of more than 20 levels, and for a
    file of which no key or no period meets the sales.
    """
    names = {name.lower(): name for name in file.columns}
    missing = [name for name in RESERVED[:3] if name not in names]
    if missing:
        raise SourceError(
            f"{file.path}: column {', '.join(missing)} is missing (it has {', '.join(file.columns)}); the file needs "
            "any of the key columns of sales, period_start, name, value, known_from"
        )
    keys = tuple(c for c in file.columns if c.lower() not in RESERVED and c not in settings.ignore)
    unknown = [key for key in keys if key not in sales.keys]
    if unknown:
        raise SourceError(
            f"{file.path}: column {', '.join(unknown)} is no key column of sales "
            f"({', '.join(sales.keys) or 'it has none'}); "
            "rename or remove it"
        )
    cells = {name: trimmed(names[name]) if name in names else "NULL::VARCHAR" for name in RESERVED}
    period = day_text_sql(cells["period_start"], settings)
    known = f"coalesce({day_text_sql(cells['known_from'], settings)}, {period})"
    columns = "".join(f"{trimmed(key)} AS {quoted(key)}, " for key in keys)
    con.execute(
        f"CREATE OR REPLACE TABLE covariate_rows AS SELECT {columns}{period} AS period_start, {cells['name']} AS name, "
        f"{number_text_sql(cells['value'], settings)} AS value, {known} AS known_from, "
        f"{day_sql(cells['period_start'], settings)} AS day FROM ({file.sql})"
    )
    _check_periods(con, file)
    _create_levels(con, file)
    scoped = " UNION ALL ".join(_scoped_sql(con, file, sales, keys))
    return (
        "SELECT scope, scope_value, period_start, CASE WHEN level IS NULL THEN name ELSE name || '=' || level END AS "
        "name, "
        "CASE kind WHEN 'flag' THEN (lower(value) IN ('true', 't', 'yes', 'y'))::INT::VARCHAR "
        "WHEN 'level' THEN (value = level)::INT::VARCHAR ELSE value END AS value, known_from "
        f"FROM ({scoped}) LEFT JOIN covariate_levels USING (name)"
    )


def _check_periods(con: duckdb.DuckDBPyConnection, file: TableFile) -> None:
    rows, readable, meeting = one_row(
        con,
        "SELECT count(*), count(day), count(*) FILTER (WHERE day IN (SELECT day FROM sales_rows)) FROM covariate_rows",
    )
    if rows == 0:
        raise SourceError(f"{file.path}: the file has a header but 0 rows; fill or remove it")
    if readable * 2 < rows:
        raise SourceError(
            f"{file.path}: column period_start is unreadable in {rows - readable:,} of {rows:,} rows; write "
            "YYYY-MM-DD, or "
            f"state `date_format` in {SETTINGS_FILE}"
        )
    if meeting == 0:
        raise SourceError(
            f"{file.path}: none of its {rows:,} rows has a period_start that occurs in sales; use the same first "
            "days of "
            "periods in both files"
        )


def _create_levels(con: duckdb.DuckDBPyConnection, file: TableFile) -> None:
    """Table `covariate_levels` (name, kind, level): how each covariate's text becomes numbers, one row per level."""
    con.execute(
        "CREATE OR REPLACE TABLE covariate_levels AS SELECT name, CASE "
        f"WHEN avg((try_cast(value AS DOUBLE) IS NOT NULL)::INT) >= {_MOSTLY} OR count(value) = 0 THEN 'number' "
        f"WHEN avg((lower(value) IN {_FLAGS})::INT) = 1 THEN 'flag' ELSE 'level' END AS kind, NULL::VARCHAR AS level "
        "FROM covariate_rows WHERE value IS NOT NULL AND name IS NOT NULL GROUP BY name"
    )
    wide = con.execute(
        "SELECT name, count(DISTINCT value), count(*) FROM covariate_rows JOIN covariate_levels USING (name) WHERE "
        "kind = 'level' "
        f"GROUP BY name HAVING count(DISTINCT value) > {MAX_LEVELS} ORDER BY name"
    ).fetchall()
    if wide:
        name, levels, rows = wide[0]
        raise SourceError(
            f"{file.path}: covariate {name!r} has {levels:,} different texts in {rows:,} rows; give numbers, or at "
            "most "
            f"{MAX_LEVELS} levels"
        )
    con.execute(
        "CREATE OR REPLACE TABLE covariate_levels AS SELECT name, kind, level FROM covariate_levels WHERE kind <> "
        "'level' "
        "UNION ALL SELECT DISTINCT name, kind, value FROM covariate_rows JOIN (SELECT name, kind FROM "
        "covariate_levels) "
        "USING (name) WHERE kind = 'level' AND value IS NOT NULL"
    )


def _scoped_sql(con: duckdb.DuckDBPyConnection, file: TableFile, sales: SalesFile, keys: tuple[str, ...]) -> list[str]:
    """One SELECT for every combination of filled key cells that occurs."""
    if not keys:
        return ["SELECT 'all' AS scope, '*' AS scope_value, period_start, name, value, known_from FROM covariate_rows"]
    filled = ", ".join(f"{quoted(key)} IS NOT NULL" for key in keys)
    patterns = con.execute(f"SELECT DISTINCT {filled} FROM covariate_rows").fetchall()
    parts = []
    for pattern in sorted(patterns):
        given = [key for key, there in zip(keys, pattern, strict=True) if there]
        where = " AND ".join(
            f"c.{quoted(key)} IS {'NOT ' if there else ''}NULL" for key, there in zip(keys, pattern, strict=True)
        )
        columns = "c.period_start, c.name, c.value, c.known_from"
        role = sales.roles.get(given[0]) if len(given) == 1 else None
        if not given:
            parts.append(f"SELECT 'all' AS scope, '*' AS scope_value, {columns} FROM covariate_rows c WHERE {where}")
        elif role and len(sales.keys) > 1:
            _check_known(con, file, given)
            parts.append(
                f"SELECT '{SCOPE_OF_ROLE[role]}' AS scope, c.{quoted(given[0])} AS scope_value, {columns} "
                f"FROM covariate_rows c WHERE {where}"
            )
        else:
            _check_known(con, file, given)
            parts.append(_per_series_sql(given, sales.keys, columns, where))
    return parts


def _per_series_sql(given: list[str], keys: tuple[str, ...], columns: str, where: str) -> str:
    if set(given) == set(keys):
        name = " || '|' || ".join(f"c.{quoted(key)}" for key in keys)
        return f"SELECT 'series' AS scope, {name} AS scope_value, {columns} FROM covariate_rows c WHERE {where}"
    same = " AND ".join(f"c.{quoted(key)} = s.{quoted(key)}" for key in given)
    parts = ", ".join(f"{trimmed(key)} AS {quoted(key)}" for key in given)
    return (
        f"SELECT 'series' AS scope, s.series_id AS scope_value, {columns} FROM covariate_rows c JOIN (SELECT "
        "DISTINCT series_id, "
        f"{parts} FROM sales_rows WHERE series_id IS NOT NULL) s ON {same} WHERE {where}"
    )


def _check_known(con: duckdb.DuckDBPyConnection, file: TableFile, given: list[str]) -> None:
    columns = ", ".join(quoted(key) for key in given)
    cells = ", ".join(trimmed(key) for key in given)
    there = " AND ".join(f"{quoted(key)} IS NOT NULL" for key in given)
    values, known, example = one_row(
        con,
        f"SELECT count(*), count(*) FILTER (WHERE k IN (SELECT ({cells}) FROM sales_rows)), any_value(k::VARCHAR) "
        f"FROM (SELECT DISTINCT ({columns}) AS k FROM covariate_rows WHERE {there})",
    )
    if values and not known:
        raise SourceError(
            f"{file.path}: none of the {values:,} values of {', '.join(given)} (such as {example}) occurs in sales; "
            "spell keys alike"
        )
