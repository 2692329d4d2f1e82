"""State features of what surrounds the sales: social heat of the category, observed weather of the region."""

from collections.abc import Iterator
from typing import Any

from features.feature_spec import Family, Feature, ratio
from features.state_days import WET_MM
from features.state_windows import Windows


def _social_heat(w: Windows) -> Iterator[Feature]:
    talk = w.group("category")
    usual = talk.mean("heat", 91)
    for days in (1, 7, 28):
        meaning = f"Social heat of the category, mean of the last {days} day(s) / of the last 91 days"
        yield Feature(f"heat_{days}", meaning, "ratio", ratio(talk.mean("heat", days), usual))
    yield Feature(
        "heat_trend_7_7",
        "Social heat of the last 7 days / of the 7 days before",
        "ratio",
        ratio(talk.mean("heat", 7), talk.mean("heat", 7, 7)),
    )
    yield Feature(
        "heat_peak_28",
        "Highest social heat of the last 28 days / mean of the last 91",
        "ratio",
        ratio(talk.max("heat", 28), usual),
    )
    spread = ratio(talk.deviation("heat", "heat_square", 28), talk.mean("heat", 28))
    yield Feature("heat_cv_28", "Sample deviation / mean of the social heat of the last 28 days", "ratio", spread)


def _weather(w: Windows) -> Iterator[Feature]:
    sky = w.group("region")
    yield Feature("weather_temp_1", "Mean temperature of the region on the origin day", "Cel", sky.mean("temp", 1))
    yield Feature("weather_temp_28", "Mean temperature of the last 28 days", "Cel", sky.mean("temp", 28))
    yield Feature(
        "weather_temp_change_7",
        "Mean temperature of the last 7 days less that of the 7 days before",
        "Cel",
        sky.mean("temp", 7) - sky.mean("temp", 7, 7),
    )
    yield Feature(
        "weather_temp_to_year_ago",
        "Mean temperature of the last 28 days less that of the same days 364 days before",
        "Cel",
        sky.mean("temp", 28) - sky.mean("temp", 28, 364),
    )
    yield Feature("weather_rain_28", "Mean daily precipitation of the last 28 days", "mm", sky.mean("rain", 28))
    yield Feature(
        "weather_days_since_rain",
        f"Days since the last with at least {WET_MM:g} mm; null if none in 28",
        "days",
        sky.newest("wet_day", 28),
    )
    yield Feature(
        "weather_warmth_response_91",
        "Slope of the day's value on its temperature over the last 91 days, in shares of the level a degree",
        "ratio",
        _response(w),
    )
    wet = ratio(w.mean("u_wet", 91), w.mean("u_dry", 91))
    yield Feature(
        "weather_wet_uplift_91",
        f"Mean of the days with at least {WET_MM:g} mm / of the others, last 91 days",
        "ratio",
        wet,
    )
    for name, column, unit in (("forecast_temp_c", "temp", "Cel"), ("forecast_rain_mm", "rain", "mm")):
        meaning = f"Observed mean of the last 7 days that {name} is held against"
        yield Feature(f"covariate_mean_{name}", meaning, unit, sky.mean(column, 7))


def _response(w: Windows) -> Any:
    n = w.count("warm", 91)
    warm, units = w.sum("warm", 91), w.sum("warm_units", 91)
    slope = (n * w.sum("warm_product", 91) - warm * units) / (n * w.sum("warm_square", 91) - warm * warm).nullif(0.0)
    return ratio(slope, units / n.nullif(0))


FAMILIES = (
    Family("social heat", _social_heat, needs=("social_heat",), daily_only=True),
    Family("weather", _weather, needs=("weather",), daily_only=True),
)
