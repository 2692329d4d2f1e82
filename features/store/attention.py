"""Feature views of attention in the shop, built for the folder in which their Parquet files lie."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, String

from features.attention_registry import KEYS, features_of
from features.layout import source_file

_TYPES = {"value": Float64, "text": String}


def attention_definitions(folder: Path, customer: Entity) -> list[Any]:
    """Entities `product` and `category`, and a view for each of `features.attention_registry.KEYS`."""
    about = {"product": "One product of the assortment.", "category": "One category of products."}
    keys = {"product": "product_id", "category": "category"}
    entities = [
        Entity(name=name, join_keys=[keys[name]], value_type=ValueType.STRING, description=said)
        for name, said in about.items()
    ]
    by_key = {entity.join_key: entity for entity in (customer, *entities)}
    views = [
        FeatureView(
            name=view,
            entities=[by_key[key] for key in keys_of],
            schema=[
                *(Field(name=key, dtype=String) for key in keys_of),
                *(
                    Field(
                        name=feature.name,
                        dtype=_TYPES[feature.kind],
                        description=f"{feature.meaning} [{feature.unit}]",
                        tags={"unit": feature.unit, "tables": "attention"},
                    )
                    for feature in features_of(view)
                ),
            ],
            source=FileSource(
                name=f"{view}_file", path=str(source_file(folder, view)), timestamp_field="event_timestamp"
            ),
            ttl=timedelta(0),  # what somebody looked at stays so
            online=True,
            description=f"Attention in the shop by {' and '.join(keys_of)}, as known at the end of a day.",
        )
        for view, keys_of in KEYS.items()
    ]
    return [*entities, *views]
