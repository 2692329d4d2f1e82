"""Matching returns to the sales they cancel, set-wise: joins and windows, no loop over rows."""

from typing import Any, Final, Literal

import ibis

from features.cleaning import ROW

ReturnMatching = Literal["original_line", "customer_product"]

# One round settles every return whose favourite sale is uncontested; each further one settles those it turned away.
# (rounds for sales of the return's own day, then rounds for those of earlier days)
_ROUNDS: Final[dict[str, tuple[int, int]]] = {"original_line": (2, 2), "customer_product": (2, 4)}


def match_returns(lines: ibis.Table, matching: ReturnMatching) -> ibis.Table:
    """One row per return that could be booked whole against one earlier sale.

    Columns: `return_key`, `sale_key`, `units`, `sold_on` (day of the sale), `returned_on`, and the transactions of both,
    `return_receipt` and `sale_receipt`. `lines` are tagged
    transaction lines; only those of class `row` take part, at the same product. A return that carries its original line
    is matched to that line. With `customer_product` a return without one is matched to a sale of the same customer and
    store: of the same day first, then of equal price, then the latest, with enough units left. Where returns compete
    for a sale, earlier ones go first; a sale never gives back more than it sold, and a return that no sale can take
    whole stays unmatched. Same-day matches come from the lines of that day alone: no line of a later day changes them.
    """
    pairs = _pairs(lines, matching)
    pairs = pairs.mutate(
        sold_on=pairs.sale_at.date(),
        returned_on=pairs.return_at.date(),
        choices=pairs.count().over(ibis.window(group_by="return_key")),
        claims=pairs.count().over(ibis.window(group_by="sale_key")),
    )
    # Most returns have one sale to go to, and that sale no other return: they need no rounds.
    alone = (pairs.choices == 1) & (pairs.claims == 1)
    rivals = pairs.filter(~alone).mutate(accepted=ibis.literal(False))
    for same_day, rounds in zip((True, False), _ROUNDS[matching], strict=True):
        for _ in range(rounds):
            rivals = _settle(rivals, same_day=same_day)
    settled = [pairs.filter(alone), rivals.filter(rivals.accepted)]
    columns = ("return_key", "sale_key", "units", "sold_on", "returned_on", "return_receipt", "sale_receipt")
    return ibis.union(*(some.select(columns) for some in settled))


def _pairs(lines: ibis.Table, matching: ReturnMatching) -> ibis.Table:
    """Every (return, sale that could take it whole if it were alone)."""
    usable = lines.filter(lines["_class"] == ROW, lines.units > 0, lines.sold_at.notnull())
    sales = usable.filter(usable.kind == "sale").select(
        sale_key="_row_key",
        sale_at="sold_at",
        sale_units="units",
        sale_price="unit_price",
        sale_transaction="transaction_id",
        sale_line="line_no",
        sale_customer="customer_id",
        sale_product="product_id",
        sale_store="store_id",
    )
    returns = usable.filter(usable.kind == "return").select(
        "product_id",
        "customer_id",
        "store_id",
        "original_transaction_id",
        "original_line_no",
        "unit_price",
        return_key="_row_key",
        return_receipt="transaction_id",
        return_at="sold_at",
        units="units",
    )
    traced = returns.filter(returns.original_transaction_id.notnull(), returns.original_line_no.notnull())
    pairs = _fitting(
        traced,
        sales,
        [
            traced.original_transaction_id == sales.sale_transaction,
            traced.original_line_no == sales.sale_line,
            traced.product_id == sales.sale_product,
        ],
    )
    if matching == "original_line":
        return pairs
    untraced = returns.filter(returns.original_transaction_id.isnull() | returns.original_line_no.isnull())
    bought = [
        untraced.customer_id == sales.sale_customer,
        untraced.product_id == sales.sale_product,
        untraced.store_id == sales.sale_store,
    ]
    return pairs.union(_fitting(untraced, sales, bought))


def _fitting(returns: ibis.Table, sales: ibis.Table, same: list[Any]) -> ibis.Table:
    pairs = returns.inner_join(sales, same)
    pairs = pairs.filter(pairs.sale_at <= pairs.return_at, pairs.sale_units >= pairs.units)
    return pairs.select(
        "return_key",
        "return_receipt",
        "return_at",
        "units",
        "sale_key",
        "sale_at",
        "sale_units",
        sale_receipt="sale_transaction",
        other_price=(pairs.unit_price != pairs.sale_price).fill_null(True),
    )


def _settle(pairs: ibis.Table, *, same_day: bool) -> ibis.Table:
    """Accepts more pairs: windows over one table, no joins, so that rounds add up and do not multiply on any engine."""
    returns = ibis.window(group_by="return_key")
    sales = ibis.window(group_by="sale_key")
    of_turn = (pairs.returned_on == pairs.sold_on) == same_day
    given = pairs.accepted.ifelse(pairs.units, 0)
    pairs = pairs.mutate(
        waiting=~pairs.accepted.any().over(returns), left_units=pairs.sale_units - given.sum().over(sales)
    )
    pairs = pairs.mutate(possible=pairs.waiting & (pairs.left_units >= pairs.units) & of_turn)
    favourite = ibis.window(
        group_by="return_key",
        order_by=[pairs.possible.desc(), pairs.other_price, pairs.sale_at.desc(), pairs.sale_key],
    )
    pairs = pairs.mutate(chosen=pairs.possible & (ibis.row_number().over(favourite) == 0))
    queue = ibis.window(group_by="sale_key", order_by=[pairs.return_at, pairs.return_key], preceding=None, following=0)
    wanted = pairs.chosen.ifelse(pairs.units, 0)
    pairs = pairs.mutate(booked=wanted.sum().over(queue))
    accepted = pairs.accepted | (pairs.chosen & (pairs.booked <= pairs.left_units))
    return pairs.mutate(accepted=accepted).drop("waiting", "left_units", "possible", "chosen", "booked")
