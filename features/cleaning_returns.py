"""Matching returns to the sales they cancel, set-wise: joins and windows, no loop over rows."""

from typing import Any, Final, Literal

import ibis

from features.cleaning import ROW

ReturnMatching = Literal["original_line", "customer_product"]

# One round settles every return whose favourite sale is uncontested; each further one settles those it turned away.
_ROUNDS: Final[dict[str, int]] = {"original_line": 2, "customer_product": 4}


def match_returns(lines: ibis.Table, matching: ReturnMatching) -> ibis.Table:
    """One row per return that could be booked whole against one earlier sale: (`return_key`, `sale_key`, `units`).

    `lines` are tagged transaction lines; only those of class `row` take part, at the same product. A return that
    carries its original line is matched to that line. With `customer_product` a return without one is matched to a
    sale of the same customer and store: of equal price first, then the latest, with enough units left. Where returns
    compete for a sale, earlier ones go first; a sale never gives back more than it sold, and a return that no sale
    can take whole stays unmatched.
    """
    pairs = _pairs(lines, matching)
    matched = _settle(pairs, None)
    for _ in range(_ROUNDS[matching] - 1):
        matched = matched.union(_settle(pairs, matched))
    return matched


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
        "return_at",
        "units",
        "sale_key",
        "sale_at",
        "sale_units",
        other_price=(pairs.unit_price != pairs.sale_price).fill_null(True),
    )


def _settle(pairs: ibis.Table, matched: ibis.Table | None) -> ibis.Table:
    """The pairs that one round of choosing adds to `matched`."""
    if matched is None:
        candidates = pairs.mutate(left_units=pairs.sale_units)
    else:
        waiting = pairs.anti_join(matched, "return_key")
        given = matched.group_by("sale_key").agg(given=matched.units.sum())
        candidates = waiting.left_join(given, "sale_key").drop("sale_key_right")
        candidates = candidates.mutate(left_units=candidates.sale_units - candidates.given.fill_null(0)).drop("given")
    candidates = candidates.filter(candidates.left_units >= candidates.units)
    favourite = ibis.window(
        group_by="return_key",
        order_by=[candidates.other_price, candidates.sale_at.desc(), candidates.sale_key],
    )
    chosen = candidates.mutate(_choice=ibis.row_number().over(favourite)).filter(lambda t: t["_choice"] == 0)
    queue = ibis.window(
        group_by="sale_key", order_by=[chosen.return_at, chosen.return_key], preceding=None, following=0
    )
    booked = chosen.mutate(_booked=chosen.units.sum().over(queue))
    return booked.filter(booked["_booked"] <= booked.left_units).select("return_key", "sale_key", "units")
