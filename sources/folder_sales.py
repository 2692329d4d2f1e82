"""Reading the `sales` file of a folder: which columns are keys, how periods are spaced, raw rows and the series they form."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import duckdb

from sources.base import SourceError
from sources.folder_files import TableFile, quoted, text
from sources.folder_settings import SETTINGS_FILE, FolderSettings

RESERVED: Final = ("period_start", "value", "unit", "open")
ROLES: Final = {
    "store_id": ("store", "store_id", "shop", "shop_id", "store_nbr"),
    "product_id": ("item", "item_id", "product", "product_id", "sku"),
    "category": ("category", "family", "department", "dept"),
    "region": ("region", "state"),
}
_MOST: Final = 0.5  # more than half of the rows wrong is a wrong file, not dirt for the quarantine
_REGULAR: Final = 0.99
_NEAR_UNIQUE_ROWS: Final = 8  # below this many rows "as many values as rows" says nothing


@dataclass(frozen=True)
class SalesFile:
    """The checked `sales` file: its key columns, the role of those with a recognised name, spacing, and the SQL of its rows.

    `rows_sql` gives (series_id, keys, period_start, value, unit, open), all text, as delivered save trimming and dates
    that were read by a stated format.
    """

    path: Path
    keys: tuple[str, ...]
    roles: dict[str, str]
    frequency: Literal["daily", "weekly"]
    rows_sql: str

    def series_sql(self) -> str:
        """SQL of (series_id, keys, store_id, product_id, category, region, started_on, ended_on), all text."""
        of_role = {role: key for key, role in self.roles.items()}
        columns = ", ".join(
            f"any_value({trimmed(of_role[role])}) AS {role}" if role in of_role else f"NULL::VARCHAR AS {role}"
            for role in ROLES
        )
        return (
            f"SELECT series_id, any_value(keys) AS keys, {columns}, min(day)::VARCHAR AS started_on, "
            "NULL::VARCHAR AS ended_on FROM sales_rows WHERE series_id IS NOT NULL GROUP BY series_id ORDER BY series_id"
        )


def load_sales(con: duckdb.DuckDBPyConnection, file: TableFile, settings: FolderSettings) -> SalesFile:
    """Loads the file into the connection's table `sales_rows` and checks its shape.

    Errors: SourceError for a missing column, an empty file, a column that is no key, dates or values mostly
    unreadable, units mixed within a series, or spacing that is neither daily nor weekly. Bad cells of a few rows pass.
    """
    names = {name.lower(): name for name in file.columns}
    _require(file, names, settings)
    keys = _key_columns(file, settings)
    con.execute(f"CREATE OR REPLACE TABLE sales_rows AS {_rows_sql(file, names, keys, settings)}")
    total = _count(con, "SELECT count(*) FROM sales_rows")
    if total == 0:
        raise SourceError(f"{file.path}: the file has a header but 0 rows; nothing can be forecast")
    _check_readable(con, file, total, settings)
    if settings.keys is None:
        for key in keys:
            _refuse_no_key(con, file, key, keys, total)
    _check_identity(con, file, keys, total)
    return SalesFile(
        path=file.path,
        keys=keys,
        roles=_roles(keys),
        frequency=_frequency(con, file, settings),
        rows_sql="SELECT series_id, keys, period_start, value, unit, open FROM sales_rows",
    )


def trimmed(column: str) -> str:
    """SQL of a text column without outer blanks, empty as null."""
    return f"nullif(trim({quoted(column)}), '')"


def day_sql(column: str, settings: FolderSettings) -> str:
    """SQL of a text column as a date, null where it is none."""
    if settings.date_format:
        return f"try_strptime({column}, {text(settings.date_format)})::DATE"
    return f"try_cast({column} AS TIMESTAMP)::DATE"


def day_text_sql(column: str, settings: FolderSettings) -> str:
    """SQL of a text column as an ISO date, or as delivered where it is no date."""
    return f"coalesce({day_sql(column, settings)}::VARCHAR, {column})" if settings.date_format else column


def number_text_sql(column: str, settings: FolderSettings) -> str:
    """SQL of a text column with the decimal point that casts expect."""
    return f"replace({column}, ',', '.')" if settings.decimal == "," else column


def _require(file: TableFile, names: dict[str, str], settings: FolderSettings) -> None:
    needed = ["period_start", "value", *([] if settings.unit else ["unit"])]
    missing = [name for name in needed if name not in names]
    if missing:
        state = f", or state `unit: units` (or a currency) in {SETTINGS_FILE}" if missing == ["unit"] else ""
        raise SourceError(
            f"{file.path}: column {', '.join(missing)} is missing (it has {', '.join(file.columns)}); add it{state}"
        )
    if settings.unit and "unit" in names:
        raise SourceError(
            f"{file.path}: has a column unit while {SETTINGS_FILE} states unit {settings.unit!r}; keep one"
        )


def _key_columns(file: TableFile, settings: FolderSettings) -> tuple[str, ...]:
    free = [name for name in file.columns if name.lower() not in RESERVED and name not in settings.ignore]
    if settings.keys is None:
        return tuple(free)
    absent = [key for key in settings.keys if key not in free]
    surplus = [name for name in free if name not in settings.keys]
    if absent or surplus:
        said = f"key {', '.join(absent)} is no column" if absent else f"column {', '.join(surplus)} is no key"
        raise SourceError(f"{file.path}: {said}, says {SETTINGS_FILE}; mend `keys` or list the column under `ignore`")
    return tuple(settings.keys)


def _rows_sql(file: TableFile, names: dict[str, str], keys: tuple[str, ...], settings: FolderSettings) -> str:
    cells = {name: trimmed(names[name]) if name in names else "NULL::VARCHAR" for name in RESERVED}
    if settings.unit:
        cells["unit"] = text(settings.unit)
    identity = " || '|' || ".join(trimmed(key) for key in keys) or "'all'"
    as_json = ", ".join(f"{text(key)}, {trimmed(key)}" for key in keys)
    return (
        f"SELECT {', '.join(quoted(key) for key in keys)}{',' if keys else ''} {identity} AS series_id, "
        f"json_object({as_json})::VARCHAR AS keys, {day_text_sql(cells['period_start'], settings)} AS period_start, "
        f"{number_text_sql(cells['value'], settings)} AS value, {cells['unit']} AS unit, {cells['open']} AS open, "
        f"{day_sql(cells['period_start'], settings)} AS day FROM ({file.sql})"
    )


def _check_readable(con: duckdb.DuckDBPyConnection, file: TableFile, total: int, settings: FolderSettings) -> None:
    remedies = {
        "period_start": ("day IS NULL", f"write YYYY-MM-DD, or state `date_format` in {SETTINGS_FILE}"),
        "value": (
            "value IS NOT NULL AND try_cast(value AS DOUBLE) IS NULL",
            f'write plain numbers, or state `decimal: ","` in {SETTINGS_FILE}',
        ),
        "value ": ("value IS NULL", "fill the column"),
    }
    for column, (wrong, remedy) in remedies.items():
        bad, example = _row(con, f"SELECT count(*), any_value({column.strip()}) FROM sales_rows WHERE {wrong}")
        if bad > _MOST * total:
            raise SourceError(
                f"{file.path}: column {column.strip()} is unreadable in {bad:,} of {total:,} rows (such as {example!r}); {remedy}"
            )
    mixed, series = _row(
        con,
        "SELECT count(*), min(series_id) FROM (SELECT series_id FROM sales_rows WHERE regexp_matches(upper(unit), "
        "'^(UNITS?|[A-Z]{3})$') GROUP BY series_id HAVING count(DISTINCT rtrim(upper(unit), 'S')) > 1)",
    )
    if mixed:
        raise SourceError(
            f"{file.path}: column unit changes within {mixed:,} series (such as {series!r}); convert the values to one unit"
        )


def _refuse_no_key(
    con: duckdb.DuckDBPyConnection, file: TableFile, key: str, keys: tuple[str, ...], total: int
) -> None:
    column = quoted(key)
    values = _count(con, f"SELECT count(DISTINCT {column}) FROM sales_rows")
    remedy = (
        f"put it into covariates.csv (keys, period_start, name, value, known_from), drop it, or list the true keys as "
        f"`keys: [...]` in {SETTINGS_FILE}"
    )
    if total >= _NEAR_UNIQUE_ROWS and values > _MOST * total:
        raise SourceError(
            f"{file.path}: column {key} has {values:,} values in {total:,} rows: that names no series; {remedy}"
        )
    if values < 2:
        return
    rest = ", ".join(quoted(other) for other in keys if other != key)
    by = f"PARTITION BY {rest} " if rest else ""
    slots = _count(con, f"SELECT count(*) FROM (SELECT DISTINCT {rest + ', ' if rest else ''}day FROM sales_rows)")
    if slots < _REGULAR * total:
        return  # without it several rows fall on one period: it does tell series apart
    changes, allowed = _row(
        con,
        f"SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT {rest + ', ' if rest else ''}{column} FROM sales_rows)) "
        f"FROM (SELECT {column} IS DISTINCT FROM lag({column}) OVER ({by}ORDER BY day) AS changed FROM sales_rows) WHERE changed",
    )
    if changes > allowed:
        raise SourceError(
            f"{file.path}: column {key} goes back and forth from period to period inside one series ({changes:,} changes in "
            f"{total:,} rows): it describes periods and names no series; {remedy}"
        )


def _check_identity(con: duckdb.DuckDBPyConnection, file: TableFile, keys: tuple[str, ...], total: int) -> None:
    if len(keys) > 1:
        columns = ", ".join(trimmed(key) for key in keys)
        tuples, names = _row(
            con,
            f"SELECT count(DISTINCT ({columns})), count(DISTINCT series_id) FROM sales_rows WHERE series_id IS NOT NULL",
        )
        if tuples != names:
            raise SourceError(
                f"{file.path}: '|' inside key values makes {tuples - names:,} series names ambiguous; replace it"
            )
    named = _count(con, "SELECT count(*) FROM sales_rows WHERE series_id IS NOT NULL")
    if named < _MOST * total:
        raise SourceError(
            f"{file.path}: keys ({', '.join(keys)}) are empty in {total - named:,} of {total:,} rows; fill them"
        )
    cells = _count(con, "SELECT count(*) FROM (SELECT DISTINCT series_id, day FROM sales_rows)")
    if cells < _MOST * total:
        raise SourceError(
            f"{file.path}: {total:,} rows are only {cells:,} pairs of series ({', '.join(keys) or 'no key column'}) and "
            "period_start; add the missing key column or sum the rows"
        )


def _roles(keys: tuple[str, ...]) -> dict[str, str]:
    roles: dict[str, str] = {}
    for key in keys:
        role = next((role for role, names in ROLES.items() if key.lower() in names), None)
        if role and role not in roles.values():
            roles[key] = role
    return roles


def _frequency(con: duckdb.DuckDBPyConnection, file: TableFile, settings: FolderSettings) -> Literal["daily", "weekly"]:
    gaps, weekly, daily = _row(
        con,
        "SELECT count(gap), avg((gap % 7 = 0)::INT), avg((gap = 1)::INT) FROM (SELECT day - lag(day) OVER (PARTITION BY "
        "series_id ORDER BY day) AS gap FROM (SELECT DISTINCT series_id, day FROM sales_rows WHERE day IS NOT NULL))",
    )
    # A slow mover's own days lie far apart; the days on which anything sold do not.
    shared, days_of_month = _row(
        con,
        "SELECT avg((gap = 1)::INT), count(DISTINCT day(day)) FROM (SELECT day, day - lag(day) OVER (ORDER BY day) AS gap "
        "FROM (SELECT DISTINCT day FROM sales_rows WHERE day IS NOT NULL))",
    )
    if settings.frequency == "weekly" and gaps and weekly < _MOST:
        raise SourceError(
            f"{file.path}: {SETTINGS_FILE} states weekly, but only {weekly:.0%} of the steps between periods are whole weeks"
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
    monthly = "; one day of the month only: monthly sales are not supported" if days_of_month == 1 and gaps else ""
    raise SourceError(
        f"{file.path}: column period_start is neither clearly daily nor weekly ({seen}{monthly}); state "
        f"`frequency: daily` or `frequency: weekly` in {SETTINGS_FILE}"
    )


def _row(con: duckdb.DuckDBPyConnection, sql: str) -> Any:
    return con.execute(sql).fetchone()


def _count(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(_row(con, sql)[0])
