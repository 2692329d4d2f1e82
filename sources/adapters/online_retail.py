# ruff: noqa: S608 - names pass through quoted(), values are constants: nothing of a file becomes SQL
"""UCI Online Retail (and Online Retail II): invoice lines of a British web shop, with the dirt they really have.

One CSV or Parquet file with the published columns, alone in its folder or named directly. What is dirty stays so:
fee lines, cancellations, stock adjustments with negative units and zero prices are classed or quarantined downstream.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import duckdb
import pyarrow as pa

from sources.adapters.england import bank_holidays
from sources.base import SourceError
from sources.folder_files import TableFile, fingerprint_of, open_table, quoted
from sources.folder_settings import FolderSettings

_FEES: Final = ("POST", "DOT", "M", "D", "S", "B", "C2", "C3", "PADS", "CRUK", "AMAZONFEE", "BANK CHARGES")
FEE_CODES: Final = frozenset({*_FEES, "ADJUST*", "GIFT*", "TEST*"})
ALIASES: Final = {
    "invoice": ("InvoiceNo", "Invoice"),
    "code": ("StockCode",),
    "description": ("Description",),
    "quantity": ("Quantity",),
    "invoiced_at": ("InvoiceDate",),
    "price": ("UnitPrice", "Price"),
    "customer": ("CustomerID", "Customer ID"),
    "country": ("Country",),
}
_TABLES: Final = ("transactions", "stores", "products", "calendar")
_CALENDAR_AHEAD_DAYS: Final = 366  # a calendar is known ahead; a year covers every horizon
# What the file does not say about its goods. Each is one value for all, so that nothing can be learnt from it.
NEUTRAL: Final = {
    "category": "unknown",
    "brand": "unknown",
    "cost_share": 0.5,  # of the list price
    "shelf_life_days": 3650,  # gifts do not perish
    "weight_g": 500,
    "supplier_id": "unknown",
    "lead_time_days": 14,
}


class OnlineRetailSource:
    """Raw `transactions`, one web store, the `products` met in the lines, and the English `calendar`. Money is GBP.

    An invoice `C...` is a return: its id loses the letter and its units their sign. `line_no` counts the different
    lines of an invoice in file order (the file numbers none), so that a line delivered twice keeps one number and
    shows as an exact duplicate. `list_price` is the median price paid. Errors: SourceError naming file, column, remedy.
    """

    currency: Final = "GBP"

    def __init__(self, path: Path | str) -> None:
        self.name = "online_retail"
        self.frequency: Literal["daily", "weekly"] = "daily"
        self.tables = frozenset(_TABLES)
        self._file = _find(Path(path))
        self._con = duckdb.connect()

    @property
    def transaction_rules(self) -> Mapping[str, Any]:
        """How these lines are cleaned: keywords of `features.cleaning_transactions.TransactionRules`."""
        return {"fee_codes": FEE_CODES, "upper_case_product_ids": True, "returns_by": "customer_product"}

    def read(self, table: str) -> pa.RecordBatchReader:
        """Raw rows of one table, all text."""
        queries = {
            "transactions": lambda: _TRANSACTIONS_SQL,
            "stores": lambda: _STORES_SQL,
            "products": lambda: _PRODUCTS_SQL,
            "calendar": self._calendar_sql,
        }
        if table not in queries:
            raise SourceError(f"online_retail has no table {table!r}; it has {', '.join(_TABLES)}")
        try:
            con = self._loaded
            return con.cursor().sql(queries[table]()).to_arrow_reader(100_000)
        except duckdb.Error as error:
            raise SourceError(f"{self._file}: {error}") from error

    def fingerprint(self) -> str:
        """SHA-256 over the contents of the file."""
        return fingerprint_of(self._file.parent, [self._file])

    @cached_property
    def _loaded(self) -> duckdb.DuckDBPyConnection:
        """The connection with table `lines`: the published columns as text, and their position in the file."""
        file = _open(self._con, self._file)
        names = {want: next((name for name in file.columns if name in known), None) for want, known in ALIASES.items()}
        missing = [ALIASES[want][0] for want, name in names.items() if name is None and want != "country"]
        if missing:
            raise SourceError(
                f"{self._file}: column {', '.join(missing)} is missing (it has {', '.join(file.columns)}); use the "
                "published file"
            )
        columns = ", ".join(f"{quoted(name)} AS {want}" for want, name in names.items() if name)
        country = "" if names["country"] else ", NULL::VARCHAR AS country"
        self._con.execute(
            f"CREATE TABLE lines AS SELECT {columns}{country}, row_number() OVER () AS position, "
            "coalesce(try_cast(invoiced_at AS TIMESTAMP), try_strptime(invoiced_at, '%m/%d/%Y %H:%M')) AS sold_at "
            f"FROM ({file.sql})"
        )
        rows, dated = self._con.execute("SELECT count(*), count(sold_at) FROM lines").fetchone() or (0, 0)
        if dated * 2 <= rows:
            raise SourceError(
                f"{self._file}: column InvoiceDate is readable in {dated:,} of {rows:,} rows; write YYYY-MM-DD HH:MM "
                "or M/D/YYYY H:MM"
            )
        return self._con

    def _calendar_sql(self) -> str:
        first, last = self._con.execute("SELECT min(sold_at)::DATE, max(sold_at)::DATE FROM lines").fetchone() or (
            None,
            None,
        )
        if not isinstance(first, date) or not isinstance(last, date):
            raise SourceError(f"{self._file}: no readable InvoiceDate, hence no calendar")
        last += timedelta(days=_CALENDAR_AHEAD_DAYS)
        holidays = {day: name for year in range(first.year, last.year + 1) for day, name in bank_holidays(year).items()}
        days = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
        rows = [(str(day), str(day in holidays).lower(), holidays.get(day), "false") for day in days]
        self._con.execute(
            "CREATE OR REPLACE TABLE calendar (date VARCHAR, is_holiday VARCHAR, holiday_name VARCHAR, "
            "is_school_break VARCHAR)"
        )
        self._con.executemany("INSERT INTO calendar VALUES (?, ?, ?, ?)", rows)
        return "SELECT * FROM calendar"


def _find(path: Path) -> Path:
    if path.is_file():
        return path
    files = sorted(file for suffix in ("*.parquet", "*.csv", "*.csv.gz") for file in path.glob(suffix))
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or "none"
        raise SourceError(f"{path}: needs one CSV or Parquet file of invoice lines (found {found})")
    return files[0]


def _open(con: duckdb.DuckDBPyConnection, path: Path) -> TableFile:
    try:
        return open_table(con, "transactions", path, FolderSettings())
    except SourceError as error:
        if not isinstance(error.__cause__, UnicodeDecodeError):
            raise
        return open_table(con, "transactions", path, FolderSettings(encoding="latin-1"))  # as it is widely passed on


_CODE: Final = "upper(trim(code))"
_IS_FEE: Final = " OR ".join(
    f"{_CODE} LIKE '{code[:-1]}%'" if code.endswith("*") else f"{_CODE} = '{code}'" for code in sorted(FEE_CODES)
)
_TRANSACTIONS_SQL: Final = """
WITH placed AS (
    SELECT *, min(position) OVER same AS first_seen FROM lines
    WINDOW same AS (PARTITION BY invoice, code, description, quantity, invoiced_at, price, customer, country)
)
SELECT ltrim(trim(invoice), 'Cc') AS transaction_id,
    dense_rank() OVER (PARTITION BY invoice ORDER BY first_seen)::VARCHAR AS line_no,
    'web' AS store_id, code AS product_id, regexp_replace(customer, '\\.0$', '') AS customer_id,
    coalesce(sold_at::VARCHAR, invoiced_at) AS sold_at, coalesce(sold_at::VARCHAR, invoiced_at) AS recorded_at,
    CASE WHEN upper(trim(invoice)) LIKE 'C%' THEN 'return' ELSE 'sale' END AS kind,
    CASE WHEN upper(trim(invoice)) NOT LIKE 'C%' THEN quantity
        WHEN quantity LIKE '-%' THEN substr(quantity, 2) ELSE '-' || quantity END AS units,
    price AS unit_price, description AS receipt_text,
    NULL::VARCHAR AS original_transaction_id, NULL::VARCHAR AS original_line_no
FROM placed ORDER BY position
"""
_STORES_SQL: Final = (
    "SELECT 'web' AS store_id, 'Web shop' AS store_name, 'United Kingdom' AS region, 'online' AS format, '1' AS "
    "area_m2, "
    "min(sold_at)::DATE::VARCHAR AS opened_on FROM lines"
)
# Goods that were never sold at a price (stock movements only) are no products of the shop.
_PRODUCTS_SQL: Final = f"""
WITH named AS (
    SELECT {_CODE} AS product_id, trim(description) AS product_name, count(*) AS times
    FROM lines WHERE trim(description) <> '' GROUP BY ALL
), names AS (
    SELECT product_id, first(product_name ORDER BY times DESC, product_name) AS product_name
    FROM named GROUP BY product_id
)
SELECT {_CODE} AS product_id, coalesce(any_value(product_name), {_CODE}) AS product_name,
    '{NEUTRAL["category"]}' AS category, '{NEUTRAL["brand"]}' AS brand,
    (median(try_cast(price AS DOUBLE)) * {NEUTRAL["cost_share"]})::VARCHAR AS unit_cost,
    median(try_cast(price AS DOUBLE))::VARCHAR AS list_price, '{NEUTRAL["shelf_life_days"]}' AS shelf_life_days,
    '{NEUTRAL["weight_g"]}' AS weight_g, '{NEUTRAL["supplier_id"]}' AS supplier_id,
    '{NEUTRAL["lead_time_days"]}' AS lead_time_days,
    min(sold_at)::DATE::VARCHAR AS launched_on, NULL::VARCHAR AS ended_on
FROM lines LEFT JOIN names ON product_id = {_CODE}
WHERE try_cast(price AS DOUBLE) > 0 AND try_cast(quantity AS DOUBLE) > 0 AND {_CODE} <> '' AND NOT ({_IS_FEE})
GROUP BY {_CODE} ORDER BY {_CODE}
"""
