"""Entity and feature views of customers, built for the folder in which their Parquet files lie."""

import json
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import Any

from feast import Entity, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Array, Bytes, Float64, Int64, String

from features.customer_layout import ENTITY_KEY, ONLINE_VIEW, PUSH_SOURCE, RECENT_VIEW, STATE_VIEW
from features.customer_registry import CUSTOMER_FEATURES
from features.layout import source_file

_TYPES = {"value": Float64, "text": String, "list": Array(String)}


def customer_definitions(folder: Path, provided: Collection[str]) -> list[Any]:
    """Entity `customer`, and the views `customer_state`, `customers_online` and, pushed to, `customers_recent`.

    `provided` are the clean tables that the source has; readers learn from the tag `tables` which features exist.
    """
    customer = Entity(
        name="customer",
        join_keys=[ENTITY_KEY],
        value_type=ValueType.STRING,
        description="One customer, as the records of the shop, its tills and the online shop name them.",
    )
    tags = {"tables": json.dumps(sorted(provided))}
    state = _view(
        customer,
        STATE_VIEW,
        _file(folder, STATE_VIEW),
        [
            Field(
                name=feature.name,
                dtype=_TYPES[feature.kind],
                description=f"{feature.meaning} [{feature.unit}]",
                tags={"unit": feature.unit, "tables": ", ".join(feature.tables)},
            )
            for feature in CUSTOMER_FEATURES
        ],
        online=False,
        description="State of a customer just before a moment, for training.",
        tags=tags,
    )
    online = _view(
        customer,
        ONLINE_VIEW,
        _file(folder, ONLINE_VIEW),
        [
            Field(name="known_until_us", dtype=Int64, description="Moment before which the batch knew all, in us."),
            Field(name="digest", dtype=Bytes, description="Changes with `facts`."),
            Field(name="facts", dtype=Bytes, description="What the batch knew; see features.customer_record.Record."),
        ],
        online=True,
        description="What the batch knows of a customer.",
        tags=tags,
    )
    recent = _view(
        customer,
        RECENT_VIEW,
        PushSource(name=PUSH_SOURCE, batch_source=_file(folder, RECENT_VIEW)),
        [
            Field(
                name="recents", dtype=Bytes, description="Events since the batch; see features.customer_record.Recent."
            )
        ],
        online=True,
        description="What a customer did since the batch; FeastCustomers pushes here and folds it in when it reads.",
        tags={},
    )
    return [customer, state, online, recent]


def _file(folder: Path, view: str) -> FileSource:
    return FileSource(name=f"{view}_file", path=str(source_file(folder, view)), timestamp_field="event_timestamp")


def _view(
    entity: Entity, name: str, source: Any, fields: list[Field], *, online: bool, description: str, tags: dict[str, str]
) -> FeatureView:
    return FeatureView(
        name=name,
        entities=[entity],
        schema=[Field(name=ENTITY_KEY, dtype=String), *fields],
        source=source,
        ttl=timedelta(0),  # a customer who stays away is still known
        online=online,
        description=description,
        tags=tags,
    )
