"""Parquet files that hold a table's rows day after day, each row beside the day it belongs to."""

from collections.abc import Collection, Iterator
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

DAY = "_day"
_ROWS_A_GROUP = 100_000  # large enough for fast scans, small enough that one day is read out of it at once
# A dictionary of these costs time and space.
_HARDLY_REPEATED = {
    "transaction_id", "sold_at", "recorded_at", "expected_units", "impression_id", "shown_at", "started_at", "event_time",
}  # fmt: skip


class TableWriter:
    """Gathers small tables into row groups of one Parquet file."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        repeated = [name for name in schema.names if name not in _HARDLY_REPEATED]
        self._writer = pq.ParquetWriter(
            path, schema, compression="zstd", coerce_timestamps="us", use_dictionary=repeated
        )
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._rows = 0

    def add(self, table: pa.Table) -> None:
        """Append a table's rows."""
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        if self._waiting_rows >= _ROWS_A_GROUP:
            self._flush()

    def close(self) -> int:
        """Write what waits, close the file, and return its rows."""
        self._flush()
        self._writer.close()
        return self._rows

    def _flush(self) -> None:
        if self._waiting_rows:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=_ROWS_A_GROUP)
        self._rows += self._waiting_rows
        self._waiting, self._waiting_rows = [], 0


def dated(table: pa.Table, day: date) -> pa.Table:
    """The table with a last column `_day`, the same day in every row."""
    return table.append_column(pa.field(DAY, pa.date32()), pa.repeat(pa.scalar(day, pa.date32()), table.num_rows))


def dated_schema(schema: pa.Schema) -> pa.Schema:
    """A table's schema with the last column `_day`."""
    return schema.append(pa.field(DAY, pa.date32()))


def undated(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """The same rows without their last column `_day`."""
    names = reader.schema.names[:-1]
    schema = pa.schema([reader.schema.field(name) for name in names])
    return pa.RecordBatchReader.from_batches(schema, (batch.select(names) for batch in reader))


def read_dated(file: pa.NativeFile, wanted: Collection[date]) -> Iterator[pa.RecordBatch]:
    """Rows of the wanted days of an open file that lies in order of `_day`, one row group in memory at a time."""
    with pq.ParquetFile(file) as parquet:
        at = parquet.schema_arrow.get_field_index(DAY)
        for group in range(parquet.num_row_groups):
            limits = parquet.metadata.row_group(group).column(at).statistics
            days = [limits.min + timedelta(days=n) for n in range((limits.max - limits.min).days + 1)]
            kept = [day for day in days if day in wanted]
            if kept:
                rows = parquet.read_row_group(group)
                if len(kept) < len(days):
                    rows = rows.filter(pc.is_in(rows[DAY], value_set=pa.array(kept, pa.date32())))
                yield from rows.to_batches()
