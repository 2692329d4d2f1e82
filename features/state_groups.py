"""State features of the series among others: hierarchy, stock-outs, launch; `store`, `shelf` (category in store), ..."""

from collections.abc import Iterator
from typing import Any

import ibis
from ibis import _

from features.feature_spec import Family, Feature, ratio
from features.state_days import KEY_DIGITS, KEYED_GROUPS
from features.state_windows import Windows

GROUP_WORDS = {
    "chain": "all series",
    "store": "the store",
    "category": "the category in all stores",
    "product": "the product in all stores",
    "shelf": "the category in this store",
}
NEW_DAYS = 28
_TRENDS = {
    "chain": ("7_28", "28_91"),
    "store": ("7_28", "28_91", "year"),
    "category": ("7_28", "28_91", "year"),
    "product": ("7_28", "28_91", "year"),
    "shelf": ("7_28", "28_91", "year"),
}


def _hierarchy(w: Windows) -> Iterator[Feature]:
    for kind, trends in _TRENDS.items():
        group = w.group(kind)
        pairs = {
            "7_28": ("last 7 days / last 28 days", group.mean("total", 7), group.mean("total", 28)),
            "28_91": ("last 28 days / last 91 days", group.mean("total", 28), group.mean("total", 91)),
            "year": (
                "last 28 days / the 28 days 364 days before",
                group.mean("total", 28),
                group.mean("total", 28, 364),
            ),
        }
        for trend in trends:
            meaning, now, then = pairs[trend]
            yield Feature(
                f"{kind}_trend_{trend}",
                f"Total of {GROUP_WORDS[kind]}, mean per period: {meaning}",
                "ratio",
                ratio(now, then),
            )
    for kind in ("store", "product"):
        group = w.group(kind)
        meaning = f"Total of {GROUP_WORDS[kind]} in the origin period / its mean of the last 28 days"
        yield Feature(f"{kind}_last_28", meaning, "ratio", ratio(group.sum("total", w.step), group.mean("total", 28)))
    for kind in ("store", "shelf", "product"):
        shares = {days: ratio(w.sum("y", days), w.group(kind).sum("total", days)) for days in (28, 91)}
        meaning = f"Share of the series in the total of {GROUP_WORDS[kind]}, last 28 days"
        yield Feature(f"share_of_{kind}_28", meaning, "share", shares[28])
        if kind != "store":
            meaning = f"share_of_{kind}_28 / the same share of the last 91 days"
            yield Feature(f"share_of_{kind}_trend", meaning, "ratio", ratio(shares[28], shares[91]))
    for kind in ("product", "shelf"):
        group = w.group(kind)
        mean = ratio(group.sum("total", 28), group.sum("seen", 28))
        meaning = f"Mean over the series of {GROUP_WORDS[kind]}, per open period of the last 28 days; null until the series has sold"
        yield Feature(f"level_{kind}_28", meaning, "sales", _once_seen(w, mean))


def _once_seen(w: Windows, value: Any) -> Any:
    """Null while the series itself is unknown: a model takes a known level for a series that was seen."""
    return ibis.ifelse(w.count("y", 364) > 0, value, ibis.null("float64"))


def _stock(w: Windows) -> Iterator[Feature]:
    for days in (7, 28, 91, 364) if w.daily else (28, 91, 364):
        meaning = f"Open periods of the last {days} days that ran out of stock"
        yield Feature(f"censored_share_{days}", meaning, "share", w.mean("short", days))
    yield Feature(
        "stockout_now",
        "1 if the origin period ran out of stock, 0 if not, null if closed",
        "flag",
        w.sum("short", w.step),
    )
    yield Feature(
        "periods_since_stockout",
        "Periods since the last one that ran out of stock; null if there was none in the last 364 days",
        "periods",
        w.newest("stockout", 364),
    )
    lost = ratio(w.mean("u", 28), w.mean("y", 28))
    yield Feature("uncensored_ratio_28", "level_uncensored_28 / level_28: what stock-outs hid", "ratio", lost)
    words = {"product": "the product's other stores", "shelf": "the other products of the category in this store"}
    for kind, meaning in words.items():
        group = w.group(kind)
        others = group.sum("seen", 7) - w.count("y", 7)
        short = group.sum("short", 7) - w.sum("short", 7).fill_null(0.0)
        yield Feature(
            f"{kind}_peers_stockout_share_7",
            f"Open periods of {meaning} that ran out of stock, last 7 days",
            "share",
            ratio(short, others),
        )


def _inventory(w: Windows) -> Iterator[Feature]:
    closing, daily = w.at("closing", 0), w.mean("u", 28)
    yield Feature(
        "stock_cover_days", "Closing units of the origin day / level_uncensored_28", "days", ratio(closing, daily)
    )
    yield Feature(
        "empty_close_share_28", "Days of the last 28 that closed with an empty shelf", "share", w.mean("empty", 28)
    )
    yield Feature(
        "days_since_delivery",
        "Days since the last delivery; null if there was none in the last 28 days",
        "days",
        w.newest("delivery", 28),
    )
    yield Feature("deliveries_28", "Days of the last 28 with a delivery", "days", w.count("delivery", 28))
    received = ratio(w.sum("received", 7), w.sum("sold", 7))
    yield Feature("received_to_sold_7", "Units delivered / units sold, last 7 days", "ratio", received)
    wasted, sold = w.sum("wasted", 28), w.sum("sold", 28)
    yield Feature(
        "waste_share_28",
        "Units thrown away / (thrown away + sold), last 28 days",
        "share",
        ratio(wasted, wasted + sold),
    )


def _history(w: Windows) -> Iterator[Feature]:
    age = _["age_periods"]
    meaning = "Periods since the series began (`started_on`), this one included"
    yield Feature("age_periods", meaning, "periods", age)
    for days in (28, 91):
        open_share = ibis.least(w.count("y", days) / w.periods(days), 1.0)
        yield Feature(
            f"open_share_{days}",
            f"Periods of the last {days} days that were open, since the series began",
            "share",
            open_share,
        )
    yield Feature(
        "seen_periods_364",
        "Open periods with a value in the last 364 days: length of the usable history",
        "periods",
        w.count("y", 364),
    )
    new = (age * w.step <= NEW_DAYS).cast("float64")
    yield Feature("is_new", f"1 in the first {NEW_DAYS} days of the series", "flag", new)
    for kind in ("product", "store"):
        meaning = f"Days since the first series of {GROUP_WORDS[kind]} began"
        yield Feature(f"{kind}_age_days", meaning, "days", _[f"{kind}_age"])
    yield Feature(
        "product_stores",
        "Stores that carry the product in the origin period",
        "count",
        w.group("product").sum("rows", w.step),
    )
    yield Feature(
        "shelf_products",
        "Products of the category that this store carries in the origin period",
        "count",
        w.group("shelf").sum("rows", w.step),
    )
    yield Feature(
        "shelf_launches_28",
        "Series of the category in this store that began in the last 28 days",
        "count",
        w.group("shelf").sum("started", 28).fill_null(0.0),
    )
    for kind in ("product", "shelf"):
        group = w.group(kind)
        others = group.sum("early_count", 364) - w.count("early", 364)
        mean = ratio(group.sum("early_sum", 364) - w.sum("early", 364).fill_null(0.0), others)
        meaning = (
            f"Mean of the first {NEW_DAYS} days of the other series of {GROUP_WORDS[kind]} that began in the last year"
        )
        yield Feature(f"level_early_{kind}", meaning, "sales", _once_seen(w, mean))


def _keys(_w: Windows) -> Iterator[Feature]:
    for kind in KEYED_GROUPS:
        meaning = f"Number of {GROUP_WORDS[kind]}: the first {KEY_DIGITS} hexadecimal digits of the MD5 of its name"
        yield Feature(f"key_{kind}", meaning, "code", _[f"{kind}_key"])


FAMILIES = (
    Family("hierarchy", _hierarchy),
    Family("hierarchy", _keys),
    Family("stock", _stock),
    Family("stock", _inventory, needs=("inventory",), daily_only=True),
    Family("launch and history", _history),
)
