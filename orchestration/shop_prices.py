"""What the twin's products cost in its unmanned shop, with the tax of their category."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from orchestration.workspace import Workspace
from serving.settlement.shop_events import Priced
from sources.twin.categories import CATEGORIES

if TYPE_CHECKING:
    from sources.twin.floor.floor import Floor
    from sources.twin.source import TwinSource

_FULL_TAX, _LOW_TAX = 1_900, 700  # hundredths of a percent
_FULLY_TAXED = frozenset({"household", "beverages", "hot_drinks"})  # categories


def priced(floor: "Floor", asked: Mapping[str, float]) -> tuple[Priced, ...]:
    """Every product of a floor at the price that is `asked` for it, else at its list price."""
    stocked = floor.studio.products
    products = zip(floor.studio.appearances.ids, stocked.list_price.tolist(), stocked.category.tolist(), strict=True)
    return tuple(
        Priced(
            product=name,
            cents=round(100 * asked.get(name, list_price)),
            tax=_FULL_TAX if CATEGORIES[category].name in _FULLY_TAXED else _LOW_TAX,
        )
        for name, list_price, category in products
    )


def asked_on(workspace: Workspace, day: date) -> dict[str, float]:
    """What the twin's first shop asks on a day, by product; what it does not sell then is left out."""
    source: TwinSource = workspace.source  # type: ignore[assignment]
    listed = source.read_parts("prices", [str(day)]).read_all().to_pylist()
    first = min((row["store_id"] for row in listed), default=None)
    return {row["product_id"]: row["price"] for row in listed if row["store_id"] == first}
