"""The documented list of attention features: what each one means, in which unit, by which view of Feast it is read."""

from dataclasses import dataclass
from typing import Literal

from features.attention import TOP

CUSTOMER_VIEW = "customer_attention"
PAIR_VIEW = "customer_product_attention"
CATEGORY_VIEW = "customer_category_attention"
PRODUCT_VIEW = "product_attention"
KEYS: dict[str, tuple[str, ...]] = {
    CUSTOMER_VIEW: ("customer_id",),
    PAIR_VIEW: ("customer_id", "product_id"),
    CATEGORY_VIEW: ("customer_id", "category"),
    PRODUCT_VIEW: ("product_id",),
}


@dataclass(frozen=True)
class AttentionFeature:
    """One feature of a view; `kind` is "value" (a number) or "text"."""

    name: str
    meaning: str
    unit: str
    view: str
    kind: Literal["value", "text"] = "value"


def _sums(view: str, prefix: str, of: str) -> tuple[AttentionFeature, ...]:
    return (
        AttentionFeature(f"{prefix}_attention_s", f"expected attention of the customer to {of}, ever", "s", view),
        AttentionFeature(
            f"{prefix}_attention_visits", f"visits of the shop in which {of} was looked at", "count", view
        ),
        AttentionFeature(
            f"{prefix}_attention_share", f"share of the customer's attention that {of} had", "fraction", view
        ),
    )


ATTENTION_FEATURES: tuple[AttentionFeature, ...] = (
    AttentionFeature("attention_s", "expected attention to products of the shop, ever", "s", CUSTOMER_VIEW),
    AttentionFeature("attention_visits", "visits of the shop in which a product was looked at", "count", CUSTOMER_VIEW),
    *(
        AttentionFeature(
            f"attention_category_{k}", f"category that ranks {k} by attention in the shop", "text", CUSTOMER_VIEW, "text"
        )
        for k in range(1, TOP + 1)
    ),
    *(
        AttentionFeature(
            f"attention_category_share_{k}", f"share of attention that attention_category_{k} had", "fraction", CUSTOMER_VIEW
        )
        for k in range(1, TOP + 1)
    ),
    *(
        AttentionFeature(
            f"attention_product_{k}", f"product that ranks {k} by attention in the shop", "text", CUSTOMER_VIEW, "text"
        )
        for k in range(1, TOP + 1)
    ),
    *_sums(PAIR_VIEW, "pair", "the product"),
    *_sums(CATEGORY_VIEW, "category", "the category"),
    AttentionFeature("product_attention_s", "attention that a group gave the product on the newest day told", "s", PRODUCT_VIEW),
    AttentionFeature("product_attention_visits", "visits of that group", "count", PRODUCT_VIEW),
    AttentionFeature("product_attention_s_a_visit", "attention a visit of that group", "s", PRODUCT_VIEW),
)  # fmt: skip


def features_of(view: str) -> tuple[AttentionFeature, ...]:
    """Features of one view, in order."""
    return tuple(feature for feature in ATTENTION_FEATURES if feature.view == view)
