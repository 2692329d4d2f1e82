"""What is popular when no model may be asked: hand-worked counts, order, stock; and files that cannot be trusted."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.common.protocols import DataError
from models.recommender.fallback import (
    INDEX_FILE,
    TENSOR_FILE,
    FallbackError,
    PopularItems,
    count_popular,
    read_popular,
    write_popular,
)
from models.recommender.histories import Histories

ITEMS = ("a", "b", "c", "d", "e")


def anything(_: str) -> bool:
    return True


@pytest.fixture
def popular() -> PopularItems:
    """a is taken by four customers, b by three, c by two, d by one who is of no segment, e by nobody."""
    taken = [[0, 1], [0, 1], [0, 2], [0, 1, 2, 3]]
    histories = Histories.of([np.array(items) for items in taken])
    segment = np.array(["young", "young", "old", ""])
    return count_popular(histories, ITEMS, segment, new=("e", "d"))


def test_counts_by_segment(popular: PopularItems) -> None:
    assert popular.segments == ("old", "young")
    assert popular.best("", 9, anything) == (["a", "b", "c", "d"], [1.0, 0.75, 0.5, 0.25])
    assert popular.best("nobody knows it", 2, anything)[0] == ["a", "b"]
    assert popular.best("old", 2, anything) == (["a", "c"], [1.0, 1.0])
    assert popular.best("young", 1, lambda item: item != "a") == (["b"], [1.0])
    assert popular.knows("old") and not popular.knows("")


def test_a_short_segment_is_filled_up_from_all_and_what_follows_stands_below(popular: PopularItems) -> None:
    items, scores = popular.best("old", 9, anything)
    assert items == ["a", "c", "b", "d"]
    assert scores == sorted(scores, reverse=True) and len(set(items)) == 4
    assert popular.best("old", 9, lambda item: item in "bd")[0] == ["b", "d"]
    assert popular.best("old", 3, lambda _: False) == ([], [])


def test_new_items_come_in_their_order(popular: PopularItems) -> None:
    assert popular.newest(5, anything) == ["e", "d"]
    assert popular.newest(1, lambda item: item != "e") == ["d"]


def test_lists_are_cut_and_items_nobody_took_are_not_kept() -> None:
    histories = Histories.of([np.array([0, 1, 2]), np.array([0, 1]), np.array([0])])
    cut = count_popular(histories, ITEMS, kept=2)
    assert cut.items == ("a", "b") and cut.segments == ()
    assert cut.best("", 9, anything) == (["a", "b"], [1.0, pytest.approx(2 / 3)])


def test_what_does_not_fit_is_refused(popular: PopularItems) -> None:
    histories = Histories.of([np.array([0])])
    with pytest.raises(DataError, match="new item 'x'"):
        count_popular(histories, ITEMS, new=("x",))
    with pytest.raises(DataError, match=r"segments \(2,\)"):
        count_popular(histories, ITEMS, np.array(["a", "b"]))
    with pytest.raises(FallbackError, match="expected -1 to 4, found 0 to 5"):
        PopularItems(ITEMS, (), np.array([[0, 5]]), np.array([[2, 1]]), np.zeros(0, dtype=np.int64))
    with pytest.raises(FallbackError, match="a row for all and one for each"):
        PopularItems(ITEMS, ("s",), np.array([[0]]), np.array([[2]]), np.zeros(0, dtype=np.int64))


def test_files_round_trip_and_equal_lists_give_equal_bytes(popular: PopularItems, tmp_path: Path) -> None:
    write_popular(tmp_path / "one", popular)
    again = read_popular(tmp_path / "one")
    write_popular(tmp_path / "two", again)
    for name in (INDEX_FILE, TENSOR_FILE):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert again.best("old", 9, anything) == popular.best("old", 9, anything)
    assert again.newest(9, anything) == ["e", "d"]


@pytest.mark.parametrize("broken", ["tensor", "index", "missing", "other fields"])
def test_altered_files_are_refused(popular: PopularItems, tmp_path: Path, broken: str) -> None:
    write_popular(tmp_path, popular)
    index = json.loads((tmp_path / INDEX_FILE).read_text())
    if broken == "tensor":
        data = bytearray((tmp_path / TENSOR_FILE).read_bytes())
        data[-1] ^= 1
        (tmp_path / TENSOR_FILE).write_bytes(data)
    elif broken == "missing":
        (tmp_path / TENSOR_FILE).unlink()
    elif broken == "index":
        (tmp_path / INDEX_FILE).write_text("{")
    else:
        (tmp_path / INDEX_FILE).write_text(json.dumps({**index, "items": ["a"]}))
    with pytest.raises(FallbackError):
        read_popular(tmp_path)
