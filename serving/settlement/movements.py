"""What a bill or its correction moves in the stock: packages off the shelves or back to them, and their value to the cent."""

from collections import Counter

from pydantic import BaseModel, ConfigDict, Field

from serving.settlement.billing import Bill


class Movement(BaseModel):
    """Packages of one product at one list price. `value_cents` is what is paid for them, negative where it is given back:
    `-packages * list_cents - discount_cents`. Where only offers changed, no package moves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product: str
    packages: int = Field(description="below 0: left the shelf")
    list_cents: int = Field(description="of one package")
    discount_cents: int = Field(description="taken off by promotions and coupons")
    value_cents: int


def movements(before: Bill | None, after: Bill) -> list[Movement]:
    """What changed from one bill to the next, by product and list price; the values add up to what is due."""
    counts, cents = Counter[tuple[str, int]](), Counter[tuple[str, int]]()
    for sign, each in ((-1, before), (1, after)):
        for line in each.lines if each is not None else ():
            counts[line.product, line.list_cents] += sign * line.count
            cents[line.product, line.list_cents] += sign * line.cents
    return [
        Movement(
            product=product,
            packages=-count,
            list_cents=price,
            discount_cents=count * price - cents[product, price],
            value_cents=cents[product, price],
        )
        for (product, price), count in sorted(counts.items())
        if count or cents[product, price]
    ]
