"""The lake: every table as immutable Parquet files behind a manifest that is replaced in one step.

Layout: `<root>/<layer>/<table>/[day=YYYY-MM-DD/]<content>.parquet` and `manifest.json`. Files are named by their
content and written first, the manifest last: whoever kills a write leaves the old version whole, and what was written
without being named is swept away by the next write. Files of the version before stay until then, for readers that still
use it.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from data_checks.durable import locked
from data_checks.lake_tables import MANIFEST, LakeError, TableVersion, check_columns, content_hash, read_manifest

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

    from data_checks.lake_days import DayUpdate

__all__ = ["LAYERS", "MANIFEST", "Lake", "LakeError", "Layer", "TableVersion"]

Layer = Literal["raw", "tagged", "clean", "features", "gold"]
LAYERS: tuple[Layer, ...] = get_args(Layer)


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
        beyond the memory limit. Rows without a day are kept under `undated`.
        Errors: LakeError for an unknown layer or column, or a repeated column.
        """
        from data_checks.lake_days import write_manifest
        from data_checks.lake_files import by_day, remove_strays, write_file
        from data_checks.lake_sort import InOrder, normalised

        folder = self._folder(layer, table)
        reader = normalised(data)
        check_columns(f"{layer}/{table}", reader.schema, partition_by, sort_by)
        first = dict.fromkeys([*([partition_by] if partition_by else []), *sort_by])
        with locked(folder):
            remove_strays(folder, self._named(layer, table))
            files = []
            with InOrder(reader, [*first], folder, self.memory_limit_gb) as rows:
                if partition_by:
                    for day, batches in by_day(rows, partition_by):
                        files.append(write_file(folder, day, rows.schema, iter(batches)))
                if not files:  # also a partitioned table without rows: its columns have to stand somewhere
                    files.append(write_file(folder, None, rows.schema, rows))
                columns = tuple((field.name, str(field.type)) for field in rows.schema)
            version = TableVersion(
                fingerprint=fingerprint,
                rows=sum(file.rows for file in files),
                content_hash=content_hash(columns, files),
                columns=columns,
                partition_by=partition_by,
                files=tuple(files),
            )
            write_manifest(folder, version)
        return version

    @contextmanager
    def update(
        self,
        layer: Layer,
        table: str,
        *,
        partition_by: str,
        sort_by: Sequence[str] = (),
        keep_column: bool = True,
        unique: bool = False,
    ) -> "Iterator[DayUpdate]":
        """Make some days of a table anew, see `DayUpdate`; other writers of the table wait, readers see the old days.

        Rows of a day are sorted as `write` sorts them; by `sort_by` alone where the caller vouches that it is `unique`
        within a day. With `keep_column=False` the day cuts the table and is not one of its columns.
        """
        from data_checks.lake_days import DayUpdate
        from data_checks.lake_files import remove_strays

        folder = self._folder(layer, table)
        with locked(folder):
            remove_strays(folder, self._named(layer, table))
            yield DayUpdate(
                folder,
                f"{layer}/{table}",
                self.version(layer, table),
                partition_by=partition_by,
                sort_by=sort_by,
                keep_column=keep_column,
                unique=unique,
                memory_limit_gb=self.memory_limit_gb,
            )

    def version(self, layer: Layer, table: str) -> TableVersion | None:
        """The current version, or None for a table that was never written. Errors: LakeError for a broken manifest."""
        path = self._folder(layer, table) / MANIFEST
        if not path.exists():
            return None
        at = path.stat()
        return read_manifest(path, (at.st_mtime_ns, at.st_ino, at.st_size))

    def content_hash(self, layer: Layer, table: str) -> str:
        """The content hash of the current version; "never written" for a table that was not."""
        version = self.version(layer, table)
        return "never written" if version is None else version.content_hash

    def read(self, layer: Layer, table: str, con: Any, *, days: Collection[str] | None = None) -> "ibis.Table":
        """The table, or some of its days, as an Ibis table of connection `con`. Errors: LakeError if it was never written.

        A day that the table lacks adds no rows.
        """
        version = self._written(layer, table)
        paths = self._paths(layer, table, version, days)
        shown = paths or self._paths(layer, table, version, None)[:1]
        if con.name == "duckdb":
            # `day=` in a path is for people; DuckDB would make it a column.
            expression = con.read_parquet(shown, hive_partitioning=False)
        else:
            from data_checks.spark_tables import read_files

            expression = read_files(shown, con)
        return expression if paths else expression.limit(0)

    def arrow(
        self, layer: Layer, table: str, columns: Sequence[str] | None = None, *, days: Collection[str] | None = None
    ) -> "pa.Table":
        """The table, or some of its columns and days, in memory. Errors: LakeError if it was never written."""
        import pyarrow.dataset as ds

        version = self._written(layer, table)
        paths = self._paths(layer, table, version, days)
        wanted = list(columns) if columns is not None else None
        if not paths:
            anywhere = self._paths(layer, table, version, None)[:1]
            return ds.dataset(anywhere, format="parquet").to_table(columns=wanted).slice(0, 0)
        # Of small local files a buffer ahead of each costs more than it saves.
        options = ds.ParquetFragmentScanOptions(pre_buffer=False)
        files = ds.ParquetFileFormat(default_fragment_scan_options=options)
        return ds.dataset(paths, format=files).to_table(columns=wanted)

    def _written(self, layer: Layer, table: str) -> TableVersion:
        version = self.version(layer, table)
        if version is None:
            there = sorted(path.parent.name for path in (self.root / layer).glob(f"*/{MANIFEST}"))
            raise LakeError(f"{layer}/{table} was never written; {layer} has {', '.join(there) or 'no tables'}")
        return version

    def _paths(self, layer: Layer, table: str, version: TableVersion, days: Collection[str] | None) -> list[str]:
        folder = self._folder(layer, table)
        files = [file for file in version.files if file.path and (days is None or file.day in days)]
        return [str(folder / file.path) for file in files]

    def _named(self, layer: Layer, table: str) -> set[str]:
        """Paths of the files that readers may still use."""
        version = self.version(layer, table)
        return {file.path for file in version.files} if version else set()

    def _folder(self, layer: Layer, table: str) -> Path:
        if layer not in LAYERS:
            raise LakeError(f"layer {layer!r}: use one of {', '.join(LAYERS)}")
        if not table.replace("_", "").isalnum():
            raise LakeError(f"table name {table!r}: use letters, digits and _")
        return self.root / layer / table
