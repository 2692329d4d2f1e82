"""The documented list of state features: what each one means, in which unit, at which frequency."""

from dataclasses import dataclass
from typing import Literal

Frequency = Literal["daily", "weekly"]

# Windows are named by their length in days at either frequency: 28 days are 28 rows daily and 4 rows weekly.
LEVEL_DAYS = (7, 28, 91, 364)
SPREAD_DAYS = (28, 91)
SHARE_DAYS = (28, 91)
SEASON_DAYS = 7  # daily series repeat by the week
SEASON_WEEKS = 8  # weeks of history behind a mean per weekday
SEASON_LAST_WEEKS = 4  # weeks to look back for the last open day of a weekday
LAST_PERIODS = {"daily": 7, "weekly": 8}
YEAR_AGO_BINS = {"daily": 7, "weekly": 52}
YEAR_DAYS = 364  # 52 whole weeks, so that weekdays meet
SCALE_FLOOR = 0.1


@dataclass(frozen=True)
class FeatureSpec:
    """One state feature. `unit` is "sales" for the unit of the series (units or a currency) per period."""

    name: str
    meaning: str
    unit: str
    frequency: Literal["daily", "weekly", "both"] = "both"


def _specs() -> tuple[FeatureSpec, ...]:
    spec = FeatureSpec
    specs = [
        spec(
            "scale",
            "Positive size of the series, by which a model divides its target: level_28, or the next longer "
            f"level that exists; at least level_91 / 2, level_364 / 4 and {SCALE_FLOOR}",
            "sales",
        ),
        spec("age_periods", "Periods since the series began, this one included", "periods"),
        spec("periods_since_sale", "Periods since the last one with a sale; null before the first sale", "periods"),
    ]
    specs += [spec(f"level_{d}", f"Mean over the open periods of the last {d} days", "sales") for d in LEVEL_DAYS]
    specs += [
        spec(f"level_uncensored_{d}", f"Mean over the open periods of the last {d} days without a stock-out", "sales")
        for d in SPREAD_DAYS
    ]
    specs += [
        spec(f"std_{d}", f"Sample deviation over the open periods of the last {d} days", "sales") for d in SPREAD_DAYS
    ]
    specs += [spec(f"max_{d}", f"Largest value of the last {d} days", "sales") for d in SPREAD_DAYS]
    specs += [spec("median_28", "Median over the open periods of the last 28 days", "sales")]
    specs += [spec(f"zero_share_{d}", f"Open periods of the last {d} days without a sale", "share") for d in SHARE_DAYS]
    specs += [
        spec(f"censored_share_{d}", f"Open periods of the last {d} days that ran out of stock", "share")
        for d in SHARE_DAYS
    ]
    specs += [spec(f"open_share_{d}", f"Periods of the last {d} days that were open", "share") for d in SHARE_DAYS]
    specs += [
        spec("mean_nonzero_91", "Mean over the periods with a sale in the last 91 days", "sales"),
        spec("trend_7_28", "level_7 / level_28", "ratio"),
        spec("trend_28_28", "level_28 / level_28 as it was 28 days ago", "ratio"),
        spec("trend_28_91", "level_28 / level_91", "ratio"),
        spec("trend_year", "level_28 / level_28 as it was 364 days ago", "ratio"),
    ]
    for frequency in ("daily", "weekly"):
        specs += [
            spec(
                f"last_{k}",
                f"Value {k} period(s) before the first step (last_1 is the origin itself); null if closed",
                "sales",
                "both" if k <= min(LAST_PERIODS.values()) else frequency,
            )
            for k in range(1, LAST_PERIODS[frequency] + 1)
        ]
    for j in range(SEASON_DAYS):
        specs += [
            spec(
                f"season_mean_{j}",
                f"Mean of the weekday of steps {j + 1}, {j + 8}, ... over the open days without a "
                f"stock-out of the last {SEASON_WEEKS} weeks",
                "sales",
                "daily",
            ),
            spec(
                f"season_last_{j}",
                f"Last open value of the weekday of steps {j + 1}, {j + 8}, ... within {SEASON_LAST_WEEKS} weeks",
                "sales",
                "daily",
            ),
        ]
    for b in range(1, YEAR_AGO_BINS["weekly"] + 1):
        if b <= YEAR_AGO_BINS["daily"]:
            daily = f"Daily: mean of the week 364 days before steps {7 * b - 6} to {7 * b}"
            meaning = f"Weekly: value 52 weeks before step {b}. {daily}"
            specs.append(spec(f"year_ago_{b}", meaning, "sales"))
        else:
            specs.append(spec(f"year_ago_{b}", f"Value 52 weeks before step {b}", "sales", "weekly"))
    unique: dict[str, FeatureSpec] = {}
    for each in specs:
        unique.setdefault(each.name, each)
    return tuple(unique.values())


STATE_FEATURES: tuple[FeatureSpec, ...] = _specs()


def state_feature_names(frequency: Frequency) -> tuple[str, ...]:
    """Names of the state features that exist at this frequency, in the order of the registry."""
    return tuple(spec.name for spec in STATE_FEATURES if spec.frequency in {"both", frequency})
