"""State features of the series' own sales: level, spread, trend, intermittency, weekly and yearly season."""

from collections.abc import Iterator
from typing import Any

import ibis

from features.feature_spec import Family, Feature, ratio
from features.state_windows import SEASON_DAYS, SEASON_LAST_WEEKS, SEASON_WEEKS, Windows

# Windows are named by their length in days at either frequency: 28 days are 28 rows daily and 4 rows weekly.
LEVEL_DAYS = (7, 14, 28, 91, 364)
HALF_LIVES = {"daily": (3, 14), "weekly": (14,)}
LAST_PERIODS = {"daily": 7, "weekly": 8}
LAGS = (14, 28, 364)  # daily, beyond the last week
YEAR_AGO_BINS = {"daily": 7, "weekly": 52}
YEAR_DAYS = 364  # 52 whole weeks, so that weekdays meet
SCALE_FLOOR = 0.1


def _frequency(w: Windows) -> str:
    return "daily" if w.daily else "weekly"


def _level(w: Windows) -> Iterator[Feature]:
    levels = {days: w.mean("y", days) for days in LEVEL_DAYS}
    scale = ibis.greatest(
        ibis.coalesce(levels[28], levels[91], levels[364], 0.0),
        (levels[91] / 2).fill_null(0.0),
        (levels[364] / 4).fill_null(0.0),
        SCALE_FLOOR,
    )
    yield Feature(
        "scale",
        "Positive size of the series, by which a model divides its target: level_28, or the next longer level that "
        f"exists; at least level_91 / 2, level_364 / 4 and {SCALE_FLOOR}",
        "sales",
        scale,
    )
    for days, level in levels.items():
        yield Feature(f"level_{days}", f"Mean over the open periods of the last {days} days", "sales", level)
    for days in (7, 28, 91):
        meaning = f"Mean over the open periods of the last {days} days without a stock-out"
        yield Feature(f"level_uncensored_{days}", meaning, "sales", w.mean("u", days))
    for half_life in HALF_LIVES[_frequency(w)]:
        meaning = f"Mean over the open periods of the last 91 days, whose weights halve every {half_life} days"
        yield Feature(f"ewm_{half_life}", meaning, "sales", w.decayed_mean("y", half_life))
    for days in (28, 91):
        yield Feature(
            f"median_{days}",
            f"Median over the open periods of the last {days} days",
            "sales",
            w.quantile("y", days, 0.5),
        )
    for share in (0.1, 0.9):
        percent = round(share * 100)
        meaning = f"{percent} % quantile over the open periods of the last 91 days, linear between two values"
        yield Feature(f"level_q{percent}_91", meaning, "sales", w.quantile("y", 91, share))
    for days in (28, 91):
        yield Feature(f"max_{days}", f"Largest value of the last {days} days", "sales", w.max("y", days))
    yield Feature("min_28", "Smallest value of the open periods of the last 28 days", "sales", w.min("y", 28))
    for days in (28, 91, 364):
        meaning = f"Mean over the periods with a sale in the last {days} days"
        yield Feature(f"mean_nonzero_{days}", meaning, "sales", w.mean("positive", days))
    for k in range(1, LAST_PERIODS[_frequency(w)] + 1):
        meaning = f"Value {k} period(s) before the first step (last_1 is the origin itself); null if closed"
        yield Feature(f"last_{k}", meaning, "sales", w.at("y", (k - 1) * w.step))
    if w.daily:
        for days in LAGS:
            meaning = f"Value {days} days before the first step; null if closed"
            yield Feature(f"lag_{days}", meaning, "sales", w.at("y", days - 1))
        yield Feature(
            "mean_workday_28",
            "Mean over the open Mondays to Fridays of the last 28 days",
            "sales",
            w.mean("workday", 28),
        )
        yield Feature(
            "mean_weekend_28",
            "Mean over the open Saturdays and Sundays of the last 28 days",
            "sales",
            w.mean("weekend", 28),
        )


def _spread(w: Windows) -> Iterator[Feature]:
    deviations = {days: w.deviation("y", "y_square", days) for days in (28, 91, 364)}
    for days in (28, 91):
        meaning = f"Sample deviation over the open periods of the last {days} days"
        yield Feature(f"std_{days}", meaning, "sales", deviations[days])
    for days in (91, 364):
        value = ratio(deviations[days], w.mean("y", days))
        yield Feature(f"cv_{days}", f"Sample deviation / mean over the last {days} days", "ratio", value)
    yield Feature("skew_91", "Third standardised moment over the open periods of the last 91 days", "ratio", _skew(w))
    low, high = w.quantile("y", 91, 0.25), w.quantile("y", 91, 0.75)
    yield Feature(
        "quartile_spread_91",
        "(upper - lower) / (upper + lower) quartile of the last 91 days",
        "ratio",
        ratio(high - low, high + low),
    )
    yield Feature(
        "peak_91", "Largest value / mean of the last 91 days", "ratio", ratio(w.max("y", 91), w.mean("y", 91))
    )
    if w.daily:
        meaning = "Correlation of a day's value with that of the same weekday a week before, over the last 91 days"
        yield Feature("autocorrelation_7_91", meaning, "ratio", _autocorrelation(w))


def _skew(w: Windows) -> Any:
    n = w.count("y", 91).nullif(0)
    mean, square, cube = (w.sum(name, 91) / n for name in ("y", "y_square", "y_cube"))
    variance = square - mean * mean
    third = cube - 3 * mean * square + 2 * mean * mean * mean
    # Below a ten-thousandth of the level squared there is rounding alone.
    return ibis.ifelse(variance > 1e-8 * square, third / (variance * variance.sqrt()).nullif(0.0), ibis.null("float64"))


def _autocorrelation(w: Windows) -> Any:
    n = w.count("ac_now", 91).nullif(0)
    now, then, product, now_square, then_square = (
        w.sum(name, 91) / n for name in ("ac_now", "ac_then", "ac_product", "ac_now_square", "ac_then_square")
    )
    spread = (now_square - now * now) * (then_square - then * then)
    known = (n >= 14) & (spread > 1e-12 * now_square * then_square)
    return ibis.ifelse(
        known, (product - now * then) / ibis.greatest(spread, 0.0).sqrt().nullif(0.0), ibis.null("float64")
    )


def _trend(w: Windows) -> Iterator[Feature]:
    def level(days: int, since: int = 0) -> Any:
        return w.mean("y", days, since)

    pairs = {
        "trend_7_28": ("level_7 / level_28", level(7), level(28)),
        "trend_28_28": ("level_28 / level_28 as it was 28 days ago", level(28), level(28, 28)),
        "trend_28_91": ("level_28 / level_91", level(28), level(91)),
        "trend_year": ("level_28 / level_28 as it was 364 days ago", level(28), level(28, YEAR_DAYS)),
        "trend_91_91": ("level_91 / level_91 as it was 91 days ago", level(91), level(91, 91)),
        "trend_91_364": ("level_91 / level_364", level(91), level(364)),
        "trend_91_year": ("level_91 / level_91 as it was 364 days ago", level(91), level(91, YEAR_DAYS)),
    }
    for name, (meaning, now, then) in pairs.items():
        yield Feature(name, meaning, "ratio", ratio(now, then))
    if w.daily:
        yield Feature(
            "trend_momentum", "ewm_3 / ewm_14", "ratio", ratio(w.decayed_mean("y", 3), w.decayed_mean("y", 14))
        )
    for days in (28, 91):
        meaning = f"Rise over {days} days of the least-squares line through them, in shares of level_{days}"
        yield Feature(f"slope_{days}", meaning, "ratio", ratio(w.slope("y", days) * days, level(days)))


def _intermittency(w: Windows) -> Iterator[Feature]:
    meaning = "Periods since the last one with a sale; null if there was none in the last 364 days"
    yield Feature("periods_since_sale", meaning, "periods", w.newest("positive", YEAR_DAYS))
    for days in (28, 91):
        yield Feature(
            f"zero_share_{days}", f"Open periods of the last {days} days without a sale", "share", w.mean("zero", days)
        )
    interval = w.count("y", YEAR_DAYS) / w.count("positive", YEAR_DAYS).nullif(0)
    yield Feature(
        "adi_364",
        "Average interval of demand: open periods for each one with a sale, last 364 days",
        "periods",
        interval,
    )
    for days in (91, YEAR_DAYS):
        deviation = w.deviation("positive", "positive_square", days)
        relative = ratio(deviation, w.mean("positive", days))
        yield Feature(
            f"cv2_nonzero_{days}",
            f"Squared deviation / mean of the periods with a sale, last {days} days",
            "ratio",
            relative * relative,
        )
    yield Feature(
        "zero_run_91",
        "Open periods without a sale / runs of them that began after a sale, last 91 days",
        "periods",
        w.sum("zero", 91) / w.sum("zero_run_start", 91),
    )
    size = ratio(w.mean("positive", 28), w.mean("positive", 91))
    yield Feature("sale_size_trend_28_91", "mean_nonzero_28 / mean_nonzero_91", "ratio", size)


def _weekly_season(w: Windows) -> Iterator[Feature]:
    means = [w.phase("mean", "u", j) for j in range(SEASON_DAYS)]
    for j in range(SEASON_DAYS):
        steps = f"of the weekday of steps {j + 1}, {j + 8}, ..."
        mean = f"Mean {steps} over the open days without a stock-out of the last {SEASON_WEEKS} weeks"
        yield Feature(f"season_mean_{j}", mean, "sales", means[j])
        last = f"Last open value {steps} within {SEASON_LAST_WEEKS} weeks"
        yield Feature(f"season_last_{j}", last, "sales", w.phase("last", "y", j))
    days = SEASON_DAYS * SEASON_WEEKS
    yield Feature(
        "weekend_share_56",
        "Share of the sales of the last 56 days on Saturdays and Sundays",
        "share",
        ratio(w.sum("weekend", days).fill_null(0.0), w.sum("y", days)),
    )
    spread = ibis.greatest(*means) - ibis.least(*means)
    yield Feature(
        "weekday_range_56",
        "(largest - smallest mean of a weekday) / mean, last 56 days without stock-outs",
        "ratio",
        ratio(spread, w.mean("u", days)),
    )


def _yearly_season(w: Windows) -> Iterator[Feature]:
    for b in range(1, YEAR_AGO_BINS[_frequency(w)] + 1):
        meaning = f"Value 52 weeks before step {b}"
        if b <= YEAR_AGO_BINS["daily"]:
            daily = f"Daily: mean of the week 364 days before steps {7 * b - 6} to {7 * b}"
            meaning = f"Weekly: value 52 weeks before step {b}. {daily}"
        yield Feature(f"year_ago_{b}", meaning, "sales", w.mean("y", 7, YEAR_DAYS - 7 * b))
    then = w.mean("y", 28, YEAR_DAYS)
    yield Feature("level_28_year_ago", "level_28 as it was 364 days ago", "sales", then)
    for days in (7, 42):
        meaning = f"Mean of the {days} days that followed the day 364 days ago / level_28 of that day"
        yield Feature(f"yearly_rise_{days}", meaning, "ratio", ratio(w.mean("y", days, YEAR_DAYS - days), then))


FAMILIES = (
    Family("level", _level),
    Family("spread", _spread),
    Family("trend", _trend),
    Family("intermittency", _intermittency),
    Family("weekly season", _weekly_season, daily_only=True),
    Family("yearly season", _yearly_season),
)
