"""The lake: every table as immutable Parquet files behind a manifest that is replaced in one step.

Layout: `<root>/<layer>/<table>/[day=YYYY-MM-DD/]<content>.parquet` and `manifest.json`. Files are named by their
content and written first, the manifest last: whoever kills a write leaves the old version whole, and what was written
without being named is swept away by the next write. Files of the version before stay until then, for readers that still
use it.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from data_checks.durable import locked, replace_file

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

    from data_checks.lake_files import LakeFile

Layer = Literal["raw", "tagged", "clean", "features", "gold"]
LAYERS: tuple[Layer, ...] = get_args(Layer)
MANIFEST = "manifest.json"
FORMAT = 1


class LakeError(ValueError):
    """A table cannot be read or written: the message names it, what is wrong and the remedy."""


@dataclass(frozen=True)
class TableVersion:
    """What lies in the lake under one name.

    `fingerprint` is the caller's word for what the table was made from; `content_hash` speaks for the content alone:
    equal rows and columns give an equal hash whenever and with however many threads they were written.
    """

    fingerprint: str
    rows: int
    content_hash: str
    columns: tuple[tuple[str, str], ...]  # (name, Arrow type)
    partition_by: str | None
    files: "tuple[LakeFile, ...]"

    @property
    def partitions(self) -> dict[str, int]:
        """Day -> rows; empty for a table that is not partitioned."""
        return {file.day: file.rows for file in self.files if file.day is not None}


class Lake:
    """Tables under `root`. One writer a table at a time (others wait); reading never waits."""

    def __init__(self, root: Path, *, memory_limit_gb: float = 2.0) -> None:
        self.root = root.absolute()
        self.memory_limit_gb = memory_limit_gb

    def write(
        self,
        layer: Layer,
        table: str,
        data: "pa.Table | pa.RecordBatchReader | ibis.Table",
        *,
        fingerprint: str,
        partition_by: str | None = None,
        sort_by: Sequence[str] = (),
    ) -> TableVersion:
        """Replace a table in one step and return its new version.

        Rows are sorted by `partition_by` (a date column; one file a day), `sort_by`, then all other columns, which
        makes equal content equal bytes; files that are there already are not written again. Sorting spills to disk
        beyond the memory limit. Errors: LakeError for an unknown layer or column, a repeated column or a null day.
        """
        import pyarrow as pa

        from data_checks.lake_files import by_day, remove_strays, write_file

        folder = self._folder(layer, table)
        reader = _normalised(data)
        first = dict.fromkeys([*([partition_by] if partition_by else []), *sort_by])
        unknown = [name for name in first if name not in reader.schema.names]
        if unknown or len(set(reader.schema.names)) != len(reader.schema.names):
            wrong = f"has no column {', '.join(unknown)}" if unknown else "repeats a column name"
            raise LakeError(f"{layer}/{table} {wrong}; its columns are {', '.join(reader.schema.names)}")
        if partition_by and not pa.types.is_date(reader.schema.field(partition_by).type):
            kind = reader.schema.field(partition_by).type
            raise LakeError(f"{layer}/{table}: {partition_by} is {kind}; partition by a column of type date")
        with locked(folder):
            before = self.version(layer, table)
            remove_strays(folder, {file.path for file in before.files} if before else set())
            files = []
            with _Sorted(reader, [*first], folder, self.memory_limit_gb) as rows:
                if partition_by:
                    try:
                        for day, batches in by_day(rows, partition_by):
                            files.append(write_file(folder, day, rows.schema, iter(batches)))
                    except ValueError as error:
                        raise LakeError(f"{layer}/{table}: {error}") from error
                if not files:  # also a partitioned table without rows: its columns have to stand somewhere
                    files.append(write_file(folder, None, rows.schema, rows))
                columns = tuple((field.name, str(field.type)) for field in rows.schema)
            version = TableVersion(
                fingerprint=fingerprint,
                rows=sum(file.rows for file in files),
                content_hash=_content_hash(columns, files),
                columns=columns,
                partition_by=partition_by,
                files=tuple(files),
            )
            manifest = json.dumps({"format": FORMAT, **asdict(version)}, indent=1) + "\n"
            replace_file(folder / MANIFEST, lambda draft: draft.write_text(manifest, encoding="utf-8"))
        return version

    def version(self, layer: Layer, table: str) -> TableVersion | None:
        """The current version, or None for a table that was never written. Errors: LakeError for a broken manifest."""
        from data_checks.lake_files import LakeFile

        path = self._folder(layer, table) / MANIFEST
        if not path.exists():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                raise ValueError(f"its format is not {FORMAT}")
            content["files"] = tuple(LakeFile(**file) for file in content["files"])
            content["columns"] = tuple((name, kind) for name, kind in content["columns"])
            return TableVersion(**content)
        except (ValueError, KeyError, TypeError) as error:
            raise LakeError(f"{path} cannot be read ({error}): remove the folder and run again") from error

    def content_hash(self, layer: Layer, table: str) -> str:
        """The content hash of the current version; "never written" for a table that was not."""
        version = self.version(layer, table)
        return "never written" if version is None else version.content_hash

    def read(self, layer: Layer, table: str, con: Any) -> "ibis.Table":
        """The table as an Ibis table of connection `con`. Errors: LakeError if it was never written."""
        paths = self._paths(layer, table)
        # `day=` in a path is for people; DuckDB would make it a column.
        options = {"hive_partitioning": False} if con.name == "duckdb" else {}
        expression: ibis.Table = con.read_parquet(paths, **options)
        return expression

    def arrow(self, layer: Layer, table: str, columns: Sequence[str] | None = None) -> "pa.Table":
        """The table, or some of its columns, in memory. Errors: LakeError if it was never written."""
        import pyarrow.dataset as ds

        paths = self._paths(layer, table)
        return ds.dataset(paths, format="parquet").to_table(columns=list(columns) if columns is not None else None)

    def _paths(self, layer: Layer, table: str) -> list[str]:
        folder = self._folder(layer, table)
        version = self.version(layer, table)
        if version is None:
            there = sorted(path.parent.name for path in (self.root / layer).glob(f"*/{MANIFEST}"))
            raise LakeError(f"{layer}/{table} was never written; {layer} has {', '.join(there) or 'no tables'}")
        return [str(folder / file.path) for file in version.files]

    def _folder(self, layer: Layer, table: str) -> Path:
        if layer not in LAYERS:
            raise LakeError(f"layer {layer!r}: use one of {', '.join(LAYERS)}")
        if not table.replace("_", "").isalnum():
            raise LakeError(f"table name {table!r}: use letters, digits and _")
        return self.root / layer / table


def _content_hash(columns: Sequence[tuple[str, str]], files: "Sequence[LakeFile]") -> str:
    content = {"columns": columns, "files": [(file.day, file.rows, file.sha256) for file in files]}
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _stream(expression: Any) -> "pa.RecordBatchReader":
    """An Ibis table as a stream. Ibis 12 asks DuckDB 2 for one by a name that is gone, hence the view."""
    backend = expression.get_backend()
    if backend.name != "duckdb":
        return expression.to_pyarrow_batches()
    backend.create_view("lake_stream", expression, overwrite=True)
    return backend.con.sql("FROM lake_stream").to_arrow_reader(65_536)


def _normalised(data: Any) -> "pa.RecordBatchReader":
    """Any of the accepted inputs as a stream without schema metadata and without columns of type null."""
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


class _Sorted:
    """The rows of a stream in order of `first`, then of all other columns; spills into `folder`."""

    def __init__(self, reader: "pa.RecordBatchReader", first: list[str], folder: Path, memory_limit_gb: float) -> None:
        import duckdb

        from data_checks.lake_files import SPILL

        order = [*first, *(name for name in reader.schema.names if name not in first)]
        quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in order)
        self._connection = duckdb.connect(
            ":memory:", config={"memory_limit": f"{memory_limit_gb}GB", "temp_directory": str(folder / SPILL)}
        )
        self._connection.register("unsorted_rows", reader)
        self._batches = self._connection.sql(f"SELECT * FROM unsorted_rows ORDER BY {quoted}").to_arrow_reader(65_536)  # noqa: S608
        self.schema: pa.Schema = self._batches.schema

    def __enter__(self) -> "_Sorted":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def __iter__(self) -> Iterator["pa.RecordBatch"]:
        return self

    def __next__(self) -> "pa.RecordBatch":
        return self._batches.read_next_batch()
