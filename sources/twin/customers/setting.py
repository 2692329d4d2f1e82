"""Where an online shop stands: its items, regions, days and the stores its customers also visit."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from sources.twin.arrays import Floats, Ints
from sources.twin.catalogue import Products, build_catalogue, day_number
from sources.twin.keyed_random import KeyedRandom

if TYPE_CHECKING:
    from sources.twin.catalogue import Catalogue
    from sources.twin.params import TwinParams


@dataclass(frozen=True)
class Items:
    """What the online shop sells, columns (M,): category and brand by number, days since 1970."""

    ids: list[str]
    category: Ints
    brand: Ints
    list_price: Floats
    launched: Ints
    ended: Ints

    @classmethod
    def of(cls, products: Products) -> "Items":
        """The products of a catalogue as items."""
        return cls(
            products.ids, products.category, products.brand, products.list_price, products.launched, products.ended
        )

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Setting:
    """What a shop finds around it. `store_region` (S,) holds the region of each store, empty without stores.

    `customers_per_store` is the number of customers whom each store's tills know: online customers with a home store are
    among them, and bear the same id.
    """

    items: Items
    categories: int
    regions: int
    start: int
    store_ids: list[str]
    store_region: Ints
    customers_per_store: int

    @classmethod
    def of_world(cls, params: "TwinParams", catalogue: "Catalogue") -> "Setting":
        """The setting in a world of stores: its products, its tills' customers."""
        return cls(
            items=Items.of(catalogue.products),
            categories=params.categories,
            regions=params.regions,
            start=day_number(params.start),
            store_ids=catalogue.stores.ids,
            store_region=catalogue.stores.region,
            customers_per_store=params.transactions.customers_per_store,
        )

    @classmethod
    def alone(
        cls,
        seed: int,
        *,
        items: int = 1_000,
        days: int = 90,
        start: date = date(2024, 1, 1),
        categories: int = 8,
        regions: int = 3,
        launched_share: float = 0.12,
    ) -> "Setting":
        """A setting without stores; `launched_share` of the items appear between a tenth and 0.6 of the `days`."""
        from sources.twin.params import AssortmentParams, TwinParams

        assortment = AssortmentParams(window_days=max(days, 60), launched_share=launched_share, ended_share=0.0)
        params = TwinParams(
            stores=1, products=items, categories=categories, regions=regions, start=start, assortment=assortment
        )
        catalogue = build_catalogue(params, KeyedRandom(seed))
        none = catalogue.stores.region[:0]
        return cls(Items.of(catalogue.products), categories, regions, day_number(start), [], none, 0)
