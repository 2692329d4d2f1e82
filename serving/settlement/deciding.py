"""What a person decided on a visit, as the till hears it: from the command and from the page alike."""

from datetime import datetime

from models.common.protocols import InputError
from serving.settlement.books import Books
from serving.settlement.shop_events import Decided


def decision(
    books: Books, shop: str, visit: str, product: str, count: int, *, by: str, reason: str, now: datetime
) -> Decided:
    """That a visit took `count` of a product. InputError for a visit that the till does not know, ValidationError for a value out
    of bounds."""
    if books.find(shop, f"visit:{visit}") is None:
        raise InputError(f"no visit {visit!r} in {shop!r}: `storeloop shop reviews` lists those that are open")
    return Decided(
        event_id=f"decided-{visit}-{product}-{now.timestamp():.6f}"[-120:],
        shop=shop,
        time=now,
        visit_id=visit,
        product=product,
        count=count,
        by=by,
        reason=reason,
    )
