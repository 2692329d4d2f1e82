"""Seconds of attention to what each customer looked at, and to each product by day: what pricing, recommender and profile read.

`attention`: one row a visit and product: visit_id, day, customer_id (the account of who pays, or a pseudonym of the day; null where
nobody is known), product_id, seconds (expected ones, at least 0). What is told of a customer stays with the customer; what is told of
products is told of groups alone.
"""

import ibis
import ibis.expr.types as ir

ATTENTION = ("visit_id", "day", "customer_id", "product_id", "seconds")
BY_CUSTOMER_PRODUCT = ("customer_id", "product_id", "seconds", "visits", "last_day", "share")
BY_CUSTOMER_CATEGORY = ("customer_id", "category", "seconds", "visits", "last_day", "share")
BY_PRODUCT_DAY = ("product_id", "day", "seconds", "visits", "seconds_a_visit")
TOP = 3
DOMINANT = 0.5  # share of a product's seconds of a day that one visit may make


def build_customer_product_attention(attention: ir.Table) -> ir.Table:
    """`BY_CUSTOMER_PRODUCT`: all seconds of a customer for a product, in how many visits, when last, and its share of all of the
    customer's seconds. Visits of nobody known tell nothing."""
    return _by_customer(attention, "product_id").select(*BY_CUSTOMER_PRODUCT, *_keys(attention)[1:])


def build_customer_category_attention(attention: ir.Table, products: ir.Table) -> ir.Table:
    """`BY_CUSTOMER_CATEGORY`, likewise by category of `products`; a product without one tells nothing."""
    return _by_customer(_placed(attention, products), "category").select(*BY_CUSTOMER_CATEGORY, *_keys(attention)[1:])


def build_product_day_attention(attention: ir.Table, *, group_min: int) -> ir.Table:
    """`BY_PRODUCT_DAY`: seconds and visits of each product and day that at least `group_min` visits looked at, none of which makes
    more than half of the seconds. Days are never merged before this, so that no difference of sums tells of fewer.

    Errors: ValueError for a `group_min` below 2.
    """
    if group_min < 2:
        raise ValueError(f"group_min {group_min}: expected at least 2: a figure about one visit is about a person")
    looked = attention.filter(attention.seconds > 0)
    by_visit = looked.group_by("product_id", "day", "visit_id").aggregate(seconds=looked.seconds.sum())
    by_day = by_visit.group_by("product_id", "day").aggregate(
        seconds=by_visit.seconds.sum(), visits=by_visit.visit_id.count(), most=by_visit.seconds.max()
    )
    told = by_day.filter(by_day.visits >= group_min, by_day.most <= DOMINANT * by_day.seconds)
    return told.mutate(seconds_a_visit=told.seconds / told.visits).select(*BY_PRODUCT_DAY)


def as_known(attention: ir.Table) -> ir.Table:
    """`attention` as it was known of each customer at the end of each day of a visit of theirs: the rows until then, with the
    `moment` after that day. What is built of them has a row a customer and moment."""
    known = attention.filter(attention.customer_id.notnull(), attention.seconds > 0)
    moments = known.select(who="customer_id", until="day").distinct()
    met = moments.inner_join(known, [moments.who == known.customer_id, known.day <= moments.until])
    return met.mutate(moment=(met.until + ibis.interval(days=1)).cast("timestamp")).drop("who", "until")


def build_customer_attention(known: ir.Table, products: ir.Table) -> ir.Table:
    """A row a customer and moment of `as_known`: all seconds and visits, and the `TOP` categories and products by seconds, the
    earlier in order of names where equal; null where there are fewer."""
    by = [*_keys(known)]
    rows = known.group_by(by).aggregate(
        attention_s=known.seconds.sum(), attention_visits=known.visit_id.nunique().cast("float64")
    )
    pairs = (
        ("category", _by_customer(_placed(known, products), "category")),
        ("product", _by_customer(known, "product_id").rename(product="product_id")),
    )
    for of, sums in pairs:
        first = ibis.window(group_by=by, order_by=[sums.share.desc(), sums[of].asc()])
        ranked = sums.mutate(place=ibis.row_number().over(first))
        told = {f"attention_{of}_{k + 1}": ranked[of].max(where=ranked.place == k) for k in range(TOP)}
        if of == "category":
            told |= {f"attention_{of}_share_{k + 1}": ranked.share.max(where=ranked.place == k) for k in range(TOP)}
        top = ranked.group_by(by).aggregate(**told)
        rows = rows.left_join(top, by).drop([f"{name}_right" for name in by])
    return rows


def _placed(attention: ir.Table, products: ir.Table) -> ir.Table:
    """With the category of each product; one without tells nothing."""
    categories = products.select(listed_id="product_id", category="category").filter(ibis._.category.notnull())
    return attention.inner_join(categories, attention.product_id == categories.listed_id)


def _keys(attention: ir.Table) -> tuple[str, ...]:
    return ("customer_id", "moment") if "moment" in attention.columns else ("customer_id",)


def _by_customer(attention: ir.Table, of: str) -> ir.Table:
    known, by = attention.filter(attention.customer_id.notnull(), attention.seconds > 0), [*_keys(attention)]
    sums = known.group_by(*by, of).aggregate(
        seconds=known.seconds.sum(), visits=known.visit_id.nunique(), last_day=known.day.max()
    )
    return sums.mutate(share=sums.seconds / sums.seconds.sum().over(group_by=by))
