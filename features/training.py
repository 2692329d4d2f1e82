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


def training_frame(store: Any, entities: pa.Table, *, features: Sequence[str] | None = None) -> pa.Table:
    """Join the state on to `entities` (series_id, origin), point in time, through Feast's offline store.

    Columns: series_id, origin (date32), then `features` (default: the whole state of the layout) as floats; rows
    sorted by series and origin. An entity without a value by then keeps its row, with nulls. Raises JoinError when
    entities repeat, or the join loses, adds or moves a row.
    """
    layout = read_layout(store)
    names = list(features if features is not None else layout.state_names)
    pairs = entities.select(["series_id", "origin"]).cast(
        pa.schema([("series_id", pa.string()), ("origin", pa.date32())])
    )
    if pairs.num_rows != pairs.group_by(["series_id", "origin"]).aggregate([]).num_rows:
        raise JoinError(f"{pairs.num_rows} entity rows repeat some (series_id, origin): give each pair once")
    pairs = pairs.sort_by([("series_id", "ascending"), ("origin", "ascending")])
    period = pa.scalar(PERIOD_DAYS[layout.frequency] * 86_400_000_000, pa.duration("us"))
    known = pairs.append_column("event_timestamp", pc.add(pairs["origin"].cast(pa.timestamp("us")), period))
    # An Arrow table goes to our offline store as it is; Feast copies a pandas frame more than once.
    joined = store.get_historical_features(
        entity_df=known, features=[f"{STATE_VIEW}:{name}" for name in names]
    ).to_arrow()
    if joined.num_rows != pairs.num_rows:
        raise JoinError(
            f"{pairs.num_rows} entity rows went into the training join and {joined.num_rows} came out: the offline "
            "store dropped or repeated rows; use features.offline_store (Feast's file store drops rows before the first "
            "value)"
        )
    if not joined.select(pairs.column_names).equals(pairs):
        raise JoinError("the training join gave the entity rows back in another order: use features.offline_store")
    columns = {name: joined[name] for name in pairs.column_names}
    columns |= {name: joined[name].cast(pa.float64()) for name in names}
    return pa.table(columns)
