"""What every source of tables offers, and the error it raises."""

from typing import Literal, Protocol, runtime_checkable

import pyarrow as pa


class SourceError(ValueError):
    """A source cannot be read; the message names file or table, column, row count where known, and the remedy."""


@runtime_checkable
class Source(Protocol):
    """Raw tables by contract name. Reading never changes the source."""

    @property
    def name(self) -> str:
        """Kind of source: "twin", "folder", "rossmann" or "online_retail"."""
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
