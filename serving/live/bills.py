"""Bills as the page shows them, read from receipts."""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from serving.settlement.billing import Bill
from serving.settlement.receipts import Receipt

KINDS = ("bill", "correction")


class Billed(BaseModel):
    """What an entry of the ledger says of a visit's bill, and its number there."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int
    kind: Literal["bill", "correction"]
    shop: str
    visit: str
    version: int
    left: str | None
    bill: Bill
    due_cents: int
    asked: tuple[str, ...]

    @classmethod
    def of(cls, receipt: Receipt) -> "Billed | None":
        """None for an entry of another kind; ValidationError for one that says nothing of a bill."""
        entry = receipt.entry
        if entry.kind not in KINDS:
            return None
        return cls.model_validate({**entry.body, "kind": entry.kind, "number": receipt.number})


def shown(billed: Billed, name_of: Callable[[str], str], *, verified: bool, latency_ms: float | None) -> dict[str, Any]:
    """A bill with the names of its products, whether its receipt proves itself, and how long it took."""
    bill = billed.bill
    return {
        "number": billed.number,
        "kind": billed.kind,
        "visit": billed.visit,
        "version": billed.version,
        "left": billed.left,
        "currency": bill.currency,
        "lines": [{**line.model_dump(), "name": name_of(line.product)} for line in bill.lines],
        "total_cents": bill.total_cents,
        "due_cents": billed.due_cents,
        "tax_cents": bill.tax_cents,
        "coupons": bill.coupons,
        "asked": [name_of(product) for product in billed.asked],
        "verified": verified,
        "latency_ms": latency_ms,
    }
