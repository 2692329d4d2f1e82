"""Public holidays and school breaks of the twin's country, computed for any year."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from sources.twin.arrays import Bools, Floats

EVE_DAYS = 3  # the rush before a holiday lasts this many days


@dataclass(frozen=True)
class Calendar:
    """Days from `first` (days since 1970) on, each array (D,); `eve` rises to 1 on the day before a holiday."""

    first: int
    names: list[str | None]
    is_holiday: Bools
    is_school_break: Bools
    eve: Floats


def easter_sunday(year: int) -> date:
    """Western Easter of a year, by the anonymous Gregorian algorithm (Meeus, Jones, Butcher)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    weekday = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * weekday) // 451
    month, day = divmod(h + weekday - 7 * m + 114, 31)
    return date(year, month, day + 1)


def holidays_of(year: int) -> dict[date, str]:
    """Public holidays of a year by date."""
    easter = easter_sunday(year)
    return {
        date(year, 1, 1): "New Year's Day",
        easter - timedelta(days=2): "Good Friday",
        easter + timedelta(days=1): "Easter Monday",
        date(year, 5, 1): "Labour Day",
        easter + timedelta(days=39): "Ascension Day",
        date(year, 8, 15): "Assumption Day",
        date(year, 11, 1): "All Saints' Day",
        date(year, 12, 25): "Christmas Day",
        date(year, 12, 26): "Boxing Day",
    }


def _school_breaks(year: int) -> list[tuple[date, date]]:
    easter = easter_sunday(year)
    return [
        (date(year, 1, 1), date(year, 1, 5)),
        (date(year, 2, 10), date(year, 2, 18)),
        (easter - timedelta(days=7), easter + timedelta(days=7)),
        (date(year, 7, 8), date(year, 8, 25)),
        (date(year, 10, 20), date(year, 11, 2)),
        (date(year, 12, 22), date(year, 12, 31)),
    ]


def build_calendar(first: date, last: date) -> Calendar:
    """Calendar of the days first, ..., last."""
    days = (last - first).days + 1
    names: list[str | None] = [None] * days
    breaks = np.zeros(days, dtype=np.bool_)
    eve = np.zeros(days)
    for year in range(first.year, last.year + 2):
        for day, name in holidays_of(year).items():
            at = (day - first).days
            if 0 <= at < days:
                names[at] = name
            for before in range(1, EVE_DAYS + 1):
                if 0 <= at - before < days:
                    eve[at - before] = max(eve[at - before], 1.0 - (before - 1) / EVE_DAYS)
        for begins, ends in _school_breaks(year):
            breaks[max((begins - first).days, 0) : max((ends - first).days + 1, 0)] = True
    is_holiday = np.array([name is not None for name in names])
    eve[is_holiday] = 0.0
    return Calendar(int(np.datetime64(first, "D").astype(np.int64)), names, is_holiday, breaks, eve)
