"""Parameters from outside: sizes, files, and errors that say what to do."""

import json
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from sources.open import TwinOptions, open_source
from sources.twin.holidays import build_calendar, easter_sunday, holidays_of
from sources.twin.params import TwinParams, TwinParamsError
from sources.twin.source import TwinSource
from sources.twin.tables import DAILY_TABLES


def test_sizes() -> None:
    tiny, demo = TwinParams.size("tiny"), TwinParams.size("demo")
    assert (tiny.stores, tiny.products, tiny.days) == (3, 12, 200)
    assert (demo.stores, demo.products, demo.days) == (10, 60, 730)
    assert demo.last_day == date(2025, 12, 30)
    with pytest.raises(TwinParamsError, match="'huge' is unknown; use one of tiny, demo, large"):
        TwinParams.size("huge")  # type: ignore[arg-type]


def test_params_are_frozen() -> None:
    with pytest.raises(ValidationError):
        TwinParams.size("tiny").stores = 4  # type: ignore[misc]


def test_a_file_overlays_its_base(tmp_path: Path) -> None:
    path = tmp_path / "twin.yaml"
    path.write_text("size: tiny\nstart: 2023-03-01\ndemand:\n  elasticity: 1.5\n")
    params = TwinParams.load(path)
    assert (params.stores, params.start, params.demand.elasticity) == (3, date(2023, 3, 1), 1.5)
    assert params.demand.dispersion == TwinParams.size("tiny").demand.dispersion
    as_json = tmp_path / "twin.json"
    as_json.write_text(json.dumps({"stores": 2, "dirt": {"duplicates": 0.05}}))
    params = TwinParams.load(as_json, base=TwinParams.size("tiny"))
    assert (params.stores, params.products, params.dirt.duplicates) == (2, 12, 0.05)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("demand:\n  elasticity: 9\n", r"demand\.elasticity = 9.*less than or equal to 6.*change it"),
        ("storse: 3\n", "storse is no parameter of the twin; remove it or correct its spelling"),
        ("dirt:\n  duplicates: 0.9\n  late_rows: -1\n", r"dirt\.duplicates = 0\.9.*dirt\.late_rows = -1"),
        ("- 3\n", "holds a list; write one mapping"),
        ("a: [", "neither YAML nor JSON"),
        ("size: huge\n", "'huge' is unknown"),
    ],
)
def test_errors_name_value_bound_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "twin.yaml"
    path.write_text(text)
    with pytest.raises(TwinParamsError, match=message):
        TwinParams.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TwinParamsError, match="does not exist"):
        open_source("twin", twin=TwinOptions(params_file=tmp_path / "none.yaml"))


def test_more_days_leave_earlier_days_as_they_were() -> None:
    short = TwinParams.size("tiny").model_copy(update={"days": 10})
    days = zip(TwinSource(short, 3).days(), TwinSource(short.model_copy(update={"days": 40}), 3).days(), strict=False)
    compared = 0
    for (day, one), (same_day, other) in days:
        assert day == same_day
        for table in one:
            assert one[table].equals(other[table]), (day, table)
            compared += 1
    assert compared == 10 * len(DAILY_TABLES)


@pytest.mark.parametrize(
    "day", [date(2000, 4, 23), date(2008, 3, 23), date(2024, 3, 31), date(2025, 4, 20), date(2038, 4, 25)]
)
def test_easter(day: date) -> None:
    assert easter_sunday(day.year) == day


def test_calendar_of_a_christmas() -> None:
    assert holidays_of(2024)[date(2024, 5, 9)] == "Ascension Day"
    calendar = build_calendar(date(2024, 12, 20), date(2025, 1, 2))
    assert [n for n in calendar.names if n] == ["Christmas Day", "Boxing Day", "New Year's Day"]
    # 20, 21 | 22, 23, 24 rise to the holiday | 25, 26 | 27, 28 | 29, 30, 31 rise to New Year | 1, 2
    rise = [1 / 3, 2 / 3, 1]
    assert calendar.eve.tolist() == pytest.approx([0, 0, *rise, 0, 0, 0, 0, *rise, 0, 0])
    assert calendar.is_school_break.tolist() == [False, False, *[True] * 12]
