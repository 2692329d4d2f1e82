"""A reading of willingness to pay is of many people or is not read: whatever their number, wherever it is asked."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.common.protocols import DataError, InputError
from models.pricing.baselines import list_price
from models.pricing.instances import check_instances
from models.pricing.logged import read_log
from models.pricing.market import build_market
from models.pricing.practice import EpsilonGreedy, simulated_log
from models.pricing.requests import PriceInput, check_people, read, simulated_people

SEATS: dict[str, Any] = {
    "name": "seats", "kind": "capacity", "periods": 4, "list_price": 10, "prices": [6, 10], "capacity": 4,
    "segments": [{"name": "all", "arrivals": [1.0], "willingness": 9, "spread": 2}],
    "factors": [{"name": "willingness", "levels": [{"value": 0.8, "willingness": 0.8}, {"value": 1.2, "willingness": 1.2}]}],
}  # fmt: skip
MARKET = build_market(check_instances({"instances": [SEATS]})[0])


def asked(people: Any) -> PriceInput:
    return PriceInput("seats", [0, 1], [[4], [2]], [10.0, 6.0], {"willingness": [0.8, 1.2]}, willingness_people=people)


@given(st.lists(st.integers(0, 1_000_000), min_size=2, max_size=2))
def test_fewer_than_twenty_behind_any_reading_are_refused(people: list[int]) -> None:
    if min(people) >= 20:
        assert read(asked(people), MARKET)[0].e.tolist() == [0, 1]
        return
    first = next(number for number, each in enumerate(people) if each < 20)
    with pytest.raises(InputError, match=rf"^willingness_people\.{first}: {people[first]}: .* 20 people or more"):
        read(asked(people), MARKET)


@pytest.mark.parametrize(
    ("people", "said"),
    [
        (None, r"willingness_people\.0: not told"),
        ([20], "1 numbers, 2 shelves"),
        ([20.5, 20], "expected whole numbers"),
        ([np.nan, 20], "willingness_people: nan"),
        (["many", "more"], "willingness_people: expected numbers"),
        ([20, 10**9], "from 0 to 1e"),
    ],
)
def test_what_is_no_number_of_people_is_refused(people: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(asked(people), MARKET)


def test_only_what_is_told_needs_people() -> None:
    check_people([None, 1.0], [None, 20])
    check_people([], None)
    check_people([None], None)
    with pytest.raises(InputError, match=r"willingness_people\.1: not told"):
        check_people([None, 1.0], [20, None])
    assert simulated_people({"weather": [0.1]}, 3) is None
    assert simulated_people({"willingness": [1.0]}, 2).tolist() == [20, 20]  # type: ignore[union-attr]


def test_a_log_tells_of_how_many_its_readings_are() -> None:
    table = simulated_log(MARKET, EpsilonGreedy(MARKET, list_price(MARKET), 0.3), episodes=30, seed=1)
    assert set(table["willingness_people"].to_pylist()) == {20}
    assert read_log(table, MARKET).episodes == 30
    place = table.column_names.index("willingness_people")
    with pytest.raises(DataError, match=r"logged_prices\.willingness_people\.0: 19"):
        read_log(table.set_column(place, "willingness_people", [np.full(table.num_rows, 19)]), MARKET)
    with pytest.raises(DataError, match="willingness_people"):
        read_log(table.drop_columns(["willingness_people"]), MARKET)
