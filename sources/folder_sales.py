# ruff: noqa: S608 - names pass through quoted(), values through text(): nothing of a file becomes SQL
"""Reading the `sales` file of a folder: its key columns, the spacing of its periods, raw rows and their series."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import duckdb

from sources.base import SourceError
from sources.folder_checks import check_cells, check_identity, check_key, count, infer_frequency
from sources.folder_files import TableFile, quoted, text, trimmed
from sources.folder_settings import SETTINGS_FILE, FolderSettings

RESERVED: Final = ("period_start", "value", "unit", "open")
ROLES: Final = {
    "store_id": ("store", "store_id", "shop", "shop_id", "store_nbr"),
    "product_id": ("item", "item_id", "product", "product_id", "sku"),
    "category": ("category", "family", "department", "dept"),
    "region": ("region", "state"),
}


@dataclass(frozen=True)
class SalesFile:
    """The checked `sales` file: key columns, the role of those with a recognised name, spacing, and SQL of the rows.

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
            "NULL::VARCHAR AS ended_on FROM sales_rows WHERE series_id IS NOT NULL GROUP BY series_id ORDER BY "
            "series_id"
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
    total = count(con, "SELECT count(*) FROM sales_rows")
    if total == 0:
        raise SourceError(f"{file.path}: the file has a header but 0 rows; nothing can be forecast")
    check_cells(con, file, total)
    if settings.keys is None:
        for key in keys:
            check_key(con, file, key, keys, total)
    check_identity(con, file, keys, total)
    return SalesFile(
        path=file.path,
        keys=keys,
        roles=_roles(keys),
        frequency=infer_frequency(con, file, settings),
        rows_sql="SELECT series_id, keys, period_start, value, unit, open FROM sales_rows",
    )


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


def _roles(keys: tuple[str, ...]) -> dict[str, str]:
    roles: dict[str, str] = {}
    for key in keys:
        role = next((role for role, names in ROLES.items() if key.lower() in names), None)
        if role and role not in roles.values():
            roles[key] = role
    return roles
