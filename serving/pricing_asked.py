"""From a request to the items it asks about, with their ladders; who asks for what nobody knows is told what is known."""

from models.common.protocols import InputError
from models.pricing.fresh_ladder import FreshLadders
from models.pricing.ladder import ApprovedLadder
from serving.pricing_batches import Asked
from serving.pricing_champion import Champion
from serving.pricing_fresh import FreshItems, of_fresh_items, of_fresh_shelves
from serving.pricing_fresh_schemas import FreshRequest, RepriceFreshRequest, WhatIfFreshRequest
from serving.pricing_markets import of_items, of_shelves
from serving.pricing_schemas import MarketRequest, RepriceRequest, WhatIfRequest
from serving.replies import Refusal, named


def asked_of(champion: Champion, request: MarketRequest | WhatIfRequest | FreshRequest | WhatIfFreshRequest) -> Asked:
    """The items; Refusal 404 for a market or a good that is unknown."""
    if isinstance(request, MarketRequest):
        return of_items(_ladder(champion, request.market), request.items)
    if isinstance(request, WhatIfRequest):
        return of_items(_ladder(champion, request.market), [request.item])
    items = request.items if isinstance(request, FreshRequest) else [request.item]
    return _known(of_fresh_items(fresh_of(champion), items))


def store_of(champion: Champion, request: RepriceRequest | RepriceFreshRequest) -> list[Asked]:
    """The items of a store, market by market; Refusal 404 for a market or a good that is unknown."""
    if isinstance(request, RepriceFreshRequest):
        return [_known(of_fresh_shelves(fresh_of(champion), request.goods))]
    return [of_shelves(_ladder(champion, each.market), each) for each in request.markets]


def _ladder(champion: Champion, market: str) -> ApprovedLadder:
    ladder = champion.ladders.get(market)
    if ladder is None:
        known = (
            f"name one of {named(champion.ladders)}" if champion.ladders else "this champion prices fresh goods alone"
        )
        raise Refusal(404, f"unknown market {market!r}: {known}, as `/model` lists")
    return ladder


def fresh_of(champion: Champion) -> FreshLadders:
    """The ladders of fresh goods; Refusal 404 where there are none."""
    if champion.fresh is None:
        raise Refusal(
            404, f"this champion prices no fresh goods: ask for one of its markets, {named(champion.ladders)}"
        )
    return champion.fresh


def _known(asked: FreshItems) -> FreshItems:
    try:
        _ = asked.number
    except InputError as error:
        raise Refusal(404, f"{error}, as `/goods` lists") from error
    return asked
