# ruff: noqa: S608 - names pass through quoted(), paths through scan(), numbers are integers: nothing of a file becomes SQL
"""Feast's offline store of this project: DuckDB's ASOF JOIN over Parquet, one output row per entity row, always.

`type: features.offline_store.AsofOfflineStore` in `feature_store.yaml` selects it. Entity rows come as a pandas frame, as
an Arrow table (which spares the copies) or as a DuckDB query.
"""

import tempfile
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast.errors import EntityTimestampInferenceException
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from pydantic import BaseModel, ConfigDict, Field

from data_checks.durable import locked, replace_file
from features.point_in_time import (
    EPOCH,
    View,
    between,
    check_entities,
    columns_of,
    join,
    latest_first,
    microseconds,
    quoted,
    scan,
    time_range,
)
from features.retrieval_job import AsofRetrievalJob, OfflineStoreError, local_path

EVENT_TIMESTAMP = "event_timestamp"
_MICROSECOND = timedelta(microseconds=1)


class AsofOfflineStoreConfig(BaseModel):
    """`offline_store` of `feature_store.yaml`. Each join has a database of its own, with these bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["features.offline_store.AsofOfflineStore"] = "features.offline_store.AsofOfflineStore"
    memory_limit_gb: float = Field(
        default=3.0, ge=0.125, le=4096, description="GiB that DuckDB may take, then it spills."
    )
    threads: int = Field(default=2, ge=1, le=256)
    temp_directory: Path | None = Field(default=None, description="Where it spills to; default: the system's folder.")

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A database in memory; it spills into a folder of its own, which goes with it."""
        folder = (self.temp_directory or Path(tempfile.gettempdir())) / f"storeloop-join-{uuid.uuid4().hex}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        con = duckdb.connect(
            config={
                "memory_limit": f"{round(self.memory_limit_gb * 1024)}MiB",
                "threads": self.threads,
                "temp_directory": str(folder),
            }
        )
        con.execute("SET TimeZone = 'UTC'")
        return con


class AsofOfflineStore(OfflineStore):  # type: ignore[misc]  # Feast is untyped
    """Point-in-time joins and pulls over local Parquet files; `features.point_in_time` says which value counts when."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: Any,
        feature_views: list[Any],
        feature_refs: list[str],
        entity_df: pd.DataFrame | pa.Table | str | None,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **window: datetime,
    ) -> AsofRetrievalJob:
        """See OfflineStore. The entity rows come back as they are, in their order, with the features behind them."""
        if entity_df is None or window:
            raise OfflineStoreError(
                "this store joins on to entity rows: pass entity_df instead of start_date, end_date"
            )
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        if substrait := [view.name for view in on_demand if view.mode == "substrait"]:
            raise OfflineStoreError(f"on-demand views {substrait} have mode substrait: use mode python or pandas")
        with config.offline_store.connect() as con:
            entities = _entity_table(con, entity_df)
            event_time = _event_time_column(entities)
            views = [_view(config, view, feature_refs, full_feature_names) for view in feature_views]
            check_entities(entities, event_time, views)
            low, high = time_range(con, entities, event_time)

        def query(con: duckdb.DuckDBPyConnection) -> pa.RecordBatchReader:
            return join(con, entities, event_time, views, created_by_then=filter_by_created_timestamp)

        return AsofRetrievalJob(
            config,
            query,
            entities=entities,
            on_demand=on_demand,
            full_feature_names=full_feature_names,
            metadata=RetrievalMetadata(
                features=feature_refs,
                keys=[column for column in entities.column_names if column != event_time],
                min_event_timestamp=None if low is None else EPOCH + low * _MICROSECOND,
                max_event_timestamp=None if high is None else EPOCH + high * _MICROSECOND,
            ),
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: Any,
        data_source: Any,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> AsofRetrievalJob:
        """See OfflineStore. One row per key, the newest in [start_date, end_date]; ties as in the join."""
        return _pull(
            config,
            data_source,
            keys=join_key_columns,
            features=feature_name_columns,
            event_time=timestamp_field,
            created=created_timestamp_column or None,
            window=(start_date, end_date),
            newest_only=True,
        )

    @staticmethod
    def pull_all_from_table_or_query(
        config: Any,
        data_source: Any,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> AsofRetrievalJob:
        """See OfflineStore. Every row in [start_date, end_date]; None leaves an end open."""
        return _pull(
            config,
            data_source,
            keys=join_key_columns,
            features=feature_name_columns,
            event_time=timestamp_field,
            created=created_timestamp_column or None,
            window=(start_date, end_date),
            newest_only=False,
        )

    @staticmethod
    def offline_write_batch(
        config: Any, feature_view: Any, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        """Add the rows of `table` behind those of the view's file, which is replaced whole; they win ties from then on.

        `table` has the file's columns, under their names there or in the view. A view over several files is refused.
        """
        source = feature_view.batch_source
        path = Path(local_path(config, source))
        in_files = {new: old for old, new in source.field_mapping.items()}
        rows = table.rename_columns([in_files.get(name, name) for name in table.column_names])
        with locked(path.parent):
            if not path.is_file():
                raise OfflineStoreError(
                    f"view {feature_view.name} reads {path}, no single file: write your rows beside it"
                )
            schema = pq.read_schema(path)
            if sorted(rows.column_names) != sorted(schema.names):
                raise OfflineStoreError(
                    f"{path} has columns {schema.names}, the rows have {rows.column_names}: give all"
                )
            with config.offline_store.connect() as con:
                con.register("added", rows.select(schema.names).cast(schema))
                both = con.sql(f"SELECT * FROM {scan(str(path))} UNION ALL SELECT * FROM added")
                replace_file(path, lambda draft: both.write_parquet(str(draft), compression="zstd"))
        if progress is not None:
            progress(table.num_rows)


def _pull(
    config: Any,
    source: Any,
    *,
    keys: Sequence[str],
    features: Sequence[str],
    event_time: str,
    created: str | None,
    window: tuple[datetime | None, datetime | None],
    newest_only: bool,
) -> AsofRetrievalJob:
    files = local_path(config, source)
    columns = list(dict.fromkeys([*keys, *features, event_time, *([created] if created else [])]))
    low, high = (None if bound is None else _since_epoch(bound) for bound in window)

    def query(con: duckdb.DuckDBPyConnection) -> pa.RecordBatchReader:
        kinds = columns_of(con, files, wanted=columns, name=f"source {source.name}")
        selected = [f"s.{quoted(column)}" for column in columns]
        if not keys:  # what Feast keys the rows of a view without entities by
            selected.append(f"'{DUMMY_ENTITY_VAL}' AS {quoted(DUMMY_ENTITY_ID)}")
        time = f"s.{quoted(event_time)}"
        inside = between(time, kinds[event_time], low, high)
        newest = ""
        if newest_only:
            partition = f"PARTITION BY {', '.join(f's.{quoted(key)}' for key in keys)} " if keys else ""
            order = latest_first(microseconds(time, kinds[event_time]), f"s.{quoted(created)}" if created else None)
            newest = f"QUALIFY row_number() OVER ({partition}ORDER BY {order}) = 1"
        return con.sql(
            f"SELECT {', '.join(selected)} FROM {scan(files)} AS s WHERE {inside} {newest}"
        ).to_arrow_reader()

    return AsofRetrievalJob(config, query)


def _view(config: Any, view: Any, feature_refs: Sequence[str], full_feature_names: bool) -> View:
    """Feast's view, with the columns of its files under the names that they have there."""
    source = view.batch_source
    if source is None:
        raise OfflineStoreError(f"view {view.name} has no batch source: there is nothing to join")
    in_files = {new: old for old, new in source.field_mapping.items()}
    prefix = f"{view.projection.name_to_use()}:"
    features = dict.fromkeys(ref.split(":")[1] for ref in feature_refs if ref.startswith(prefix))
    named = f"{view.projection.name_alias or view.name}__" if full_feature_names else ""
    keys = [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]
    created = source.created_timestamp_column
    return View(
        name=view.name,
        files=local_path(config, source),
        keys={in_files.get(key, key): view.projection.join_key_map.get(key, key) for key in keys},
        features={in_files.get(name, name): f"{named}{name}" for name in features},
        event_time=in_files.get(source.timestamp_field, source.timestamp_field),
        created=in_files.get(created, created) or None,
        ttl=view.ttl or None,
    )


def _entity_table(con: duckdb.DuckDBPyConnection, given: pd.DataFrame | pa.Table | str) -> pa.Table:
    if isinstance(given, str):
        return con.sql(given).to_arrow_table()
    return given if isinstance(given, pa.Table) else pa.Table.from_pandas(given, preserve_index=False)


def _event_time_column(entities: pa.Table) -> str:
    """`event_timestamp`, else the only column of timestamps."""
    times = [field.name for field in entities.schema if pa.types.is_timestamp(field.type)]
    if EVENT_TIMESTAMP in entities.column_names:
        return EVENT_TIMESTAMP
    if len(times) != 1:
        raise EntityTimestampInferenceException(EVENT_TIMESTAMP)
    return str(times[0])


def _since_epoch(moment: datetime) -> int:
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) // _MICROSECOND
