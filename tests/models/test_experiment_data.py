"""From tables to units: what counts, what is left out and told, what is refused."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from models.common.protocols import DataError
from models.experiments.config import Config
from models.experiments.data import prepare

DAY = np.datetime64("2025-03-03", "D")
CFG = Config(window_days=2)
Tables = dict[str, Any]


def small() -> Tables:
    """Four units: a1, b1 enter on day 0, a2 on day 1, b2 on day 3, whose window of two days is not over on day 3."""
    return {
        "assignments": pa.table(
            {
                "experiment": ["banner"] * 4,
                "unit_id": ["a1", "b1", "a2", "b2"],
                "arm": ["A", "B", "A", "B"],
                "assigned_on": DAY + np.array([0, 0, 1, 3]),
            }
        ),
        "outcomes": pa.table(
            {
                # a1: 5 on its first day, 2 on its second, 100 after its window; b1: 4; a2: 9 before it entered, then nothing.
                "unit_id": ["a1", "a1", "a1", "b1", "a2", "other", "b2"],
                "day": DAY + np.array([0, 1, 2, 1, 0, 1, 3]),
                "numerator": [5.0, 2.0, 100.0, 4.0, 9.0, 7.0, 3.0],
                "denominator": [1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0],
            }
        ),
        "covariates": pa.table(
            {
                "unit_id": ["a1", "b1", "b2", "other"],
                "observed_until": np.full(4, DAY - 1),
                "past": [1.0, 2.0, 6.0, 99.0],
            }
        ),
    }


def test_a_small_experiment_worked_by_hand() -> None:
    data = prepare(small(), CFG)
    assert data.experiment == "banner"
    assert data.covariates == ("past", "has_history")
    np.testing.assert_array_equal(data.arm, [0, 1, 0, 1])
    # numerator, a constant 1, past (a2 gets the others' mean, 3), has_history
    np.testing.assert_array_equal(data.columns, [[7, 1, 1, 1], [4, 1, 2, 1], [0, 1, 3, 0], [3, 1, 6, 1]])
    np.testing.assert_array_equal(data.look, [0, 0, 1, -1])
    np.testing.assert_array_equal(data.look_days, DAY + np.array([1, 2]))
    np.testing.assert_array_equal(data.entry_counts, [[1, 1], [2, 1], [2, 2]])
    counts = data.counts
    assert (counts.before_assignment, counts.after_window, counts.of_other_units) == (1, 1, 1)
    assert (counts.units, counts.units_pending, counts.units_without_history) == (4, 1, 1)


def test_a_ratio_reads_denominators_and_a_cap_cuts_one_unit() -> None:
    data = prepare(small(), Config(window_days=2, metric="ratio", cap=5.0, adjust=False))
    np.testing.assert_array_equal(data.columns, [[5, 2], [4, 2], [0, 0], [3, 1]])
    assert data.counts.units_capped == 1


def test_a_later_day_that_is_complete_may_be_named() -> None:
    data = prepare(small(), Config(window_days=2, until=(DAY + 4).astype(object)))
    np.testing.assert_array_equal(data.look, [0, 0, 1, 2])


def test_order_of_rows_does_not_matter(model_cases: dict[str, ModuleType]) -> None:
    tables = model_cases["experiments"].simulated(units=200)
    order = np.random.default_rng(0).permutation(400)
    mixed = {**tables, "outcomes": tables["outcomes"].take(order)}
    one, two = (prepare(each, Config()) for each in (tables, mixed))
    np.testing.assert_allclose(one.columns, two.columns)
    np.testing.assert_array_equal(one.look, two.look)


def test_a_unit_seen_twice_in_one_arm_counts_from_its_first_day() -> None:
    tables = small()
    again = pa.table(
        {"experiment": ["banner"], "unit_id": ["a1"], "arm": ["A"], "assigned_on": np.array([DAY + 2])}
    ).cast(tables["assignments"].schema)
    tables["assignments"] = pa.concat_tables([again, tables["assignments"]])
    assert prepare(tables, CFG).counts.units == 4
    assert prepare(tables, CFG).entered.min() == (DAY - np.datetime64("1970-01-01")).astype(int)


def changed(table: str, column: str, values: Any) -> Callable[[], Tables]:
    def make() -> Tables:
        tables = small()
        place = tables[table].column_names.index(column)
        tables[table] = tables[table].set_column(place, column, pa.array(values))
        return tables

    return make


HOSTILE: list[tuple[str, Callable[[], Tables]]] = [
    (r"1 of 3 units are in two arms, e.g. \['a1'\]", changed("assignments", "unit_id", ["a1", "a1", "a2", "b2"])),
    (r"no unit in arms \['B'\]", changed("assignments", "arm", ["A"] * 4)),
    (r"arm: 1 of 4 rows are in none of the arms", changed("assignments", "arm", ["A", "B", "C", "B"])),
    (r"2 experiments", changed("assignments", "experiment", ["banner", "banner", "price", "price"])),
    (r"unit_id: 1 of 4 rows are null", changed("assignments", "unit_id", ["a1", None, "a2", "b2"])),
    (r"assigned_on: type .* holds no dates", changed("assignments", "assigned_on", ["soon"] * 4)),
    (r"numerator: 1 of 7 rows are null, NaN", changed("outcomes", "numerator", [1.0, np.nan, 1, 1, 1, 1, 1])),
    (r"numerator: type .* no number", changed("outcomes", "numerator", ["x"] * 7)),
    (r"outcomes.day: 1 of 7", changed("outcomes", "day", [None, *(DAY + np.arange(6)).tolist()])),
    (r"covariates.unit_id: 1 rows repeat", changed("covariates", "unit_id", ["a1", "a1", "b2", "other"])),
    (
        r"1 of 3 units were observed on or after their assignment",
        changed("covariates", "observed_until", DAY + np.array([0, -1, -1, -1])),
    ),
    (r"covariates.past: 1 of 4", changed("covariates", "past", [1.0, None, 6.0, 99.0])),
    (r"no window of 2 days is over", changed("outcomes", "day", np.full(7, DAY))),
]


@pytest.mark.parametrize(("message", "make"), HOSTILE, ids=[message for message, _ in HOSTILE])
def test_hostile_tables_are_named(message: str, make: Callable[[], Tables]) -> None:
    with pytest.raises(DataError, match=message):
        prepare(make(), CFG)


def test_denominators_that_say_nothing_are_refused() -> None:
    ratio = Config(window_days=2, metric="ratio")
    with pytest.raises(DataError, match="negative"):
        prepare(changed("outcomes", "denominator", [-1.0] * 7)(), ratio)
    with pytest.raises(DataError, match=r"arms \['A', 'B'\]"):
        prepare(changed("outcomes", "denominator", [0.0] * 7)(), ratio)
    with pytest.raises(DataError, match="experiment 'price'"):
        prepare(small(), Config(experiment="price"))


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"arms": ("A", "A")}, "different"),
        ({"shares": (0.5, 0.2, 0.3)}, "one for each"),
        ({"shares": (0.5, 0.6)}, "sum to 1.1"),
    ],
)
def test_arms_and_shares_must_fit(knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Config(**knobs)
