"""The training join: the state of every (series, origin) as Feast knew it then, one row an entity row, always."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from features.layout import ONLINE_VIEW, STATE_VIEW, Layout
from features.sales import PERIOD_DAYS


class JoinError(RuntimeError):
    """The join did not give one row per entity row."""


def read_layout(store: Any) -> Layout:
    """The layout that the repository was applied with."""
    return Layout.model_validate_json(store.get_feature_view(ONLINE_VIEW).tags["layout"])


def training_frame(
    store: Any,
    entities: pa.Table,
    *,
    features: Sequence[str] | None = None,
    chunk_rows: int = 50_000,
) -> pa.Table:
    """Join the state on to `entities` (series_id, origin), point in time, through Feast's offline store.

    Columns: series_id, origin (date32), then `features` (default: the whole state of the layout) as floats; rows
    sorted by series and origin. An entity without a value by then keeps its row, with nulls. `chunk_rows` bounds the
    memory of one join. Raises JoinError when entities repeat or the join loses or adds a row.
    """
    layout = read_layout(store)
    names = list(features if features is not None else layout.state_names)
    pairs = entities.select(["series_id", "origin"]).cast(
        pa.schema([("series_id", pa.string()), ("origin", pa.date32())])
    )
    if pairs.num_rows != pairs.group_by(["series_id", "origin"]).aggregate([]).num_rows:
        raise JoinError(f"{pairs.num_rows} entity rows repeat some (series_id, origin): give each pair once")
    pairs = pairs.sort_by([("series_id", "ascending"), ("origin", "ascending")])
    parts = [
        _join(store, pairs.slice(start, chunk_rows), names, PERIOD_DAYS[layout.frequency])
        for start in range(0, max(pairs.num_rows, 1), chunk_rows)
    ]
    joined = pa.concat_tables(parts)
    if joined.num_rows != pairs.num_rows:
        raise JoinError(
            f"{pairs.num_rows} entity rows went into the training join and {joined.num_rows} came out: the offline "
            "store dropped or repeated rows; use the duckdb store (the file store drops rows before the first value)"
        )
    return joined


def _join(store: Any, pairs: pa.Table, names: list[str], period_days: int) -> pa.Table:
    ended = pc.add(pairs["origin"].cast(pa.timestamp("us")), pa.scalar(period_days * 86_400_000_000, pa.duration("us")))
    frame = pa.table({"series_id": pairs["series_id"], "event_timestamp": ended}).to_pandas()
    found = store.get_historical_features(
        entity_df=frame, features=[f"{STATE_VIEW}:{name}" for name in names]
    ).to_arrow()
    origin = pc.subtract(
        found["event_timestamp"].cast(pa.timestamp("us")),
        pa.scalar(period_days * 86_400_000_000, pa.duration("us")),
    )
    columns = {"series_id": found["series_id"].cast(pa.string()), "origin": origin.cast(pa.date32())}
    columns |= {name: found[name].cast(pa.float64()) for name in names}
    return pa.table(columns).sort_by([("series_id", "ascending"), ("origin", "ascending")])
