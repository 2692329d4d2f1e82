"""What Feast's offline store of this project gives back: rows of a DuckDB query, whole, in batches, or as a file."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from feast.data_format import ParquetFormat
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata

from data_checks.durable import locked, replace_file

Query = Callable[[duckdb.DuckDBPyConnection], pa.RecordBatchReader]


class OfflineStoreError(ValueError):
    """Feast asked for something that this store does not do; the message says what to use instead."""


def local_path(config: Any, source: Any) -> str:
    """File, folder or glob of a source; relative to the repository's folder."""
    if not isinstance(source, FileSource) or not isinstance(source.file_format, ParquetFormat | None):
        raise OfflineStoreError(f"source {source.name!r} is no FileSource of Parquet: this store reads nothing else")
    if "://" in source.path:
        raise OfflineStoreError(f"source {source.name!r} lies at {source.path}: this store reads local files only")
    return str(FileSource.get_uri_for_file_path(config.repo_path, source.path))


class AsofRetrievalJob(RetrievalJob):  # type: ignore[misc]  # Feast is untyped
    """Rows of `query`, beside the entity rows where there are any. Nothing runs before the rows are asked for."""

    def __init__(
        self,
        config: Any,
        query: Query,
        *,
        entities: pa.Table | None = None,
        on_demand: Sequence[Any] = (),
        full_feature_names: bool = False,
        metadata: RetrievalMetadata | None = None,
    ) -> None:
        super().__init__()
        self._config = config
        self._query = query
        self._entities = entities
        self._on_demand = list(on_demand)
        self._full_feature_names = full_feature_names
        self._metadata = metadata

    @property
    def full_feature_names(self) -> bool:
        """See RetrievalJob."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[Any]:
        """See RetrievalJob."""
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """See RetrievalJob."""
        return self._metadata

    def batches(self) -> pa.RecordBatchReader:
        """What to_arrow gives, piece by piece: DuckDB spills beyond its memory limit, and no more is held than that.

        On-demand views are computed on whole tables, so with them the rows are held at once.
        """
        if self._on_demand:
            return self.to_arrow().to_reader()
        con = self._config.offline_store.connect()
        try:
            found = self._query(con)
        except BaseException:
            con.close()
            raise
        fields = [*(self._entities.schema if self._entities is not None else ()), *found.schema]
        schema = pa.schema(fields)
        return pa.RecordBatchReader.from_batches(schema, self._beside(con, found, schema))

    def persist(self, storage: Any, allow_overwrite: bool = False, timeout: int | None = None) -> None:  # noqa: ARG002 - Feast's
        """Write the rows to one Parquet file, whole or not at all. Raises when it is there and may not be replaced."""
        path = local_path(self._config, storage.to_data_source())
        target = Path(path)
        with locked(target.parent):
            if target.exists() and not allow_overwrite:
                raise SavedDatasetLocationAlreadyExists(location=path)
            rows = self.batches()

            def write(draft: Path) -> None:
                with pq.ParquetWriter(draft, rows.schema, compression="zstd") as writer:
                    for batch in rows:
                        writer.write_batch(batch)

            replace_file(target, write)

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:  # noqa: ARG002 - Feast's
        con = self._config.offline_store.connect()
        try:
            found = self._query(con).read_all()
        finally:
            con.close()
        if self._entities is None:
            return found
        columns = [*self._entities.columns, *found.columns]
        return pa.table(columns, schema=pa.schema([*self._entities.schema, *found.schema]))

    def _beside(
        self, con: duckdb.DuckDBPyConnection, found: pa.RecordBatchReader, schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        done = 0
        try:
            for batch in found:
                columns = batch.columns
                if self._entities is not None:
                    given = self._entities.slice(done, batch.num_rows).combine_chunks()
                    columns = [*(column.chunk(0) for column in given.columns), *columns]
                done += batch.num_rows
                yield pa.RecordBatch.from_arrays(columns, schema=schema)
        finally:
            con.close()
