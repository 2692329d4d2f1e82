"""When checkout's row is met, and how baskets are counted."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def rows() -> ModuleType:
    sys.path.insert(0, str(HERE))
    try:
        spec = importlib.util.spec_from_file_location("checkout_rows_tested", HERE / "checkout_rows.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        import checkout_day

        module.day = checkout_day
        return module
    finally:
        sys.path.remove(str(HERE))


def test_baskets_are_counted_by_hand(rows: ModuleType) -> None:
    billed = rows.day.Billed()
    billed.add({"a": 2, "b": 1}, {"a": 2, "b": 1}, ())
    billed.add({"a": 2, "b": 1}, {"a": 1, "c": 3}, ("b",))  # one a missed, b asked about, three c too many
    billed.add({}, {}, ("d",))  # nothing carried, and yet a person is asked
    billed.add({}, {}, ())
    assert (billed.items, billed.right, billed.wrong, billed.asked, billed.visits, billed.exact) == (6, 4, 3, 2, 4, 2)
    assert (billed.items_right, billed.baskets_exact, billed.wrong_charges) == (4 / 6, 0.5, 0.5)


@pytest.mark.parametrize(
    ("right", "exact", "wrong", "visits", "met"),
    [
        (990, 1_940, 1, 2_000, True),
        (989, 1_940, 1, 2_000, False),
        (990, 1_939, 1, 2_000, False),
        (990, 1_940, 2, 2_000, False),
        (990, 1_939, 1, 1_999, False),
    ],
)
def test_the_verdict(rows: ModuleType, right: int, exact: int, wrong: int, visits: int, met: bool) -> None:
    judged, ablated = rows.day.Judged(), rows.day.Judged()
    judged.billed["all sensors"] = rows.day.Billed(1_000, right, wrong, 3, visits, exact)
    judged.billed["exit tags alone"] = rows.day.Billed(1_000, 900, 100, 0, visits, 900)
    ablated.billed |= {name: rows.day.Billed(100, 90, 1, 5, 200, 150) for name in ("all sensors", *rows.day.ABLATIONS)}
    result = rows.checkout_verdict(judged, ablated)
    assert (result.met, result.value, result.peer_value) == (met, right / 1_000, 0.9)
    assert all(name in result.note for name in rows.day.ABLATIONS)
