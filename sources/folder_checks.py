# ruff: noqa: S608 - names pass through quoted(), values through text(): nothing of a file becomes SQL
"""Checks of a folder's `sales`, loaded as table `sales_rows`: what makes a file unusable.

A wrong file is refused with a SourceError here; a few bad cells pass, for the gate to quarantine them row by row.
"""

from typing import Any, Final, Literal

import duckdb

from sources.base import SourceError
from sources.folder_files import TableFile, quoted, trimmed
from sources.folder_settings import SETTINGS_FILE, FolderSettings

_MOST: Final = 0.5  # more than half of the rows wrong is a wrong file, not dirt for the quarantine
_REGULAR: Final = 0.99
_NEAR_UNIQUE_ROWS: Final = 8  # below this many rows "as many values as rows" says nothing


def check_cells(con: duckdb.DuckDBPyConnection, file: TableFile, total: int) -> None:
    """Refuses dates or values that are mostly unreadable, and a unit that changes within a series."""
    wrong_file = (
        ("period_start", "day IS NULL", f"write YYYY-MM-DD, or state `date_format` in {SETTINGS_FILE}"),
        (
            "value",
            "value IS NOT NULL AND try_cast(value AS DOUBLE) IS NULL",
            f'write plain numbers, or state `decimal: ","` in {SETTINGS_FILE}',
        ),
        ("value", "value IS NULL", "fill the column"),
    )
    for column, wrong, remedy in wrong_file:
        bad, example = one_row(con, f"SELECT count(*), any_value({column}) FROM sales_rows WHERE {wrong}")
        if bad > _MOST * total:
            raise SourceError(
                f"{file.path}: column {column} is unreadable in {bad:,} of {total:,} rows (such as {example!r}); "
                f"{remedy}"
            )
    mixed, series = one_row(
        con,
        "SELECT count(*), min(series_id) FROM (SELECT series_id FROM sales_rows "
        "WHERE regexp_matches(upper(unit), '^(UNITS?|[A-Z]{3})$') "
        "GROUP BY series_id HAVING count(DISTINCT rtrim(upper(unit), 'S')) > 1)",
    )
    if mixed:
        raise SourceError(
            f"{file.path}: column unit changes within {mixed:,} series (such as {series!r}); convert them to one unit"
        )


def check_key(con: duckdb.DuckDBPyConnection, file: TableFile, key: str, keys: tuple[str, ...], total: int) -> None:
    """Refuses a column that was taken for a key and names no series: unique per row, or changing with the periods."""
    column = quoted(key)
    values = count(con, f"SELECT count(DISTINCT {column}) FROM sales_rows")
    remedy = (
        "put it into covariates.csv (keys, period_start, name, value, known_from), drop it, or list the true keys as "
        f"`keys: [...]` in {SETTINGS_FILE}"
    )
    if total >= _NEAR_UNIQUE_ROWS and values > _MOST * total:
        raise SourceError(
            f"{file.path}: column {key} has {values:,} values in {total:,} rows, so it names no series; {remedy}"
        )
    if values < 2:
        return
    rest = "".join(f"{quoted(other)}, " for other in keys if other != key)
    slots = count(con, f"SELECT count(*) FROM (SELECT DISTINCT {rest}day FROM sales_rows)")
    if slots < _REGULAR * total:
        return  # without it several rows fall on one period: it does tell series apart
    by = f"PARTITION BY {rest.removesuffix(', ')}" if rest else ""
    changes, allowed = one_row(
        con,
        f"SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT {rest}{column} FROM sales_rows)) FROM "
        f"(SELECT {column} IS DISTINCT FROM lag({column}) OVER ({by} ORDER BY day) AS changed FROM sales_rows) "
        "WHERE changed",
    )
    if changes > allowed:
        raise SourceError(
            f"{file.path}: column {key} goes back and forth inside one series ({changes:,} changes in {total:,} rows), "
            f"so it describes periods and names no series; {remedy}"
        )


def check_identity(con: duckdb.DuckDBPyConnection, file: TableFile, keys: tuple[str, ...], total: int) -> None:
    """Refuses ambiguous series names, mostly empty keys, and several rows for most periods of a series."""
    if len(keys) > 1:
        columns = ", ".join(trimmed(key) for key in keys)
        tuples, names = one_row(
            con,
            f"SELECT count(DISTINCT ({columns})), count(DISTINCT series_id) FROM sales_rows "
            "WHERE series_id IS NOT NULL",
        )
        if tuples != names:
            raise SourceError(
                f"{file.path}: '|' inside the values of {', '.join(keys)} makes {tuples - names:,} series names "
                "ambiguous; replace it"
            )
    unnamed = count(con, "SELECT count(*) FROM sales_rows WHERE series_id IS NULL")
    if unnamed > _MOST * total:
        raise SourceError(
            f"{file.path}: column {', '.join(keys)} is empty in {unnamed:,} of {total:,} rows; fill every key"
        )
    cells = count(con, "SELECT count(*) FROM (SELECT DISTINCT series_id, day FROM sales_rows)")
    if cells < _MOST * total:
        raise SourceError(
            f"{file.path}: {total:,} rows hold only {cells:,} pairs of series (columns {', '.join(keys) or 'none'}) "
            "and "
            "period_start; add the missing key column or sum the rows"
        )


def infer_frequency(
    con: duckdb.DuckDBPyConnection, file: TableFile, settings: FolderSettings
) -> Literal["daily", "weekly"]:
    """The spacing of the periods: stated, or weekly where steps are whole weeks, or daily where most are one day."""
    gaps, weekly, daily = one_row(
        con,
        "SELECT count(gap), avg((gap % 7 = 0)::INT), avg((gap = 1)::INT) FROM (SELECT day - lag(day) OVER "
        "(PARTITION BY series_id ORDER BY day) AS gap FROM "
        "(SELECT DISTINCT series_id, day FROM sales_rows WHERE day IS NOT NULL AND series_id IS NOT NULL))",
    )
    # A slow mover's own days lie far apart; the days on which anything sold do not.
    shared, days_of_month = one_row(
        con,
        "SELECT avg((gap = 1)::INT), count(DISTINCT day(day)) FROM (SELECT day, day - lag(day) OVER (ORDER BY day) "
        "AS gap FROM (SELECT DISTINCT day FROM sales_rows WHERE day IS NOT NULL))",
    )
    if settings.frequency == "weekly" and gaps and weekly < _MOST:
        raise SourceError(
            f"{file.path}: {SETTINGS_FILE} states weekly, but {weekly:.0%} of the {gaps:,} steps of period_start are "
            "whole "
            "weeks; sum the rows by week or state daily"
        )
    if settings.frequency:
        return settings.frequency
    if gaps and weekly >= _REGULAR:
        return "weekly"
    if gaps and max(daily, shared or 0.0) >= _MOST:
        return "daily"
    seen = (
        f"{weekly:.0%} of {gaps:,} steps are whole weeks, {daily:.0%} one day" if gaps else "no series has two periods"
    )
    monthly = "; all on one day of the month: monthly sales are not supported" if gaps and days_of_month == 1 else ""
    raise SourceError(
        f"{file.path}: column period_start is neither clearly daily nor weekly ({seen}{monthly}); state "
        f"`frequency: daily` or `frequency: weekly` in {SETTINGS_FILE}"
    )


def one_row(con: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """The only row of an aggregate."""
    return con.execute(sql).fetchone()


def count(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The only number of an aggregate."""
    return int(one_row(con, sql)[0])
