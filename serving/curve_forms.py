"""The forms of the what-if pages: which situation is asked about, in the texts of a form, and the request that they make."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from models.pricing.requests import PEOPLE
from serving.pricing_fresh_schemas import WhatIfFreshRequest
from serving.pricing_schemas import WhatIfRequest


@dataclass(frozen=True)
class Box:
    """A text box: name, label, width in characters and an example."""

    name: str
    label: str
    size: int = 8
    example: str = ""


@dataclass(frozen=True)
class CurveForm:
    """A page of what-if: `request` makes one of the texts of its boxes, ValueError for what is no number."""

    path: str
    title: str
    boxes: tuple[Box, ...]
    horizon: str
    request: Callable[[Mapping[str, str]], WhatIfRequest | WhatIfFreshRequest]


def _market(asked: Mapping[str, str]) -> WhatIfRequest:
    factors = dict(part.partition("=")[::2] for part in asked["factors"].replace(" ", "").split(",") if part)
    item = {
        "item_id": "what-if",
        "period": int(asked["period"]),
        "stock": _numbers(asked["stock"], int),
        "before": float(asked["before"]),
        "factors": {name: float(value) for name, value in factors.items()},
        PEOPLE: int(asked[PEOPLE]) if asked[PEOPLE].strip() else None,
    }
    return WhatIfRequest.model_validate({"market": asked["market"], "item": item})


def _fresh(asked: Mapping[str, str]) -> WhatIfFreshRequest:
    item = {
        "good": asked["good"],
        "stock": _numbers(asked["stock"], int),
        **{name: float(asked[name]) for name in ("list_price", "before")},
        "weekday": int(asked["weekday"]),
        **{name: int(asked[name] or 0) for name in ("coming", "wait")},
        "expected": _numbers(asked["expected"], float) if asked["expected"].strip() else None,
        "up_to": int(asked["up_to"]) if asked["up_to"].strip() else None,
    }
    return WhatIfFreshRequest.model_validate({"item": item})


def _numbers(told: str, kind: type[int] | type[float]) -> list[float]:
    return [kind(part) for part in told.split(",")]


MARKET = CurveForm(
    "/curve",
    "What if",
    (
        Box("market", "Market"),
        Box("period", "Period", 6),
        Box("stock", "Units by periods left", 16),
        Box("before", "Price before"),
        Box("factors", "Factors", 30, "weather=0.5, attention=1"),
        Box(PEOPLE, "People behind willingness", 6, "20"),
    ),
    "until the end",
    _market,
)
FRESH = CurveForm(
    "/curve_fresh",
    "What if, fresh goods",
    (
        Box("good", "Good", 20),
        Box("list_price", "List price"),
        Box("stock", "Units by days left", 16),
        Box("before", "Price before"),
        Box("weekday", "Weekday, 0 on Monday", 4),
        Box("coming", "Units that arrive tomorrow", 6, "0"),
        Box("wait", "Nights until the next order", 4, "0"),
        Box("up_to", "Order level", 6, "as trained"),
        Box("expected", "Units expected on each of 14 days", 30, "as trained"),
    ),
    "from now on, later days count less",
    _fresh,
)
FORMS: Mapping[str, CurveForm] = {each.path: each for each in (MARKET, FRESH)}
