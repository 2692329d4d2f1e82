"""Plans before a start, against the textbook's numbers."""

import pytest

from models.experiments.power import PowerError, detectable, plan


def test_the_textbook_case() -> None:
    """Deviation 1, effect 0.5, level 5 %, power 80 %: 2 x (1.95996 + 0.84162)^2 / 0.25 = 62.79 an arm, 125.6 in all."""
    found = plan(deviation=1, effect=0.5)
    assert found.units_fixed == 126
    # Always valid: ((3.03545 + 0.84162) / (1.95996 + 0.84162))^2 = 1.9152 times as many at most, 240.5
    assert found.units_always_valid == 241


def test_what_changes_the_need_for_units() -> None:
    base = plan(deviation=1, effect=0.01).units_fixed
    assert plan(deviation=1, effect=-0.02).units_fixed == pytest.approx(base / 4, rel=1e-4)
    assert plan(deviation=1, effect=0.01, rho=0.8).units_fixed == pytest.approx(0.36 * base, rel=1e-4)
    # 10 % in the treated arm: (1 / 0.1 + 1 / 0.9) / 4 = 2.78 times
    assert plan(deviation=1, effect=0.01, share=0.1).units_fixed == pytest.approx(base * 2.7778, rel=1e-4)


def test_days_hold_the_arrivals_and_the_last_window() -> None:
    found = plan(deviation=1, effect=0.5, units_per_day=20, window_days=7)
    assert (found.days_fixed, found.days_always_valid) == (7 + 6, 13 + 6)  # 126 / 20 and 241 / 20, rounded up
    assert plan(deviation=1, effect=0.5).days_fixed is None


@pytest.mark.parametrize("always", [False, True])
def test_detectable_and_plan_are_inverse(always: bool) -> None:
    found = plan(deviation=3, effect=0.1, rho=0.4, share=0.3)
    units = found.units_always_valid if always else found.units_fixed
    assert detectable(deviation=3, units=units, rho=0.4, share=0.3, always_valid=always) == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"effect": 0.0}, "effect 0.0"),
        ({"deviation": 0.0}, "deviation 0.0"),
        ({"share": 1.0}, "share 1.0"),
        ({"rho": 1.0}, "rho 1.0"),
        ({"power": 0.01}, "power 0.01"),
        ({"units_per_day": 0.0}, "units_per_day 0.0"),
        ({"effect": 1e-9}, "at most 1e"),
    ],
)
def test_impossible_plans_name_the_value(change: dict[str, float], message: str) -> None:
    with pytest.raises(PowerError, match=message):
        plan(**{"deviation": 1.0, "effect": 0.1, **change})
