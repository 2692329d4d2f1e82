"""Cleaning of transaction lines: fee lines, and returns booked against the sales they cancel."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Final

import ibis

from features.cleaning import (
    DUPLICATE,
    MATCHED_CANCELLATION,
    NON_MERCHANDISE,
    ROW,
    TAGS,
    ContractLike,
    cast_value,
    content_hash,
    delivered_columns,
    number_rows,
    tag_numbered,
    tag_table,
)
from features.cleaning_returns import ReturnMatching, match_returns

LOOKUP: Final = "_lookup"


@dataclass(frozen=True)
class TransactionRules:
    """What a source says about its lines.

    `fee_codes`: product ids, upper case, that are charges and no goods (postage, bank charges, vouchers); a trailing
    `*` stands for any ending. `upper_case_product_ids`: the source spells one product in several cases.
    `returns_by`: how a return finds its sale, see `features.cleaning_returns.match_returns`.
    """

    fee_codes: frozenset[str] = frozenset()
    upper_case_product_ids: bool = False
    returns_by: ReturnMatching = "original_line"

    def __post_init__(self) -> None:
        wrong = sorted(code for code in self.fee_codes if code != code.strip().upper() or not code.rstrip("*"))
        if wrong:
            raise ValueError(
                f"fee codes {wrong} can match nothing or everything: write them trimmed, in upper case, not empty"
            )


def tag_transactions(
    raw: ibis.Table,
    contract: ContractLike,
    *,
    rules: TransactionRules | None = None,
    matched: ibis.Table | None = None,
) -> ibis.Table:
    """Raw transaction lines cast to the contract and tagged; one row out for every row in.

    `cancelled_units` of a sale are the units later returned, `cancelled_same_day_units` those returned on the day of
    sale, of any other line 0; `sold_on` is the day of `sold_at`. A return that finds no sale stays class `row`: the
    contract's rule sends it to quarantine. Only the matching of returns looks beyond a line's own day, since copies of a
    line have its time of sale: given `matched`, what `find_returns` made of all days, `raw` may hold whole days of them
    alone, and its lines are tagged as they are among all.
    """
    rules = rules or TransactionRules()
    matched = find_returns(raw, contract, rules=rules) if matched is None else matched
    keyed = _with_lookup(number_rows(raw, contract), delivered_columns(raw, contract), matched)
    lines = _mark_fees(tag_numbered(keyed, contract, keep=(LOOKUP,)), rules)
    return _book_returns(lines.mutate(sold_on=lines.sold_at.date()), matched).select(
        *(column.name for column in contract.columns), *TAGS
    )


def find_returns(raw: ibis.Table, contract: ContractLike, *, rules: TransactionRules | None = None) -> ibis.Table:
    """Which return of the raw lines cancels which sale: one row a match, in the columns of `match_returns`."""
    rules = rules or TransactionRules()
    return match_returns(_tag_lines(_touched_by_returns(raw, rules.returns_by), contract, rules), rules.returns_by)


def _with_lookup(keyed: ibis.Table, columns: Sequence[str], matched: ibis.Table) -> ibis.Table:
    """Adds LOOKUP, the row key of lines whose receipt a match names, or that name no receipt; null for all others.

    So the booking hashes a few percent of the lines, and whoever asks for no `_row_key` pays for no more.
    """
    receipts = matched.select(receipt="return_receipt").union(matched.select(receipt="sale_receipt")).distinct()
    lines = keyed.mutate(_receipt=cast_value(keyed.transaction_id, "str"))
    lines = lines.left_join(receipts, lines["_receipt"] == receipts.receipt)
    # Only the first of equal lines is ever matched.
    named = (lines.receipt.notnull() | lines["_receipt"].isnull()) & (lines["_occurrence"] == 1)
    key = content_hash(lines, columns) + "-1"
    return lines.mutate(**{LOOKUP: named.ifelse(key, ibis.null("string"))}).drop("_receipt", "receipt")


def _tag_lines(raw: ibis.Table, contract: ContractLike, rules: TransactionRules) -> ibis.Table:
    return _mark_fees(tag_table(raw, contract), rules)


def _mark_fees(lines: ibis.Table, rules: TransactionRules) -> ibis.Table:
    if rules.upper_case_product_ids:
        lines = lines.mutate(product_id=lines.product_id.upper())
    if not rules.fee_codes:
        return lines
    fee = ((lines["_class"] != DUPLICATE) & _is_fee(lines.product_id, rules.fee_codes)).fill_null(False)
    return lines.mutate(_class=fee.ifelse(NON_MERCHANDISE, lines["_class"]))


def _touched_by_returns(raw: ibis.Table, matching: ReturnMatching) -> ibis.Table:
    """The returns and every line that one of them could cancel: a few percent, so that matching never sees the rest.

    All copies of a line are in or out together, hence the tags of these rows are those of the whole table.
    """
    cells = raw.mutate(
        _is_return=_is_return(raw),
        _transaction=cast_value(raw.transaction_id, "str"),
        _line=cast_value(raw.line_no, "int"),
    )
    returns = raw.filter(_is_return(raw))
    originals = returns.select(
        of_transaction=cast_value(returns.original_transaction_id, "str"),
        of_line=cast_value(returns.original_line_no, "int"),
    ).distinct()
    cells = cells.left_join(
        originals, [cells["_transaction"] == originals.of_transaction, cells["_line"] == originals.of_line]
    )
    touched = cells["_is_return"] | cells.of_transaction.notnull()
    if matching == "customer_product":
        buyers = returns.select(of_customer=cast_value(returns.customer_id, "str")).distinct()
        cells = cells.mutate(_customer=cast_value(cells.customer_id, "str"))
        cells = cells.left_join(buyers, cells["_customer"] == buyers.of_customer)
        touched = touched | cells.of_customer.notnull()
    return cells.filter(touched).select(raw.columns)


def _is_return(raw: ibis.Table) -> ibis.Value:
    # Whether the word is in there at all is told faster than every line is trimmed.
    named = raw.kind.cast("string").contains("return")
    return named.ifelse(cast_value(raw.kind, "str") == "return", False).fill_null(False)


def _is_fee(product_id: ibis.Value, fee_codes: frozenset[str]) -> ibis.Value:
    code = product_id.upper()
    exact = sorted(fee for fee in fee_codes if not fee.endswith("*"))
    prefixes = sorted(fee.rstrip("*") for fee in fee_codes if fee.endswith("*"))
    tests = [code.startswith(prefix) for prefix in prefixes]
    return reduce(or_, [code.isin(exact), *tests] if exact else tests)


def _book_returns(lines: ibis.Table, matched: ibis.Table) -> ibis.Table:
    """Writes the matches into both their lines with one join."""
    at_once = (matched.returned_on == matched.sold_on).ifelse(matched.units, 0)
    # By way of decimal, as in `features.sales.daily_units`: sums that stayed wide would slow whatever counts with them.
    of_sales = matched.group_by("sale_key").agg(
        booked=matched.units.sum().cast("decimal(38, 0)"), same_day=at_once.sum().cast("decimal(38, 0)")
    )
    none = ibis.literal(0, "int64")
    of_returns = matched.select(booked_key="return_key", booked=none, same_day=none)
    bookings = of_sales.select(
        booked_key="sale_key", booked=of_sales.booked.cast("int64"), same_day=of_sales.same_day.cast("int64")
    ).union(of_returns)
    joined = lines.left_join(bookings, lines[LOOKUP] == bookings.booked_key)
    is_return = joined.booked_key.notnull() & (joined.kind == "return") & (joined["_class"] == ROW)
    return joined.mutate(
        cancelled_units=joined.booked.fill_null(0),
        cancelled_same_day_units=joined.same_day.fill_null(0),
        _class=is_return.fill_null(False).ifelse(MATCHED_CANCELLATION, joined["_class"]),
    ).drop("booked_key", "booked", "same_day", LOOKUP)
