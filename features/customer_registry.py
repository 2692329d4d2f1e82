"""The documented list of customer features: what each one means, in which unit, made of which tables."""

from dataclasses import dataclass
from typing import Literal

WINDOWS = (7, 28, 90)
FORGET_DAYS = 28  # weights of categories halve with every such period; periods are counted from 1970-01-01
FORGET_PERIODS = 26
KIND_WEIGHTS = {"purchase": 4, "play": 4, "rating": 4, "interaction": 4, "cart": 2, "click": 1}
TOP_CATEGORIES = 3
BOUGHT = ("transactions", "events")
DID = ("events", "transactions", "sessions", "impressions")
TODAY = "today so far and the days before it"


@dataclass(frozen=True)
class CustomerFeature:
    """One feature: `kind` is "value" (a number), "text", or "list"; it exists where a source has one of `tables`."""

    name: str
    meaning: str
    unit: str
    tables: tuple[str, ...]
    kind: Literal["value", "text", "list"] = "value"


def _windowed(
    name: str, meaning: str, unit: str, tables: tuple[str, ...], days: tuple[int, ...]
) -> list[CustomerFeature]:
    return [CustomerFeature(f"{name}_{n}d", f"{meaning} in {n} days: {TODAY}", unit, tables) for n in days]


CUSTOMER_FEATURES: tuple[CustomerFeature, ...] = (
    *_windowed("purchases", "items bought (lines, not units)", "count", BOUGHT, WINDOWS),
    *_windowed("spend", "paid, returns not taken off", "currency", BOUGHT, WINDOWS),
    *_windowed("clicks", "clicks", "count", ("events",), (7,)),
    *_windowed("carts", "items put into the cart", "count", ("events",), (7,)),
    *_windowed("shown", "items shown in the online shop", "count", ("impressions",), (7,)),
    *_windowed("visits", "visits of the online shop", "count", ("sessions",), (28,)),
    *_windowed("promotion_share", "share of purchases that were on promotion", "fraction", ("promotions",), (90,)),
    CustomerFeature("purchase_days", "days with a purchase, ever", "days", BOUGHT),
    CustomerFeature("days_since_purchase", "time since the last purchase, to the second", "days", BOUGHT),
    CustomerFeature("days_since_seen", "time since the customer last did anything, to the second", "days", DID),
    CustomerFeature("tenure_days", "time since registration, or the first thing known", "days", ("customers", *DID)),
    CustomerFeature("items_taken", "different items taken, ever", "count", BOUGHT),
    CustomerFeature("friends", "friends by then", "count", ("friendships",)),
    CustomerFeature("usual_hour", "hour of the day in which most was done, the earlier of equals", "hour", DID),
    *(
        CustomerFeature(
            f"category_share_{place}",
            f"share of category_{place}: a purchase counts 4, a cart 2, a click 1; half for every {FORGET_DAYS} days",
            "fraction",
            ("products",),
        )
        for place in range(1, TOP_CATEGORIES + 1)
    ),
    *(
        CustomerFeature(
            f"category_{place}", f"category that ranks {place} by that share", "text", ("products",), "text"
        )
        for place in range(1, TOP_CATEGORIES + 1)
    ),
    CustomerFeature(
        "device", "device of most visits, else the one the customer named", "text", ("sessions", "customers"), "text"
    ),
    CustomerFeature(
        "history",
        "items taken, each once by when it was first taken, oldest first, the newest 50",
        "items",
        BOUGHT,
        "list",
    ),
)
VALUES = tuple(feature.name for feature in CUSTOMER_FEATURES if feature.kind == "value")
TEXTS = tuple(feature.name for feature in CUSTOMER_FEATURES if feature.kind == "text")
