"""Every knob of the twin, with unit, bounds and default; loadable from a YAML or JSON file."""

import json
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from sources.base import SourceError
from sources.twin.customers.params import OnlineParams
from sources.twin.knobs import Knobs
from sources.twin.slots.params import SlotParams

Size = Literal["tiny", "demo", "large"]


class TwinParamsError(SourceError):
    """Twin parameters outside their bounds; the message gives each value, its bound and the remedy."""


class DemandParams(Knobs):
    """How much is wanted, and what moves it."""

    median_units: float = Field(
        3.0, gt=0, le=200, description="median daily units of a regular product in an average store"
    )
    level_spread: float = Field(0.9, ge=0, le=2, description="standard deviation of log level between products")
    intermittent_share: float = Field(0.25, ge=0, le=1, description="share of products that sell 0.15-0.6 units a day")
    assortment_share: float = Field(0.92, gt=0, le=1, description="share of the products that an average store carries")
    weekly_strength: float = Field(1.0, ge=0, le=3, description="1 = the formats' own weekday profile, 0 = flat weeks")
    yearly_strength: float = Field(1.0, ge=0, le=3, description="1 = the categories' own yearly swing, 0 = none")
    trend_per_year: float = Field(0.08, ge=0, le=0.5, description="standard deviation of log growth a year, by product")
    drift: float = Field(
        0.06, ge=0, le=0.5, description="standard deviation of the slow unexplained log level, by series"
    )
    holiday_strength: float = Field(1.0, ge=0, le=3, description="scales rush before, and quiet on, holidays")
    elasticity: float = Field(2.0, ge=0, le=6, description="mean own-price elasticity, as a positive number")
    promotion_uplift: float = Field(
        0.5, ge=0, le=3, description="mean extra demand of a promotion beyond its price effect, fraction"
    )
    cannibalisation: float = Field(
        0.2, ge=0, le=0.9, description="largest share a product loses to promoted rivals of its category"
    )
    weather_strength: float = Field(1.0, ge=0, le=3, description="scales the categories' response to warmth and rain")
    heat_strength: float = Field(1.0, ge=0, le=3, description="scales the categories' response to social heat")
    recommendation_uplift: float = Field(
        0.3, ge=0, le=2, description="extra demand at exposure 1 to recommendations, fraction"
    )
    dispersion: float = Field(
        8.0, ge=0.5, le=40, description="mean shape r of the negative binomial: variance = m + m^2/r"
    )


class AssortmentParams(Knobs):
    """Launches, ends and openings."""

    window_days: int = Field(730, ge=60, le=3650, description="launches and ends fall in this many days from the start")
    launched_share: float = Field(0.12, ge=0, le=0.5, description="share of products launched within the window")
    ended_share: float = Field(0.10, ge=0, le=0.5, description="share of products ended within the window")
    opening_share: float = Field(
        0.10, ge=0, le=0.5, description="share of stores (never the first three) opened within the window"
    )


class PromotionParams(Knobs):
    """The plan of promotions and of base prices."""

    probability: float = Field(
        0.25, ge=0, le=1, description="chance that the chain promotes a product in a slot of 28 days"
    )
    local_probability: float = Field(
        0.04, ge=0, le=1, description="chance that one store alone promotes it in such a slot"
    )
    announce_min_days: int = Field(14, ge=1, le=56, description="shortest notice of a promotion, days before its start")
    announce_max_days: int = Field(56, ge=1, le=56, description="longest notice of a promotion, days before its start")
    price_revision_days: int = Field(91, ge=28, le=730, description="days between revisions of a base price")
    price_revision_spread: float = Field(
        0.08, ge=0, le=0.3, description="largest move of a base price from list price, fraction"
    )
    price_notice_days: int = Field(
        56,
        ge=1,
        le=182,
        description="days before it comes into force that a base price is announced: a price list is agreed on with "
        "suppliers and printed weeks ahead, and before the longest forecast (42 days) begins",
    )


class StockParams(Knobs):
    """The shop's plain replenishment rule and its suppliers."""

    safety_z: float = Field(
        2.4, ge=0, le=4, description="safety stock in standard deviations of demand over the cover time"
    )
    review_days: int = Field(3, ge=1, le=14, description="days between orders of goods that keep longer than a week")
    short_delivery_share: float = Field(0.03, ge=0, le=0.5, description="share of deliveries that arrive short")
    smoothing: float = Field(0.06, gt=0, le=0.5, description="weight of the newest day in the shop's sales average")
    expects_spoilage: bool = Field(
        False,
        description="orders leave out stock that will spoil before they arrive; without it, goods that keep no longer than "
        "their lead time come every other day",
    )


class TransactionParams(Knobs):
    """How sales are split into receipts."""

    baskets_per_store_day: float = Field(
        80.0, ge=1, le=20_000, description="mean number of baskets offered to a store's lines"
    )
    multi_unit_share: float = Field(
        0.2, ge=0, lt=0.9, description="chance that a unit joins the line of the unit before it"
    )
    customers_per_store: int = Field(400, ge=1, le=100_000, description="known customers of a store")
    known_customer_share: float = Field(0.6, ge=0, le=1, description="share of baskets with a customer_id")
    return_share: float = Field(0.015, ge=0, le=0.3, description="share of sale lines returned later")
    return_within_days: int = Field(14, ge=1, le=60, description="longest wait before a return, days")
    slow_recording_share: float = Field(
        0.01, ge=0, le=0.5, description="share of baskets recorded hours to 5 days late, which is allowed"
    )


class DirtParams(Knobs):
    """Share of sale lines hit by each kind of dirt; above 0.02 the gate's tolerance is meant to break."""

    duplicates: float = Field(0.004, ge=0, le=0.15, description="exact copies of a row, share of sale lines")
    missing_keys: float = Field(0.003, ge=0, le=0.15, description="null store_id or product_id, share of sale lines")
    impossible_prices: float = Field(
        0.003, ge=0, le=0.15, description="negative, zero or 1000-fold unit_price, share of sale lines"
    )
    late_rows: float = Field(
        0.003, ge=0, le=0.15, description="recorded 10-30 days after the sale, share of sale lines"
    )
    wrong_encodings: float = Field(
        0.005, ge=0, le=0.15, description="receipt_text UTF-8 read as Latin-1, share of sale lines"
    )
    unmatched_returns: float = Field(
        0.002, ge=0, le=0.15, description="added returns without a sale, share of sale lines"
    )


class TwinParams(Knobs):
    """The whole twin. Changing `days` alone leaves the tables of the days before as they were."""

    stores: int = Field(10, ge=1, le=5_000, description="number of stores")
    products: int = Field(60, ge=1, le=50_000, description="number of products")
    regions: int = Field(3, ge=1, le=50, description="number of weather regions")
    categories: int = Field(8, ge=1, le=8, description="number of product categories")
    start: date = Field(date(2024, 1, 1), ge=date(1990, 1, 1), le=date(2100, 1, 1), description="first simulated day")
    days: int = Field(730, ge=1, le=3_650, description="number of simulated days")
    calendar_ahead_days: int = Field(120, ge=60, le=730, description="days of calendar beyond the last simulated day")
    demand: DemandParams = DemandParams()
    assortment: AssortmentParams = AssortmentParams()
    promotions: PromotionParams = PromotionParams()
    stock: StockParams = StockParams()
    transactions: TransactionParams = TransactionParams()
    dirt: DirtParams = DirtParams()
    online: OnlineParams = OnlineParams()
    slots: SlotParams = SlotParams()

    @property
    def last_day(self) -> date:
        """Last simulated day, inclusive."""
        return self.start + timedelta(days=self.days - 1)

    @classmethod
    def size(cls, name: Size) -> "TwinParams":
        """Parameters of a named size: tiny (tests), demo (about 1.5 million lines), large (about 110 million lines)."""
        if name not in _SIZES:
            raise TwinParamsError(f"twin size {name!r} is unknown; use one of {', '.join(_SIZES)}")
        return cls.model_validate(_SIZES[name])

    @classmethod
    def load(cls, path: Path, *, base: "TwinParams | None" = None) -> "TwinParams":
        """Parameters from a YAML or JSON mapping laid over `base` (default: the demo size).

        A key `size` in the file chooses the base itself. Raises `TwinParamsError` naming each value, bound and remedy.
        """
        overrides = _read_mapping(path)
        if "size" in overrides:
            base = cls.size(overrides.pop("size"))
        return cls._checked(_overlay((base or cls.size("demo")).model_dump(), overrides), str(path))

    def with_days(self, days: int) -> "TwinParams":
        """The same world lived for another number of days; raises `TwinParamsError` outside the bounds of `days`."""
        return self._checked({**self.model_dump(), "days": days}, "twin")

    @classmethod
    def _checked(cls, values: dict[str, Any], said_by: str) -> "TwinParams":
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            faults = "; ".join(_describe(dict(fault)) for fault in error.errors())
            raise TwinParamsError(f"{said_by}: {faults}") from error


_SIZES: dict[str, dict[str, Any]] = {
    "tiny": {
        "stores": 3,
        "products": 12,
        "regions": 2,
        "categories": 4,
        "days": 200,
        "assortment": {"window_days": 200, "launched_share": 0.15, "ended_share": 0.15, "opening_share": 0.0},
        "transactions": {"baskets_per_store_day": 15.0, "customers_per_store": 60},
        "online": {"customers": 60, "slate_size": 4, "batch_hours": 8},
    },
    "demo": {"online": {"sessions_per_customer_day": 0.2}},
    "large": {
        "stores": 120,
        "products": 500,
        "regions": 8,
        "transactions": {"baskets_per_store_day": 600.0, "customers_per_store": 4_000},
        "online": {"customers": 20_000, "sessions_per_customer_day": 0.2},
    },
}


def _read_mapping(path: Path) -> dict[str, Any]:
    import yaml

    if not path.is_file():
        raise TwinParamsError(f"{path} does not exist; give a YAML or JSON file of twin parameters")
    text = path.read_text(encoding="utf-8")
    try:
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise TwinParamsError(f"{path} is neither YAML nor JSON ({error}); write one mapping of parameters") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise TwinParamsError(
            f"{path} holds a {type(content).__name__}; write one mapping of parameters, e.g. `stores: 5`"
        )
    return content


def _overlay(base: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in overrides.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), dict)
        merged[key] = _overlay(merged[key], value) if both else value
    return merged


def _describe(fault: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{name} is no parameter of the twin; remove it or correct its spelling"
    return f"{name} = {fault['input']!r}: {fault['msg'][:1].lower()}{fault['msg'][1:]}; change it to meet this bound"
