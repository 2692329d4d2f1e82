"""A shop's log in few words, and a till that may be killed after any event. Not a test."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from serving.settlement.shop_events import Decided, Entered, Heard, Left, Moved, Passed, Prices, ShopEvent, Tag
from serving.settlement.till import ENTRIES, REVIEWS, Documents, Output, Till, TillConfig

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
SHOP = "s1"


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def _head(name: str, second: float) -> dict[str, Any]:
    return {"event_id": name, "shop": SHOP, "time": at(second)}


def entered(visit: str = "v", second: float = 0, account: str = "ann") -> Entered:
    return Entered(**_head(f"{visit}-in", second), visit_id=visit, account=account)


def moved(
    deed: str, product: str, second: float, count: int = 1, sure: float = 0.999, visit: str = "v", name: str = ""
) -> Moved:
    return Moved(
        **_head(name or f"{visit}-{deed}-{product}-{second}", second),
        visit_id=visit, deed=deed, product=product, count=count, confidence=sure, shelf="g1",
    )  # fmt: skip


def passed(*products: str, second: float = 59, visit: str = "v") -> Passed:
    tags = [Tag(epc=f"{visit}-{number}", product=product) for number, product in enumerate(products)]
    return Passed(**_head(f"{visit}-gate", second), visit_id=visit, tags=tags)


def left(visit: str = "v", second: float = 60) -> Left:
    return Left(**_head(f"{visit}-out", second), visit_id=visit)


def decided(product: str, count: int, second: float, visit: str = "v") -> Decided:
    return Decided(
        **_head(f"{visit}-said-{product}-{second}", second),
        visit_id=visit, product=product, count=count, by="steward", reason="looked at the film",
    )  # fmt: skip


def heard(source: str, second: float) -> Heard:
    return Heard(**_head(f"{source}-{second}", second), source=source)


def prices(second: float = -3_600, name: str = "list", **cents: int) -> Prices:
    told = [{"product": product, "cents": each, "tax": 700} for product, each in cents.items()]
    return Prices(**_head(name, second), currency="EUR", prices=told)


LIST = prices(milk=119, tea=250, wine=799)


class Kept:
    """What a till wrote down, and what it brought about; `begin` makes a till that knows no more than that."""

    def __init__(self, config: TillConfig | None = None) -> None:
        self.texts: dict[str, str] = {}
        self.outputs: list[Output] = []
        self._config = config

    def begin(self) -> Till:
        start = {key: text for key, text in self.texts.items() if not key.startswith("visit:")}
        return Till(SHOP, self._config, Documents(start, self.texts.get))

    def run(self, events: Iterable[ShopEvent], *, killed: bool = False) -> "Kept":
        """All events through one till, or each through one that has just begun."""
        till = self.begin()
        for event in events:
            till = self.begin() if killed else till
            self.outputs += till.apply(event)
            for key, text in till.documents.taken().items():
                if text is None:
                    self.texts.pop(key, None)
                else:
                    self.texts[key] = text
        return self

    def entries(self) -> list[dict[str, Any]]:
        return [dict(each.body) for each in self.outputs if each.to == ENTRIES]

    def reviews(self) -> dict[str, Any]:
        """The last that was told of each product in review, those that are open."""
        last = {each.body["product"]: each.body for each in self.outputs if each.to == REVIEWS}
        return {product: body for product, body in last.items() if body["open"]}
