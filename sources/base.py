"""What every source of tables offers, what some offer by day, and the error they raise."""

from collections.abc import Collection, Mapping
from typing import Literal, Protocol, runtime_checkable

import pyarrow as pa


class SourceError(ValueError):
    """A source cannot be read; the message names file or table, column, row count where known, and the remedy."""


@runtime_checkable
class Source(Protocol):
    """Raw tables by contract name. Reading never changes the source."""

    @property
    def name(self) -> str:
        """Kind of source, as written before the colon of its description: "twin", "folder", "rossmann", ..."""
        ...

    @property
    def frequency(self) -> Literal["daily", "weekly"]:
        """Length of one sales period."""
        ...

    @property
    def tables(self) -> frozenset[str]:
        """Contract names, without `_raw`, of the tables this source provides."""
        ...

    def read(self, table: str) -> pa.RecordBatchReader:
        """Raw rows of one table with the columns of its `_raw` contract; `SourceError` for a table it lacks."""
        ...

    def fingerprint(self) -> str:
        """Hexadecimal digest that changes whenever a table could change."""
        ...


@runtime_checkable
class PartedSource(Source, Protocol):
    """A source that tells which days of a table changed, and hands over those days alone."""

    def parts(self, table: str) -> Mapping[str, str] | None:
        """ISO event day -> digest that changes whenever a row of that day could change, ascending by day.

        None for a table that is delivered whole; `SourceError` for a table the source lacks.
        """
        ...

    def read_parts(self, table: str, days: Collection[str]) -> pa.RecordBatchReader:
        """Rows of these ISO days in bounded memory: the table's columns, then `_day` (date32), ascending by `_day`.

        Raises `SourceError` for a table that is lacking or delivered whole, and for a day that `parts` does not name.
        """
        ...
