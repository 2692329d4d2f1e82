"""The rows of logged prices say yes only where intervals hold, errors are small and list price is beaten everywhere."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the rows are no package

from pricing_logged_rows import TARGETS, Told, logged_verdict, misjudged_verdict

RIGHT = Told(100.0, 102.0, 95.0, 109.0, naive=80.0, naive_holds=False, verdict="", product_told=False)
WRONG = replace(RIGHT, told=130.0, low=123.0, high=137.0)
REFUSED = replace(WRONG, verdict="effective sample size 3")


@pytest.mark.parametrize(
    ("runs", "value", "met"),
    [
        ([[RIGHT] * 4] * 5, 1.0, True),  # an error of 2 where the naive one is 20
        ([[RIGHT] * 4] * 4 + [[RIGHT, WRONG, WRONG, WRONG]], 17 / 20, False),
        ([[RIGHT] * 4] * 4 + [[RIGHT, REFUSED, REFUSED, REFUSED]], 1.0, True),
        ([[replace(RIGHT, told=107.0)] * 4] * 5, 1.0, False),  # within, but 7 of 20
        ([[REFUSED] * 4] * 5, 0.0, False),
    ],
)
def test_intervals_that_hold_and_small_errors(runs: list[list[Told]], value: float, met: bool) -> None:
    found = logged_verdict({"salad": [dict(zip(TARGETS, run, strict=True)) for run in runs]})
    assert found.value == pytest.approx(value)
    assert found.met is met


def test_what_is_not_told_is_named() -> None:
    note = logged_verdict({"salad": [dict(zip(TARGETS, [RIGHT, REFUSED, RIGHT, RIGHT], strict=True))]}).note
    assert "salad 2.0% (naive 20.0%), 3 of 3 hold, not told: bid price 1" in note


@pytest.mark.parametrize(("value", "met"), [(60.0, True), (50.0, False), (40.0, False)])
def test_list_price_is_beaten_on_each(value: float, met: bool) -> None:
    good = {
        "value": 90.0, "promised value": 95.0, "list value": 50.0, "optimum": 100.0, "revenue": 200.0, "list revenue": 150.0,
        "promised revenue": 210.0,
    }  # fmt: skip
    found = misjudged_verdict({"salad": {0.5: [good], 1.5: [{**good, "value": value}]}})
    assert found.value == pytest.approx((value - 50) / 100)
    assert found.met is met
    assert ("not above list price: none" in found.note) is met
