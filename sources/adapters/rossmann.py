# ruff: noqa: S608 - names pass through quoted(), values through text(): nothing of a file becomes SQL
"""Rossmann store sales (Kaggle 2015): daily revenue of drug stores in Germany, with promotions, holidays and closures.

The folder holds the sales (`train.csv` as published, or any one Parquet file with the same columns), `store.csv`,
and, where known, `store_states.csv` (Store, State) and `test.csv` (covariates of the days to forecast).
The column `Customers` is only known after the day and is never read.
"""

from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import duckdb
import pyarrow as pa

from sources.base import SourceError
from sources.folder_files import TableFile, fingerprint_of, open_table, quoted, text
from sources.folder_settings import FolderSettings

ALWAYS_KNOWN: Final = "1970-01-01"
_SALES: Final = ("Store", "Date", "Sales", "Promo", "StateHoliday", "SchoolHoliday")
_FUTURE: Final = ("Store", "Date", "Promo", "StateHoliday", "SchoolHoliday")
_ATTRIBUTES: Final = ("StoreType", "Assortment", "CompetitionDistance", "Promo2", "PromoInterval")
_HOLIDAYS: Final = {"a": "public", "b": "easter", "c": "christmas"}
_TABLES: Final = ("sales", "series", "covariates")


class RossmannSource:
    """Raw `sales` (EUR), `series` and `covariates`; a series is a store, a day without a row is a closed day.

    `series.keys` carries the store's attributes beside its number, `category` is the store type, `region` the state.
    Covariates, all planned and hence known from 1970-01-01: `open`, `promo`, `school_holiday` and the state holiday
    as `state_holiday=public|easter|christmas` (0 or 1). Each is given once for all stores or once per state where it
    holds so, else per store. Errors: SourceError naming file, column and remedy.
    """

    def __init__(self, folder: Path | str) -> None:
        self.name = "rossmann"
        self.frequency: Literal["daily", "weekly"] = "daily"
        self.absent: Literal["zero", "closed", "missing"] | None = "closed"
        self.tables = frozenset(_TABLES)
        self._folder = Path(folder)
        self._sales_path = self._find_sales()
        self._con = duckdb.connect()

    def read(self, table: str) -> pa.RecordBatchReader:
        """Raw rows of one table, all text."""
        queries = {"sales": _SALES_SQL, "series": _SERIES_SQL, "covariates": _COVARIATES_SQL}
        if table not in queries:
            raise SourceError(f"rossmann has no table {table!r}; it has {', '.join(_TABLES)}")
        try:
            return self._loaded.cursor().sql(queries[table]).to_arrow_reader(100_000)
        except duckdb.Error as error:
            raise SourceError(f"{self._folder}: {error}") from error

    def fingerprint(self) -> str:
        """SHA-256 over the contents of the files."""
        optional = [self._folder / "store_states.csv", self._folder / "test.csv"]
        files = [self._sales_path, self._folder / "store.csv", *(path for path in optional if path.is_file())]
        return fingerprint_of(self._folder, files)

    def _find_sales(self) -> Path:
        if not self._folder.is_dir():
            raise SourceError(f"{self._folder} is no folder: give the folder with train.csv and store.csv")
        train = self._folder / "train.csv"
        candidates = [train] if train.is_file() else sorted(self._folder.glob("*.parquet"))
        if len(candidates) != 1:
            found = ", ".join(path.name for path in candidates) or "none"
            raise SourceError(f"{self._folder}: needs train.csv or one Parquet file of sales (found {found})")
        if not (self._folder / "store.csv").is_file():
            raise SourceError(f"{self._folder}: store.csv is missing; it belongs to the download")
        return candidates[0]

    @cached_property
    def _loaded(self) -> duckdb.DuckDBPyConnection:
        """The connection with tables `days` (past rows), `plans` (past and future days) and `store`."""
        sales = self._open("train", self._sales_path, _SALES)
        is_open = '"Open"' if "Open" in sales.columns else "'1'"
        columns = "Store, try_cast(Date AS TIMESTAMP)::DATE AS day, Promo, StateHoliday, SchoolHoliday"
        self._con.execute(
            f"CREATE TABLE days AS SELECT {columns}, Date AS stated_day, Sales, {is_open} AS is_open FROM ({sales.sql})"
        )
        self._con.execute(
            f"CREATE TABLE plans AS SELECT {_PLAN_COLUMNS} FROM days WHERE day IS NOT NULL AND Store IS NOT NULL"
        )
        future = self._folder / "test.csv"
        if future.is_file():
            file = self._open("test", future, _FUTURE)
            is_open = '"Open"' if "Open" in file.columns else "'1'"
            self._con.execute(
                f"INSERT INTO plans SELECT {_PLAN_COLUMNS} FROM (SELECT {columns}, {is_open} AS is_open FROM "
                f"({file.sql})) "
                "WHERE day IS NOT NULL AND Store IS NOT NULL AND day > (SELECT max(day) FROM days)"
            )
        self._con.execute(f"CREATE TABLE store AS {self._stores_sql()}")
        return self._con

    def _stores_sql(self) -> str:
        stores = self._open("store", self._folder / "store.csv", ("Store", "StoreType"))
        path = self._folder / "store_states.csv"
        states = self._open("store_states", path, ("Store", "State")).sql if path.is_file() else None
        known = [name for name in _ATTRIBUTES if name in stores.columns]
        attributes = ", ".join(f"{text(name)}, {quoted(name)}" for name in known)
        region = "any_value(t.State)" if states else "NULL::VARCHAR"
        join = f"LEFT JOIN ({states}) t ON t.Store = s.Store" if states else ""
        return (
            f"SELECT s.Store, any_value(StoreType) AS store_type, {region} AS region, "
            f"any_value(json_object('Store', s.Store, 'State', {'t.State' if states else 'NULL'}, "
            f"{attributes})::VARCHAR) AS keys "
            f"FROM ({stores.sql}) s {join} GROUP BY s.Store"
        )

    def _open(self, table: str, path: Path, needed: tuple[str, ...]) -> TableFile:
        file = open_table(self._con, table, path, FolderSettings())
        missing = [name for name in needed if name not in file.columns]
        if missing:
            raise SourceError(
                f"{path}: column {', '.join(missing)} is missing (it has {', '.join(file.columns)}); use the "
                "published files"
            )
        return file


_PLAN_COLUMNS: Final = (
    "Store, day, try_cast(Promo AS DOUBLE) AS promo, lower(StateHoliday) AS holiday, "
    "try_cast(SchoolHoliday AS DOUBLE) AS school, try_cast(is_open AS DOUBLE) AS is_open"
)
_SALES_SQL: Final = (
    "SELECT Store AS series_id, json_object('Store', Store)::VARCHAR AS keys, coalesce(day::VARCHAR, stated_day) AS "
    "period_start, "
    "Sales AS value, 'EUR' AS unit, is_open AS open FROM days"
)
_SERIES_SQL: Final = (
    "SELECT Store AS series_id, any_value(coalesce(keys, json_object('Store', Store)::VARCHAR)) AS keys, Store AS "
    "store_id, "
    "NULL::VARCHAR AS product_id, any_value(store_type) AS category, any_value(region) AS region, "
    "min(day)::VARCHAR AS started_on, NULL::VARCHAR AS ended_on "
    "FROM days LEFT JOIN store USING (Store) WHERE Store IS NOT NULL GROUP BY Store ORDER BY try_cast(Store AS "
    "BIGINT), Store"
)
_HOLIDAY_FLAGS: Final = ", ".join(
    f"{{'name': 'state_holiday={name}', 'value': (holiday = '{code}')::INT::DOUBLE}}"
    for code, name in _HOLIDAYS.items()
)
# A value that is the same in all stores (or in all stores of a state) on every day is said once, not a thousand times.
_COVARIATES_SQL: Final = f"""
WITH given AS (
    SELECT Store, region, day, unnest([
        {{'name': 'promo', 'value': promo}}, {{'name': 'school_holiday', 'value': school}},
        {_HOLIDAY_FLAGS}
    ], recursive := true) FROM plans LEFT JOIN store USING (Store)
), usable AS (SELECT * FROM given WHERE value IS NOT NULL),
spread AS (
    SELECT name, max(differing_days) = 0 AS everywhere FROM (
        SELECT name, day, (min(value) <> max(value))::INT AS differing_days FROM usable GROUP BY name, day
    ) GROUP BY name
), regional AS (
    SELECT name, max(differing_days) = 0 AS by_region FROM (
        SELECT name, day, region, (min(value) <> max(value) OR region IS NULL)::INT AS differing_days
        FROM usable GROUP BY name, day, region) GROUP BY name
), scoped AS (
    SELECT DISTINCT CASE WHEN everywhere THEN 'all' WHEN by_region THEN 'region' ELSE 'store' END AS scope,
        CASE WHEN everywhere THEN '*' WHEN by_region THEN region ELSE Store END AS scope_value, day, name, value
    FROM usable JOIN spread USING (name) JOIN regional USING (name)
), stays AS (
    SELECT Store, unnest(generate_series(min(day), (SELECT max(day) FROM plans), INTERVAL 1 DAY))::DATE AS day
    FROM plans GROUP BY Store
), doors AS (
    SELECT 'store' AS scope, s.Store AS scope_value, s.day, 'open' AS name, coalesce(max(p.is_open), 0.0) AS value
    FROM stays s LEFT JOIN plans p ON p.Store = s.Store AND p.day = s.day GROUP BY s.Store, s.day
)
SELECT scope, scope_value, day::VARCHAR AS period_start, name, value::VARCHAR AS value, '{ALWAYS_KNOWN}' AS known_from
FROM (SELECT * FROM scoped UNION ALL SELECT * FROM doors) ORDER BY name, scope_value, day
"""
