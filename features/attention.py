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
DOMINANT = 0.5  # share of a product's seconds of a day that one visit may make


def build_customer_product_attention(attention: ir.Table) -> ir.Table:
    """`BY_CUSTOMER_PRODUCT`: all seconds of a customer for a product, in how many visits, when last, and its share of all of the
    customer's seconds. Visits of nobody known tell nothing."""
    return _by_customer(attention, "product_id").select(*BY_CUSTOMER_PRODUCT)


def build_customer_category_attention(attention: ir.Table, products: ir.Table) -> ir.Table:
    """`BY_CUSTOMER_CATEGORY`, likewise by category of `products`; a product without one tells nothing."""
    categories = products.select(listed_id="product_id", category="category").filter(ibis._.category.notnull())
    placed = attention.inner_join(categories, attention.product_id == categories.listed_id)
    return _by_customer(placed, "category").select(*BY_CUSTOMER_CATEGORY)


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


def _by_customer(attention: ir.Table, of: str) -> ir.Table:
    known = attention.filter(attention.customer_id.notnull(), attention.seconds > 0)
    sums = known.group_by("customer_id", of).aggregate(
        seconds=known.seconds.sum(), visits=known.visit_id.nunique(), last_day=known.day.max()
    )
    return sums.mutate(share=sums.seconds / sums.seconds.sum().over(group_by="customer_id"))
