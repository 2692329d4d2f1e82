"""Tables of the floor: what was told stays though nothing is watched any more, and what a steward releases lands."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from data_checks.contracts import load_contract
from models.common.protocols import DataError
from orchestration.challengers import Challenger
from orchestration.floor_tables import Delivery, land
from orchestration.settings import Settings
from orchestration.watching import draw_heat_map, tell_attention
from orchestration.workspace import Workspace

DAY = "2024-01-20"


@pytest.fixture
def unwatched(make_settings: Callable[..., Settings], tmp_path: Path) -> Workspace:
    params = tmp_path / "params.yaml"
    params.write_text("panel: {days: 0}\n", encoding="utf-8")
    return Workspace(make_settings(params=params))


def test_what_was_told_stays_where_nothing_is_watched_any_more(unwatched: Workspace) -> None:
    first = tell_attention(unwatched, run_id="a")
    assert (first.metadata["provided"], first.metadata["rows"]) == (False, 0)
    told = {"visit_id": "v", "day": date.fromisoformat(DAY), "customer_id": "C1", "product_id": "P1", "seconds": 1.0,
            "seconds_low": 0.5, "seconds_high": 2.0, "dwell_s": 3.0}  # fmt: skip
    rows = pa.Table.from_pylist([told], schema=load_contract("attention").arrow_schema())
    with unwatched.lake.update("clean", "attention", partition_by="day") as update:
        update.put(rows, made_from={DAY: "told"})
        update.commit("by day", days=[DAY])
    again = tell_attention(unwatched, run_id="b")
    assert (again.metadata["provided"], again.metadata["rows"]) == (False, 1)
    assert unwatched.lake.arrow("clean", "attention").to_pylist() == [told]


def test_too_few_days_draw_no_heat_map(unwatched: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_few(*_: Any, **__: Any) -> None:
        raise DataError("visits.day: 2 days, at least 3 are needed")

    monkeypatch.setattr("orchestration.watching.no_floor", lambda _: None)
    monkeypatch.setattr("orchestration.watching.dataset", too_few)
    drawn = draw_heat_map(unwatched)
    assert drawn == {"provided": False, "remedy": "visits.day: 2 days, at least 3 are needed"}


def test_a_row_that_a_steward_releases_lands(unwatched: Workspace) -> None:
    """Of 300 devices one has no scan; its day is made again once that is waived, and no other day."""
    days, count = {DAY: "a", "2024-01-21": "b"}, 300
    asked: list[list[str]] = []

    def read(some: list[str]) -> pa.Table:
        asked.append(some)
        return pa.concat_tables(
            pa.table({
                "day": pa.array([date.fromisoformat(day)] * count), "device_id": [f"{days[day]}{k:031x}" for k in range(count)],
                "from_s": [1.0] * count, "to_s": [2.0] * count,
                "scans": pa.array([1] * (count - 1) + [int(day != DAY)], pa.int64()),
            }) for day in some
        )  # fmt: skip

    def rows() -> Any:
        return land(unwatched, "floor_devices", Delivery(days, read), run_id="r").metadata["rows"]

    assert rows() == 2 * count - 1 == rows()
    unwatched.quarantine.decide("floor_devices", verdict="release", reason="known", who="dora", every_row=True)
    assert rows() == 2 * count == rows()
    assert asked == [list(days), [DAY]]


def test_after_a_refusal_days_that_were_kept_are_not_made_again(unwatched: Workspace) -> None:
    asked: list[list[str]] = []

    def read(some: list[str]) -> pa.Table:
        asked.append(some)
        days = pa.array([date.fromisoformat(day) for day in some])
        scans = pa.array([int(day == DAY) for day in some], pa.int64())
        return pa.table({"day": days, "device_id": [f"{k:032x}" for k in range(len(some))], "from_s": [1.0] * len(some),
                         "to_s": [2.0] * len(some), "scans": scans})  # fmt: skip

    for made_from, passed in (
        ({DAY: "a"}, True),
        (both := {DAY: "a", "2024-01-21": "b"}, False),
        (both, False),
        ({DAY: "a"}, True),
    ):
        assert land(unwatched, "floor_devices", Delivery(made_from, read), run_id="r").passed is passed
    assert asked == [[DAY], ["2024-01-21"], ["2024-01-21"], [DAY]], "at last to tell that all is well"


def test_a_new_network_tells_no_day_again_that_was_told(unwatched: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    delivered: list[Delivery] = []
    monkeypatch.setattr("orchestration.watching.no_floor", lambda _: None)
    monkeypatch.setattr("orchestration.watching.land", lambda _, __, delivery, **___: delivered.append(delivery))
    for network, sensed in (("old", "a"), ("new", "a"), ("new", "b")):
        folder = unwatched.root / "challengers" / "behaviour" / network
        monkeypatch.setattr("orchestration.watching.current_challenger", lambda *_, at=folder: Challenger(at))
        unwatched.positions.write("floor_tracks", DAY, load_contract("floor_tracks").empty(), made_from=sensed)
        tell_attention(unwatched, run_id="r")
    old, new, changed = (each.made_from for each in delivered)
    assert old == new and list(new) == [DAY] and changed[DAY] != new[DAY]
