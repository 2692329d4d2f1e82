"""Two days of a shop of few visits, told and settled in a workspace, by hand. Not a test."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestration.workspace import Workspace
from serving.settlement.ledger_settings import LedgerSettings, open_ledger
from serving.settlement.shop_events import Decided, Entered, Heard, Left, Moved, Prices, ShopEvent
from serving.settlement.shop_settings import ShopSettings, open_processor, open_producer
from serving.settlement.transport import Message

SHOP = "s1"
NOON = datetime(2025, 11, 27, 12, tzinfo=UTC)
FIRST, SECOND = "2025-11-27", "2025-11-28"


def _head(name: str, hours: float) -> dict[str, Any]:
    return {"event_id": name, "shop": SHOP, "time": NOON + timedelta(hours=hours)}


def visit(name: str, hours: float, sure: float = 0.999, **taken: int) -> list[ShopEvent]:
    """Who takes packages by product and leaves; nothing waits at the gate."""
    moved = [
        Moved(**_head(f"{name}-{product}", hours), visit_id=name, deed="take", product=product, count=count,
              confidence=sure, shelf="G1")
        for product, count in taken.items()
    ]  # fmt: skip
    entered = Entered(**_head(f"{name}-in", hours), visit_id=name, account=f"a-{name}")
    return [entered, *moved, Left(**_head(f"{name}-out", hours), visit_id=name)]


def over(hours: float) -> Heard:
    return Heard(**_head(f"over-{hours}", hours), source="box")


def decided(name: str, product: str, count: int, hours: float) -> Decided:
    return Decided(
        **_head(f"{name}-said-{product}", hours), visit_id=name, product=product, count=count, by="ann", reason="seen"
    )


LIST = Prices(
    **_head("list", -1), currency="EUR",
    prices=tuple({"product": p, "cents": c, "tax": 700} for p, c in (("milk", 119), ("tea", 250), ("wine", 799))),
)  # fmt: skip
# Of the first day v1 owes 238 + 250, and its tea is given back the day after; v2 is asked about wine, which is then decided.
DAY_ONE = [LIST, *visit("v1", 0, milk=2, tea=1), *visit("v2", 1, sure=0.6, wine=1), *visit("v3", 2, milk=1), over(3)]
DAY_TWO = [*visit("v4", 24, tea=3), decided("v1", "tea", 0, 25), *visit("v5", 26, sure=0.6, milk=1), over(27)]
DECIDED = [decided("v2", "wine", 1, 28), over(29)]


def tell(workspace: Workspace, events: Iterable[ShopEvent]) -> None:
    """To the log, and through the till into the ledger and the logs of what came of it."""
    settings = ShopSettings()
    topic = settings.names().events
    messages = [Message(topic, SHOP, each.model_dump_json().encode()) for each in events]
    open_producer(settings, workspace.root).send(messages)
    processor = open_processor(settings, workspace.root, open_ledger(LedgerSettings(), workspace.root))
    while processor.step(0.0):
        pass
