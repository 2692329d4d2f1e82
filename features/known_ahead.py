"""The documented list of what is known ahead: names in the `covariates` table that this room builds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from features.feature_spec import Group

Scope = Literal["all", "region", "category", "product or series"]

HOLIDAY_CAP_DAYS = 14
FAR_HOLIDAY_CAP_DAYS = 60
SCHOOL_CAP_DAYS = 28
PROMOTION_CAP_DAYS = 28
PRICE_AHEAD_DAYS = 42  # the longest forecast: nobody asks for the planned price of a day earlier than that
HEATING_BELOW_C = 15.0
COOLING_ABOVE_C = 22.0


@dataclass(frozen=True)
class KnownAheadSpec:
    """One covariate of a day to come. `default` is what absence means; None: absence is unknown.

    `needs` are the tables that it is made of.
    """

    name: str
    meaning: str
    unit: str
    scope: Scope
    group: Group
    needs: tuple[str, ...]
    default: float | None = None


def _calendar(name: str, meaning: str, unit: str) -> KnownAheadSpec:
    return KnownAheadSpec(name, meaning, unit, "all", "calendar", ("calendar",))


def _weather(name: str, meaning: str, unit: str) -> KnownAheadSpec:
    return KnownAheadSpec(name, f"{meaning}, as issued by the origin", unit, "region", "weather", ("weather_forecast",))


def _promotion(name: str, meaning: str, unit: str, default: float = 0.0) -> KnownAheadSpec:
    needs = ("promotions",)
    return KnownAheadSpec(name, meaning, unit, "product or series", "promotion", needs, default)


def _category(name: str, meaning: str, unit: str) -> KnownAheadSpec:
    return KnownAheadSpec(name, meaning, unit, "category", "promotion", ("promotions", "products"), 0.0)


KNOWN_AHEAD: tuple[KnownAheadSpec, ...] = (
    _calendar("is_holiday", "Shops keep holiday hours", "flag"),
    _calendar("is_school_break", "Schools are closed", "flag"),
    _calendar("days_to_holiday", f"Days to the next holiday, at most {HOLIDAY_CAP_DAYS}", "days"),
    _calendar("days_since_holiday", f"Days since the last holiday, at most {HOLIDAY_CAP_DAYS}", "days"),
    _calendar("days_to_holiday_far", f"Days to the next holiday, at most {FAR_HOLIDAY_CAP_DAYS}", "days"),
    _calendar("days_since_holiday_far", f"Days since the last holiday, at most {FAR_HOLIDAY_CAP_DAYS}", "days"),
    _calendar("is_holiday_eve", "The day after is a holiday and this one is not", "flag"),
    _calendar("is_after_holiday", "The day before was a holiday and this one is not", "flag"),
    _calendar("is_bridge_day", "A working day with a day off (weekend, holiday) on either side", "flag"),
    _calendar(
        "days_off_run", "Length of the run of days off (weekend, holidays) that the day lies in; 0 if it works", "days"
    ),
    _calendar("holidays_in_week", "Holidays in the week (Monday to Sunday) of the day", "count"),
    _calendar("holidays_next_7", "Holidays in the seven days after the day", "count"),
    _calendar("is_holiday_year_ago", "The day 364 days before was a holiday: a level of last year rests on it", "flag"),
    _calendar("holidays_in_week_year_ago", "Holidays in the week of the day 364 days before", "count"),
    _calendar("is_school_break_year_ago", "Schools were closed 364 days before", "flag"),
    _calendar("school_break_day", "Which day of the school break it is; 0 outside", "days"),
    _calendar("school_break_days_left", "Days left of the school break, this one included; 0 outside", "days"),
    _calendar("days_to_school_break", f"Days to the next school break, 0 within, at most {SCHOOL_CAP_DAYS}", "days"),
    _calendar(
        "days_since_school_break", f"Days since the last school break, 0 within, at most {SCHOOL_CAP_DAYS}", "days"
    ),
    _calendar("days_to_month_end", "Days left in the month after this one", "days"),
    _calendar(
        "days_from_month_turn", "Days after the nearest first of a month, negative before it: wages come then", "days"
    ),
    _weather("forecast_temp_c", "Mean temperature", "Cel"),
    _weather("forecast_rain_mm", "Precipitation", "mm"),
    _weather("forecast_temp_to_issue", "Mean temperature less that of all days of the same issue", "Cel"),
    _weather(
        "forecast_temp_mean_3", "Mean temperature of the day and the two before it, as far as they were issued", "Cel"
    ),
    _weather("forecast_rain_sum_3", "Precipitation of the day and the two before it, as far as they were issued", "mm"),
    _weather("forecast_heating", f"Degrees below {HEATING_BELOW_C:g} Cel", "Cel"),
    _weather("forecast_cooling", f"Degrees above {COOLING_ABOVE_C:g} Cel", "Cel"),
    _weather("forecast_lead_days", "Days from the issue to the day: how much the forecast is worth", "days"),
    _promotion("promo_depth", "Deepest discount announced for the day", "share"),
    _promotion("promo_multibuy", "One of the day's promotions is a multibuy", "flag"),
    _promotion("promo_clearance", "One of the day's promotions is a clearance", "flag"),
    _promotion("promo_day", "Which day of its promotion it is (of the one that began first); 0 outside", "days"),
    _promotion(
        "promo_days_left", "Days left of the promotion, this one included (of the last to end); 0 outside", "days"
    ),
    _promotion("promo_length", "Length of the longest promotion of the day; 0 outside", "days"),
    _promotion(
        "days_to_next_promo",
        f"Days until the next announced promotion begins; {PROMOTION_CAP_DAYS} if none does sooner",
        "days",
        PROMOTION_CAP_DAYS,
    ),
    _promotion(
        "days_after_promo",
        f"Days since the last announced promotion will have ended; {PROMOTION_CAP_DAYS} if none has later",
        "days",
        PROMOTION_CAP_DAYS,
    ),
    _category("category_promos", "Promotions announced for the day in all stores within the category", "count"),
    _category("category_promo_depth", "Deepest of their discounts", "share"),
    KnownAheadSpec(
        "planned_price",
        "Base price in force on the day by the plans announced so far, before promotions",
        "currency",
        "product or series",
        "price",
        ("price_plans",),
    ),
)

# A covariate that is absent is unknown (null), save where absence has a meaning of its own.
COVARIATE_DEFAULTS: Mapping[str, float] = {spec.name: spec.default for spec in KNOWN_AHEAD if spec.default is not None}
