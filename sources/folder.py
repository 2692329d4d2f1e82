# ruff: noqa: S608 - names pass through quoted(), values through text(): nothing of a file becomes SQL
"""Bring your own tables: any folder of CSV or Parquet files, one file per table, named as the table.

A table that grows may be a sub-folder of files instead, say one a day: `transactions/2026-01-01.csv`, and so on.
The minimum is `sales` (any key columns, period_start, value, unit). `covariates` (any of those keys, period_start,
name, value, known_from) and every other contract table are optional. `source.yaml` may state what files cannot show.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import duckdb
import pyarrow as pa

from data_checks.contracts import (
    BELT_TABLES,
    FLOOR_TABLES,
    IMAGE_TABLES,
    SHOP_TABLES,
    WIFI_TABLES,
    ContractError,
    load_contract,
    table_names,
)
from sources.base import SourceError
from sources.folder_covariates import load_covariates
from sources.folder_files import TableFile, find_files, fingerprint_of, open_table, quoted, trimmed
from sources.folder_sales import SalesFile, load_sales
from sources.folder_settings import FolderSettings

_ENTRIES: Final = ("sales", "transactions", "events")  # one of these makes a folder worth opening
_DERIVED: Final = "series"
_BATCH_ROWS: Final = 100_000
_MEMORY_LIMIT: Final = "2GB"


class FolderSource:
    """Raw tables of one folder, everything as text so that the gate can judge and show each cell as it was delivered.

    `sales` rows are (series_id, keys, period_start, value, unit, open); `series` is derived from them. `series_id`
    joins the key values with `|` in the order of the columns. Errors: SourceError naming file, column, rows, remedy.
    """

    def __init__(self, folder: Path | str) -> None:
        self.name = "folder"
        self._folder = Path(folder)
        self._settings = FolderSettings.of(self._folder)
        # A sub-folder `images` of a shop's tables holds pictures, not rows; lines, surveys, floors and logs are sources of their own.
        elsewhere = (*IMAGE_TABLES, *BELT_TABLES, *WIFI_TABLES, *FLOOR_TABLES, *SHOP_TABLES)
        self._files = find_files(self._folder, [name for name in table_names() if name not in elsewhere])
        if not any(entry in self._files for entry in _ENTRIES):
            raise SourceError(
                f"{self._folder}: has {', '.join(sorted(self._files))} but none of {', '.join(_ENTRIES)}; add "
                "sales.csv "
                "(key columns, period_start, value, unit)"
            )
        if _DERIVED in self._files:
            raise SourceError(f"{self._files[_DERIVED]}: series are derived from sales; remove this file")
        self._con = duckdb.connect(config={"memory_limit": _MEMORY_LIMIT})

    @property
    def tables(self) -> frozenset[str]:
        """Names of the tables in the folder, and `series` where it has `sales`."""
        return frozenset([*self._files, *([_DERIVED] if "sales" in self._files else [])])

    @property
    def frequency(self) -> Literal["daily", "weekly"]:
        """Spacing of the sales periods: stated, else inferred; a folder of transactions is counted by the day."""
        return self._sales.frequency if "sales" in self._files else self._settings.frequency or "daily"

    @property
    def absent(self) -> Literal["zero", "closed", "missing"] | None:
        """What a period without a row means, where `source.yaml` states it."""
        return self._settings.absent

    def read(self, table: str) -> pa.RecordBatchReader:
        """Raw rows of one table. Errors: SourceError for a table it lacks or a file that cannot be read."""
        readers: dict[str, Callable[[], str]] = {
            "sales": lambda: self._sales.rows_sql,
            _DERIVED: self._series_sql,
            "covariates": self._covariates_sql,
        }
        if table not in self.tables:
            raise SourceError(f"{self._folder}: no table {table!r}; it has {', '.join(sorted(self.tables))}")
        if table == "covariates" and "sales" not in self._files:
            raise SourceError(
                f"{self._files[table]}: covariates belong to sales, which this folder lacks; add sales.csv"
            )
        try:
            sql = readers[table]() if table in readers else self._table_sql(table)
            return self._con.cursor().sql(sql).to_arrow_reader(_BATCH_ROWS)
        except duckdb.Error as error:
            path = self._files.get(table, self._files.get("sales"))
            raise SourceError(f"{path}: {error}") from error

    def fingerprint(self) -> str:
        """SHA-256 over the contents of all files."""
        return fingerprint_of(self._folder, self._files.values())

    @cached_property
    def _sales(self) -> SalesFile:
        try:
            return load_sales(self._con, self._open("sales"), self._settings)
        except duckdb.Error as error:
            raise SourceError(f"{self._files['sales']}: {error}") from error

    def _series_sql(self) -> str:
        return self._sales.series_sql()

    def _covariates_sql(self) -> str:
        return load_covariates(self._con, self._open("covariates"), self._sales, self._settings)

    def _open(self, table: str) -> TableFile:
        return open_table(self._con, table, self._files[table], self._settings)

    def _table_sql(self, table: str) -> str:
        """Any other contract table: its own columns by name, absent optional ones null."""
        file = self._open(table)
        try:
            contract = load_contract(f"{table}_raw")
        except ContractError as error:
            raise SourceError(f"{file.path}: {error}") from error
        names = {name.lower(): name for name in file.columns if name not in self._settings.ignore}
        missing = [column.name for column in contract.columns if column.required and column.name not in names]
        surplus = [name for low, name in names.items() if low not in contract.column_names]
        if missing or surplus:
            said = (
                f"column {', '.join(missing)} is missing"
                if missing
                else f"column {', '.join(surplus)} is in no contract"
            )
            remedy = "add it" if missing else "remove it, or list it under `ignore` in source.yaml"
            raise SourceError(f"{file.path}: {said} (contract columns: {', '.join(contract.column_names)}); {remedy}")
        cells = [
            f"{trimmed(names[name])} AS {quoted(name)}" if name in names else f"NULL::VARCHAR AS {quoted(name)}"
            for name in contract.column_names
        ]
        rows = self._con.execute(f"SELECT count(*) FROM ({file.sql})").fetchone()
        if not rows or not rows[0]:
            raise SourceError(f"{file.path}: the file has a header but 0 rows; fill or remove it")
        return f"SELECT {', '.join(cells)} FROM ({file.sql})"
