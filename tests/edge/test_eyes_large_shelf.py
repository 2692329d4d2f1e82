"""Shelves as large as they may be told: every window fits what the fusion takes, and one that fails is not passed over."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import eyes_shelf as SHELF
import numpy as np
import pytest
from pydantic import ValidationError

from edge.eyes import fused
from edge.eyes.camera_events import camera_outbox
from edge.eyes.feed import Camera, Feeds
from edge.eyes.frames import Frame
from edge.eyes.fused import FuseConfig, FusedShelf, fused_views
from edge.eyes.fusion_window import Picture, likeliest
from edge.eyes.loop import EyesConfig, EyesRuntime
from edge.eyes.shelf_spec import MOST_PLANNED, PRODUCTS_AT_ONCE, ShelfSpec
from models.common.protocols import InputError
from models.detector.boxes import Detections
from models.detector.fusion import PickPut
from models.detector.networks import Named
from models.detector.observed import Recording

NOBODY = {f"stranger-{number}": 300.0 + number for number in range(5_000)}


def lanes(count: int) -> list[dict[str, Any]]:
    return [
        {"board": 0, "product": f"stranger-{number}", "left_cm": number, "right_cm": number + 1}
        for number in range(count)
    ]


def large_spec(cameras: int, planned: int = MOST_PLANNED) -> ShelfSpec:
    named = {f"c{number}": SHELF.POSE for number in range(cameras)}
    return SHELF.small_spec(lanes=lanes(planned), weight_g=NOBODY, cameras=named)


def filled(shelf: FusedShelf, boxes: int, until_s: float) -> None:
    """Every camera sees `boxes` items all the while, each named."""
    rng = np.random.default_rng(5)
    corners = rng.uniform(0, 60, (boxes, 2))
    where = np.concatenate([corners, corners + 4], axis=1)
    names = [{f"stranger-{7 * number % 5_000}": 0.8} for number in range(boxes)]
    for turn in range(round(until_s / shelf.config.every_s)):
        for camera in shelf.spec.cameras:
            shelf.add(camera, turn * shelf.config.every_s, where, names)


@pytest.mark.parametrize(("cameras", "boxes", "cut"), [(2, 60, False), (16, 60, False), (16, 300, True)])
def test_a_full_window_of_5000_products_fits(
    monkeypatch: pytest.MonkeyPatch, grown: Callable[[], int], cameras: int, boxes: int, cut: bool
) -> None:
    """2 cameras x 50 pictures x 60 boxes x 5,000 products were 30 million numbers, 20 are the bound: no window was ever fused."""
    checked: list[int] = []

    def check(recording: Recording, **_: Any) -> list[PickPut]:
        recording.check()
        checked.append(recording.detections.picture.size)
        return []

    monkeypatch.setattr(fused, "fuse", check)
    shelf = FusedShelf(large_spec(cameras), box="b1")
    filled(shelf, boxes, 13.0)
    assert shelf.failing == "" and max(checked) >= min(cameras * 50 * boxes, 45_000)
    assert bool(shelf.problem) == cut
    if cut:
        assert re.search("300 items in a picture of c.*, 60 are the bound of a shelf with 16 cameras", shelf.problem)
    assert grown() < 900e6


def test_events_of_a_shelf_are_the_same_where_5000_products_may_come(
    clips: list[tuple[Any, Any]], tmp_path: Path
) -> None:
    def with_strangers(recording: Any, sensors: Path | None) -> ShelfSpec:
        spec = SHELF.spec_of(recording, sensors)
        weights = dict(list(NOBODY.items())[: 5_000 - len(spec.weight_g)]) | spec.weight_g
        return ShelfSpec.model_validate(spec.model_dump() | {"weight_g": weights})

    recording, true = clips[0]
    few, _ = SHELF.looked(recording, tmp_path / "few")
    many, eyes = SHELF.looked(recording, tmp_path / "many", spec=with_strangers)
    assert eyes.health()["problems"] == [] and len(true) >= 1
    told = [[(each["kind"], each["product"], each["count"], each["time"]) for each in events] for events in (few, many)]
    assert told[0] == told[1] and len(told[0]) == len(true)


def test_what_is_planned_named_or_heard_stays_among_the_likeliest() -> None:
    spec = large_spec(1)
    named: Sequence[dict[str | None, float]] = [{"stranger-4000": 0.4, None: 0.3}, {"nowhere": 0.9}]
    picture = Picture(0.0, "c0", np.zeros((2, 4)), named)
    kept = likeliest(spec, [picture], ["stranger-4500"])
    assert len(kept) == len(set(kept)) == PRODUCTS_AT_ONCE == 400
    assert spec.planned < set(kept) and {"stranger-4000", "stranger-4500"} < set(kept)
    assert list(kept) == sorted(kept, key=spec.products.index), "numbered as on the shelf"
    surer = [{f"stranger-{number}": 0.3 + number / 1e4} for number in range(1_000, 1_200)]
    crowded = likeliest(spec, [Picture(0.0, "c0", np.zeros((200, 4)), surer)], ["stranger-4500"])
    assert "stranger-4500" in crowded and "stranger-1199" in crowded and "stranger-1000" not in crowded


def test_what_no_window_bears_is_refused_at_the_start() -> None:
    assert len(large_spec(1, MOST_PLANNED).planned) == 300
    with pytest.raises(ValidationError, match="301 products are planned where 5000 may come, 300 are the bound"):
        large_spec(1, MOST_PLANNED + 1)
    few = dict(list(NOBODY.items())[:PRODUCTS_AT_ONCE])
    assert len(SHELF.small_spec(lanes=lanes(400), weight_g=few).planned) == 400, "all may be planned where no more come"
    tags = {f"e{number}": "tea" for number in range(5_000)}
    with pytest.raises(ValidationError, match="5000 tags by 11 boards are 55000, 50000 are the bound"):
        SHELF.small_spec(tags=tags, boards_cm=tuple(range(0, 110, 10)))
    with pytest.raises(InputError, match=r"16 cameras each 0\.05 s are 3232 pictures in a window of 10 s, 2000 are"):
        FusedShelf(large_spec(16), FuseConfig(every_s=0.05), box="b1")


class OneItem:
    """Sees one item and names it, whatever the picture."""

    def detect(self, image: np.ndarray) -> Detections:
        return Detections(np.array([[1.0, 1.0, 5.0, 5.0]]), np.array([0.9]))

    def name(self, image: np.ndarray, boxes: np.ndarray) -> list[Named]:
        return [Named("tea", 0.9)] * len(boxes)


def test_a_window_that_fails_is_told_at_once_and_until_one_succeeds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its events are gone: the frames in between, on which nothing fails, do not make the box well."""
    now = [0.0]

    def fuse(recording: Recording, **_: Any) -> list[PickPut]:
        if now[0] < 9:
            raise InputError("too much of it")
        return []

    monkeypatch.setattr(fused, "fuse", fuse)
    looks, config = OneItem(), EyesConfig()
    views = fused_views(FusedShelf(SHELF.small_spec(), box="b1"), looks, looks, config.view)
    feeds = Feeds([Camera("a", False, lambda: SHELF.Film([]))])
    eyes = EyesRuntime(looks, looks, feeds, camera_outbox(tmp_path), home=tmp_path, config=config, views=views)
    ill: list[float] = []
    for number in range(150):
        now[0] = number / 10
        eyes.process(Frame(np.zeros((8, 8, 3), np.uint8), "a", datetime.fromtimestamp(now[0], UTC)))
        if not eyes.health()["healthy"]:
            ill.append(now[0])
            (problem,) = eyes.health()["problems"]
            assert re.search(r"[1-4] windows in a row could not be fused.*: InputError: too much of it", problem)
    assert ill == [round(number / 10, 1) for number in range(20, 100)], (
        "from the first window to the first that succeeds"
    )
    assert eyes.health()["failed"] == 0
