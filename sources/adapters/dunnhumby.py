"""dunnhumby "The Complete Journey": what households bought, basket by basket, and what the products are.

The folder holds Parquet or CSV files of transactions (`transactions.*` or `transactions_sample.*`) and, where wanted,
`products.*`, with the column names of the R package completejourney.
"""

from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import duckdb
import pyarrow as pa

from sources.base import SourceError
from sources.folder_files import TableFile, fingerprint_of, open_table
from sources.folder_settings import FolderSettings

_NAMES: Final = {"events": ("transactions", "transactions_sample"), "item_attributes": ("products",)}
_COLUMNS: Final = {
    "events": ("household_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp"),
    "item_attributes": ("product_id", "department", "brand", "product_category", "product_type"),
}
_SQL: Final = {
    # What is weighed at the till counts its quantity in other units than pieces; price is what one of them cost.
    "events": "SELECT household_id AS customer_id, product_id AS item_id, transaction_timestamp AS event_time, "
    "'purchase' AS kind, quantity AS amount, (try_cast(sales_value AS DOUBLE) / nullif(try_cast(quantity AS DOUBLE), 0))"
    "::VARCHAR AS price, basket_id AS session_id FROM ({rows})",
    "item_attributes": "SELECT product_id AS item_id, attribute, value FROM (UNPIVOT (FROM ({rows})) "
    "ON department, brand, product_category, product_type INTO NAME attribute VALUE value)",
}


class DunnhumbySource:
    """Raw `events` (kind `purchase`; a basket is the session) and `item_attributes`; a customer is a household.

    Money is USD, times are the shop's own. Errors: SourceError naming file, column and remedy.
    """

    currency: Final = "USD"

    def __init__(self, folder: Path | str) -> None:
        self.name = "dunnhumby"
        self.frequency: Literal["daily", "weekly"] = "daily"
        self._folder = Path(folder)
        found = {table: _find(self._folder, names) for table, names in _NAMES.items()}
        self._files = {table: path for table, path in found.items() if path is not None}
        if "events" not in self._files:
            wanted = " or ".join(f"{name}.parquet" for name in _NAMES["events"])
            raise SourceError(f"{self._folder}: needs {wanted} (or CSV) of the Complete Journey")
        self.tables = frozenset(self._files)

    def read(self, table: str) -> pa.RecordBatchReader:
        """Raw rows of one table, all text."""
        if table not in self.tables:
            raise SourceError(f"dunnhumby has no table {table!r}; it has {', '.join(sorted(self.tables))}")
        file = self._open(table)
        if missing := [name for name in _COLUMNS[table] if name not in file.columns]:
            raise SourceError(f"{file.path}: column {', '.join(missing)} is missing; use the published file")
        try:
            return self._con.cursor().sql(_SQL[table].format(rows=file.sql)).to_arrow_reader(100_000)
        except duckdb.Error as error:
            raise SourceError(f"{file.path}: {error}") from error

    def fingerprint(self) -> str:
        """SHA-256 over the contents of the files."""
        return fingerprint_of(self._folder, [self._files[table] for table in sorted(self.tables)])

    def _open(self, table: str) -> TableFile:
        return open_table(self._con, table, self._files[table], FolderSettings())

    @cached_property
    def _con(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect()


def _find(folder: Path, names: tuple[str, ...]) -> Path | None:
    wanted = [folder / f"{name}{suffix}" for name in names for suffix in (".parquet", ".csv", ".csv.gz")]
    return next((path for path in wanted if path.is_file()), None)
