"""Rows in a fixed order, out of core: equal content then gives equal bytes.

A DuckDB in this process sorts, whichever engine made the rows: files of a version have one writer.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def normalised(data: Any) -> "pa.RecordBatchReader":
    """A table, stream or Ibis expression as a stream without schema metadata and without columns of type null."""
    import pyarrow as pa

    reader = _stream(data) if hasattr(data, "get_backend") else data
    if isinstance(reader, pa.Table):
        reader = reader.to_reader()
    fields = [pa.field(f.name, pa.string() if pa.types.is_null(f.type) else f.type) for f in reader.schema]
    schema = pa.schema(fields)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            arrays = [array.cast(field.type) for array, field in zip(batch.columns, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


class InOrder:
    """The rows of a stream in order of `first`, then of all other columns; spills into `folder`.

    unique: no two rows share `first`, so that the others, whose comparison is most of the work, stay out of it.
    """

    def __init__(
        self,
        reader: "pa.RecordBatchReader",
        first: Sequence[str],
        folder: Path,
        memory_limit_gb: float,
        *,
        unique: bool = False,
    ) -> None:
        import duckdb

        from data_checks.lake_files import SPILL

        order = [*first, *(name for name in reader.schema.names if name not in first and not unique)]
        quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in order)
        self._connection = duckdb.connect(
            ":memory:", config={"memory_limit": f"{memory_limit_gb}GB", "temp_directory": str(folder / SPILL)}
        )
        self._connection.register("unsorted_rows", reader)
        self._batches = self._connection.sql(f"SELECT * FROM unsorted_rows ORDER BY {quoted}").to_arrow_reader(65_536)  # noqa: S608
        self.schema: pa.Schema = self._batches.schema

    def __enter__(self) -> "InOrder":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def __iter__(self) -> Iterator["pa.RecordBatch"]:
        return self

    def __next__(self) -> "pa.RecordBatch":
        return self._batches.read_next_batch()


def _stream(expression: Any) -> "pa.RecordBatchReader":
    """An Ibis table as a stream."""
    backend = expression.get_backend()
    if backend.name != "duckdb":
        from data_checks.spark_tables import collected

        return collected(expression, backend).to_reader()
    # As Ibis 12 does for a table as a whole; for a stream it asks DuckDB 2 by a name that is gone.
    return backend._to_duckdb_relation(expression).to_arrow_reader(65_536)
