"""Promoted days that a source tells as a covariate: worked by hand, and blind to what became known later."""

from collections.abc import Sequence
from dataclasses import replace

import ibis
import pytest
from state_case import DAY, REAL, TEXT, day, demand, state_at, states, table

from features.state import StateTables
from features.state_marks import marks_promotions

NAME = "S1/P1"
UNITS = [10.0, 20.0, 11.0, 12.0, 30.0, 13.0, 14.0, 15.0, 24.0, 17.0, 16.0, 36.0]


def marks(*rows: tuple[str, str, int, float, int], name: str = "promo") -> ibis.Table:
    """(scope, scope value, day, value, day from which it is known)."""
    columns = {"scope": TEXT, "scope_value": TEXT, "period_start": DAY, "name": TEXT, "value": REAL, "known_from": DAY}
    return table(columns, [(scope, of, day(on), name, value, day(known)) for scope, of, on, value, known in rows])


def told(*days: int, scope: str = "series", of: str = NAME) -> list[tuple[str, str, int, float, int]]:
    return [(scope, of, on, 1.0, 0) for on in days]


def marked(rows: Sequence[tuple[str, str, int, float, int]], name: str = "promo") -> StateTables:
    return demand({NAME: UNITS}, marks=marks(*rows, name=name))


def test_levels_seasons_and_uplift_rest_on_the_marked_days() -> None:
    found = state_at(marked(told(1, 4, 8, 11)), 11)
    plain = [value for at, value in enumerate(UNITS) if at not in {1, 4, 8, 11}]
    assert found["level_promo_364"] == pytest.approx((20 + 30 + 24 + 36) / 4)
    assert found["level_plain_28"] == pytest.approx(sum(plain) / len(plain))
    assert found["promo_uplift_91"] == pytest.approx(27.5 / (sum(plain) / len(plain)))
    assert found["promo_now"] == 1.0 and found["promo_count_364"] == 4
    # Step 5 from day 11 is day 16, a weekday of days 9 (plain) and 2 (plain); step 4 is that of days 8 and 1 (promoted).
    assert found["season_plain_4"] == found["profile_plain_4"] == pytest.approx((17 + 11) / 2)
    assert found["season_promo_3"] == found["profile_promo_3"] == pytest.approx((24 + 20) / 2)
    assert found["season_promo_4"] is None and found["season_plain_3"] is None


def test_profiles_look_back_a_year_and_seasons_eight_weeks() -> None:
    units = [float(i % 7 + i // 70) for i in range(400)]
    promoted = [i for i in range(400) if i % 14 < 5]
    found = state_at(demand({NAME: units}, marks=marks(*told(*promoted))), 399)
    same = [i for i in range(399, -1, -1) if (399 - i) % 7 == 6]  # the weekday of step 1
    for word, kept in (("promo", set(promoted)), ("plain", set(range(400)) - set(promoted))):
        for stem, days in (("season", 56), ("profile", 364)):
            values = [units[i] for i in same if i in kept and 399 - i < days]
            wanted = pytest.approx(sum(values) / len(values)) if values else None
            assert found[f"{stem}_{word}_0"] == wanted


def test_the_narrowest_scope_counts_and_what_was_known_by_the_day() -> None:
    wide = [("all", "*", 11, 1.0, 0), ("store", "S1", 10, 1.0, 0)]
    assert state_at(marked(wide), 11)["promo_now"] == 1.0
    assert state_at(marked(wide), 10)["promo_now"] == 1.0
    assert state_at(marked([*wide, ("series", NAME, 11, 0.0, 0)]), 11)["promo_now"] == 0.0
    late = [*wide, ("series", NAME, 11, 0.0, 12)]  # taken back a day too late
    assert state_at(marked(late), 11)["promo_now"] == 1.0


def test_other_covariates_mark_nothing() -> None:
    assert marks_promotions("onpromotion") and marks_promotions("Promo2") and not marks_promotions("school_holiday")
    found = state_at(marked(told(11), name="school_holiday"), 11)
    assert found["promo_now"] == 0.0 and found["level_promo_364"] is None


def test_marks_after_the_origin_move_nothing() -> None:
    tables = marked(told(1, 4, 8))
    later = replace(tables, marks=marks(*told(1, 4, 8), *told(9, 10, 11)))
    assert states(later, origins=[day(8)]) == states(tables, origins=[day(8)])
