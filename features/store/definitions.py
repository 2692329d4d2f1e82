"""Entities and feature views of demand, built for the folder in which their Parquet files lie."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Bytes, Float64, Int64, String

from features.feature_spec import FeatureSpec
from features.layout import ATTRIBUTES_VIEW, ONLINE_VIEW, STATE_VIEW, Layout, source_file
from features.state_registry import STATE_FEATURES

# A forecast from a state older than this is no forecast.
STATE_TTL = timedelta(days=35)


def definitions(folder: Path, layout: Layout) -> list[Any]:
    """Entity `series`, and the views `sales_state`, `series_attributes` and `sales_online` over files in `folder`."""
    series = Entity(
        name="series",
        join_keys=["series_id"],
        value_type=ValueType.STRING,
        description="One product in one store, or whatever the keys of the source's sales are.",
    )
    documented = {spec.name: spec for spec in STATE_FEATURES}
    state = _view(
        series,
        folder,
        STATE_VIEW,
        [_state_field(name, documented.get(name)) for name in layout.state_names],
        ttl=STATE_TTL,
        online=False,
        description="State of a series at the end of a period, for training.",
    )
    attributes = _view(
        series,
        folder,
        ATTRIBUTES_VIEW,
        [Field(name=name, dtype=String) for name in ("store_id", "product_id", "category", "region")],
        ttl=timedelta(0),
        online=False,
        description="What does not change in the life of a series.",
    )
    online = _view(
        series,
        folder,
        ONLINE_VIEW,
        [
            Field(name="origin_day", dtype=Int64, description="Origin, days since 1970-01-01."),
            Field(name="fingerprint", dtype=String, description="Packing and layout that the vector was written with."),
            Field(name="digest", dtype=Bytes, description="Changes with anything in the row; see features.vector."),
            Field(
                name="vector",
                dtype=Bytes,
                description="State, then each covariate's `horizon` steps, in the order of the tag `layout`: "
                "float64, packed as features.vector says; NaN is unknown.",
            ),
        ],
        ttl=STATE_TTL,
        online=True,
        description="Everything a forecast of a series needs, in one vector.",
        tags=layout.tags(),
    )
    return [series, state, attributes, online]


def _state_field(name: str, spec: FeatureSpec | None) -> Field:
    if spec is None:  # a column that somebody publishes beside the documented features
        return Field(name=name, dtype=Float64)
    about = {"group": spec.group, "unit": spec.unit}
    return Field(name=name, dtype=Float64, description=f"{spec.meaning} [{spec.unit}]", tags=about)


def _view(
    entity: Entity,
    folder: Path,
    name: str,
    fields: list[Field],
    *,
    ttl: timedelta,
    online: bool,
    description: str,
    tags: dict[str, str] | None = None,
) -> FeatureView:
    source = FileSource(name=f"{name}_file", path=str(source_file(folder, name)), timestamp_field="event_timestamp")
    return FeatureView(
        name=name,
        entities=[entity],
        schema=[Field(name="series_id", dtype=String), *fields],
        source=source,
        ttl=ttl,
        online=online,
        description=description,
        tags=tags or {},
    )
