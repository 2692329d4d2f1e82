"""What is true of a world and never in its tables: parameters, planted effects, expected demand, where the dirt is."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sources.twin.catalogue import Catalogue
from sources.twin.categories import CATEGORIES
from sources.twin.demand import heat_elasticities
from sources.twin.params import TwinParams

EXPECTED_SCHEMA = pa.schema(
    [
        ("store_id", pa.string()),
        ("product_id", pa.string()),
        ("date", pa.date32()),
        ("expected_units", pa.float64()),
        ("demanded_units", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Truth:
    """Truth about a world up to the day it has reached.

    `expected_demand`: store_id, product_id, date, expected_units (mean of the demand's distribution under the prices,
    promotions, weather and heat that came), demanded_units (what was drawn; sales are no more than that).
    `dirt`: table, kind, transaction_id, line_no, copy (1 = the injected copy), column, original_value.
    `effects`: planted parameters by "product", "store", "category" and "series".
    """

    params: TwinParams
    seed: int
    effects: dict[str, pa.Table]
    expected_demand: pa.Table
    dirt: pa.Table


def planted_effects(params: TwinParams, catalogue: Catalogue) -> dict[str, pa.Table]:
    """Planted parameters of products, stores, categories and carried series."""
    products, stores = catalogue.products, catalogue.stores
    kinds = CATEGORIES[: params.categories]
    weather = params.demand.weather_strength
    s, p = np.nonzero(catalogue.carried)
    return {
        "product": pa.table(
            {
                "product_id": pa.array(products.ids, pa.string()),
                "level_units": pa.array(products.level),
                "intermittent": pa.array(products.intermittent),
                "elasticity": pa.array(products.elasticity),
                "promotion_uplift": pa.array(products.promotion_uplift),
                "dispersion": pa.array(products.dispersion),
                "trend_per_year": pa.array(products.trend_per_year),
                "yearly_amplitude": pa.array(products.yearly_amplitude),
                "yearly_peak_day": pa.array(products.yearly_peak_day),
            }
        ),
        "store": pa.table({"store_id": pa.array(stores.ids, pa.string()), "level": pa.array(stores.level)}),
        "category": pa.table(
            {
                "category": pa.array([c.name for c in kinds], pa.string()),
                "warmth_per_10_c": pa.array([c.warmth * weather for c in kinds], pa.float64()),
                "rain_per_10_mm": pa.array([c.rain * weather for c in kinds], pa.float64()),
                "heat_elasticity": pa.array(heat_elasticities(params)),
            }
        ),
        "series": pa.table(
            {
                "store_id": pa.array(stores.ids, pa.string()).take(pa.array(s)),
                "product_id": pa.array(products.ids, pa.string()).take(pa.array(p)),
                "base_units": pa.array(catalogue.base[s, p]),
            }
        ),
    }
