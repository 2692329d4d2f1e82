"""Bank holidays of England and Wales: the calendar of a British shop, which no sales file carries."""

from collections.abc import Iterator
from datetime import date, timedelta

_ROYAL = {date(2011, 4, 29): "Royal wedding", date(2012, 6, 5): "Diamond Jubilee"}


def bank_holidays(year: int) -> dict[date, str]:
    """Date -> name of one year's bank holidays (Banking and Financial Dealings Act 1971, and two one-offs)."""
    easter = easter_sunday(year)
    spring = _monday_on_or_before(date(year, 5, 31))
    days = {
        _substitute(date(year, 1, 1)): "New Year's Day",
        easter - timedelta(days=2): "Good Friday",
        easter + timedelta(days=1): "Easter Monday",
        _monday_on_or_before(date(year, 5, 7)): "Early May",
        (date(2012, 6, 4) if year == 2012 else spring): "Spring",
        _monday_on_or_before(date(year, 8, 31)): "Summer",
        **dict(_christmas(year)),
    }
    return dict(sorted((days | {day: name for day, name in _ROYAL.items() if day.year == year}).items()))


def easter_sunday(year: int) -> date:
    """Easter Sunday by the anonymous Gregorian computus (Meeus, Astronomical Algorithms, chapter 8)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def _christmas(year: int) -> Iterator[tuple[date, str]]:
    christmas, boxing = date(year, 12, 25), date(year, 12, 26)
    if christmas.weekday() == 5:  # Saturday: both move to the following Monday and Tuesday
        christmas, boxing = date(year, 12, 27), date(year, 12, 28)
    elif christmas.weekday() == 6:
        christmas = date(year, 12, 27)
    elif boxing.weekday() == 5:
        boxing = date(year, 12, 28)
    yield christmas, "Christmas Day"
    yield boxing, "Boxing Day"


def _substitute(day: date) -> date:
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() >= 5 else 0)


def _monday_on_or_before(day: date) -> date:
    return day - timedelta(days=day.weekday())
