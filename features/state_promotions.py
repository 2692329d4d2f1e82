"""State features of promotions and prices, as they were by the end of the origin day."""

from collections.abc import Iterator
from typing import Any

import ibis

from features.feature_spec import Family, Feature, ratio
from features.state_groups import GROUP_WORDS
from features.state_tables import PROMOTION_ECHO_DAYS
from features.state_windows import PROFILE_WEEKS, SEASON_DAYS, SEASON_WEEKS, Windows

YEAR = 364


def _promotion(w: Windows) -> Iterator[Feature]:
    now = w.at("depth_or_none", 0)
    yield Feature("promo_now", "Discount of the promotions that run on the origin day; 0 if none does", "share", now)
    started = ibis.ifelse(now > 0, w.newest("promo_start", YEAR) + 1, 0.0)
    yield Feature("promo_day_now", "Which day of its promotion the origin is; 0 if none runs", "days", started)
    yield Feature(
        "days_since_promo",
        "Days since the last promoted day; null if there was none in the last 364",
        "days",
        w.newest("depth", YEAR),
    )
    for days in (28, 91, YEAR):
        share = w.count("depth", days) / w.periods(days)
        yield Feature(f"promo_share_{days}", f"Days of the last {days} that were promoted", "share", share)
    yield Feature(
        "promo_count_364", "Promotions that began in the last 364 days", "count", w.count("promo_start", YEAR)
    )
    yield Feature(
        "promo_depth_364", "Mean discount of the promoted days of the last 364", "share", w.mean("depth", YEAR)
    )
    multibuy = w.mean("multibuy", YEAR)
    yield Feature("promo_multibuy_share_364", "Promoted days of the last 364 with a multibuy offer", "share", multibuy)
    plain = {days: w.mean("u_plain", days) for days in (28, 91, YEAR)}
    for days in (28, 91):
        meaning = (
            f"Mean over the open days of the last {days} without promotion, stock-out or the week after a promotion"
        )
        yield Feature(f"level_plain_{days}", meaning, "sales", plain[days])
    promoted = w.mean("u_promo", YEAR)
    yield Feature(
        "level_promo_364", "Mean over the promoted days of the last 364 without a stock-out", "sales", promoted
    )
    for days in (91, YEAR):
        uplift = ratio(w.mean("u_promo", days), plain[days])
        yield Feature(
            f"promo_uplift_{days}",
            f"Mean of promoted / of plain days, both without stock-outs, last {days} days",
            "ratio",
            uplift,
        )
    steep = ratio(ratio(promoted, plain[YEAR]) - 1.0, w.mean("depth", YEAR))
    yield Feature("promo_uplift_per_depth", "(promo_uplift_364 - 1) / promo_depth_364", "ratio", steep)
    echo = ratio(w.mean("u_echo", YEAR), plain[YEAR])
    yield Feature(
        "promo_echo_364",
        f"Mean of the {PROMOTION_ECHO_DAYS} days after promotions / of plain days, last 364 days",
        "ratio",
        echo,
    )
    for kind in ("product", "category"):
        group = w.group(kind)
        on, off = (ratio(group.sum(f"{x}_sum", YEAR), group.sum(f"{x}_count", YEAR)) for x in ("lift", "plain"))
        meaning = f"Mean of a series' promoted / of its plain days over {GROUP_WORDS[kind]}, last 364 days"
        yield Feature(f"{kind}_promo_uplift_364", meaning, "ratio", ratio(on, off))
    shelf = w.group("shelf")
    rivals = ratio(shelf.sum("promoted", 7) - w.count("depth", 7), shelf.sum("rows", 7) - w.count("life", 7))
    yield Feature(
        "rivals_promo_share_7",
        "Days of the category's other products in this store that were promoted, last 7",
        "share",
        rivals,
    )
    yield Feature(
        "covariate_mean_promo_depth",
        "Mean discount over the last 91 days, 0 on plain ones: what promo_depth is held against",
        "share",
        w.mean("depth_or_none", 91),
    )
    for j in range(SEASON_DAYS):
        meaning = f"As season_mean_{j}, over days without promotion alone (last {SEASON_WEEKS} weeks)"
        yield Feature(f"season_plain_{j}", meaning, "sales", w.phase("mean", "u_plain", j))


def _profile(w: Windows) -> Iterator[Feature]:
    """The week of plain and of promoted days, of sources whose promotions come every other week rather than now and then."""
    for j in range(SEASON_DAYS):
        meaning = f"As season_plain_{j}, over promoted days"
        yield Feature(f"season_promo_{j}", meaning, "sales", w.phase("mean", "u_promo", j))
    for word, column, which in (("plain", "u_plain", "days without promotion"), ("promo", "u_promo", "promoted days")):
        for j in range(SEASON_DAYS):
            meaning = f"Mean of the target weekday of step {j + 1} over {which} of the last {PROFILE_WEEKS} weeks"
            yield Feature(f"profile_{word}_{j}", meaning, "sales", w.phase("profile", column, j))


def _price(w: Windows) -> Iterator[Feature]:
    price, base = w.at("price", 0), w.at("base_price", 0)
    for days in (91, YEAR):
        yield Feature(
            f"price_to_mean_{days}",
            f"Shelf price of the origin day / its mean of the last {days} days",
            "ratio",
            ratio(price, w.mean("price", days)),
        )
    for days in (91, YEAR):
        yield Feature(
            f"price_to_min_{days}",
            f"Shelf price of the origin day / the lowest of the last {days} days",
            "ratio",
            ratio(price, w.min("price", days)),
        )
    yield Feature(
        "price_to_max_364",
        "Shelf price of the origin day / the highest of the last 364 days",
        "ratio",
        ratio(price, w.max("price", YEAR)),
    )
    yield Feature(
        "price_to_base", "Shelf price / price without promotion on the origin day", "ratio", ratio(price, base)
    )
    yield Feature(
        "price_change_7",
        "Shelf price of the origin day / that of 7 days before",
        "ratio",
        ratio(price, w.at("price", 7)),
    )
    yield Feature(
        "base_price_to_mean_91",
        "Price without promotion / its mean of the last 91 days",
        "ratio",
        ratio(base, w.mean("base_price", 91)),
    )
    yield Feature(
        "covariate_level_planned_price",
        f"Mean price without promotion of the last {SEASON_WEEKS} weeks, over which a season is told: what planned_price "
        "is held against",
        "currency",
        w.mean("base_price", SEASON_DAYS * SEASON_WEEKS),
    )
    yield Feature(
        "price_moves_91",
        "Days of the last 91 on which the shelf price differed from the day before",
        "count",
        w.count("price_move", 91),
    )
    yield Feature(
        "days_since_price_move",
        "Days since the shelf price last changed; null if it did not in 91 days",
        "days",
        w.newest("price_move", 91),
    )
    yield Feature(
        "discounted_share_28",
        "Days of the last 28 with a shelf price below the base price",
        "share",
        w.mean("discounted", 28),
    )
    paid = ratio(w.sum("price_paid", 28), w.sum("price_bought", 28))
    yield Feature(
        "price_to_paid_28",
        "Shelf price of the origin day / the sales-weighted mean price of the last 28 days",
        "ratio",
        ratio(price, paid),
    )
    means = {kind: _mean_price(w.group(kind)) for kind in ("shelf", "product")}
    yield Feature(
        "price_to_shelf",
        "Shelf price / mean price of the category in this store on the origin day",
        "ratio",
        ratio(price, means["shelf"]),
    )
    yield Feature(
        "price_to_chain",
        "Shelf price / mean price of the product in all stores on the origin day",
        "ratio",
        ratio(price, means["product"]),
    )


def _mean_price(group: Windows) -> Any:
    return ratio(group.sum("price_sum", 1), group.sum("price_count", 1))


FAMILIES = (
    Family("promotion", _promotion, needs=("promotions",), daily_only=True),
    Family("promotion", _profile, needs=("marks",), daily_only=True),
    Family("price", _price, needs=("prices",), daily_only=True),
)
