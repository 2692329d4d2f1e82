"""The loop of a box with cameras, on networks that see coloured squares: deeds, failures, health, memory."""

import gc
import importlib.util
import json
import os
import threading
import time
import tracemalloc
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edge.box_id import box_id
from edge.eyes.camera_events import ForwardConfig, Forwarder, camera_outbox
from edge.eyes.feed import Camera, Feeds
from edge.eyes.frames import Counts, FolderSource, Frame
from edge.eyes.health import HealthPage
from edge.eyes.loop import HEARTBEAT, EyesConfig, EyesRuntime
from edge.eyes.view import View, ViewConfig
from models.detector.networks import Gallery

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def fakes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("eyes_fakes", Path(__file__).with_name("eyes_fakes.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def frames(pictures: list[np.ndarray], camera: str = "shelf") -> list[Frame]:
    """Ten a second."""
    return [Frame(image, camera, START + timedelta(milliseconds=100 * number)) for number, image in enumerate(pictures)]


class Source:
    def __init__(self, given: list[Frame]) -> None:
        self._given, self.counts = given, Counts()

    def frames(self) -> Iterator[Frame]:
        for each in self._given:
            self.counts.good()
            yield each

    def close(self) -> None:
        """Nothing to end."""


def shelf(fakes: ModuleType) -> list[np.ndarray]:
    """Milk and tea stand there; after 3 s tea is taken, after 5 s rice is put beside, then moves a little."""
    whole, taken = fakes.picture(milk=5, tea=30), fakes.picture(milk=5)
    put = [fakes.picture(milk=5, rice=min(30 + number // 3, 40)) for number in range(30)]
    return [whole] * 30 + [taken] * 20 + put


def runtime(fakes: ModuleType, home: Path, given: list[Frame], *, live: bool = False, **options: Any) -> EyesRuntime:
    camera = Camera("shelf", live, lambda: Source(given))
    networks = options.pop("networks", None) or fakes.networks()
    return EyesRuntime(*networks, Feeds([camera]), camera_outbox(home), home=home, retry_s=0.02, **options)


def kept(home: Path) -> list[dict[str, Any]]:
    """What lies in the outbox; it is empty then."""
    found: list[dict[str, Any]] = []
    camera_outbox(home).forward(lambda events: found.extend(dict(each) for each in events))
    return found


def test_what_is_taken_and_put_is_told_with_product_time_and_confidence(fakes: ModuleType, tmp_path: Path) -> None:
    eyes = runtime(fakes, tmp_path, frames(shelf(fakes)))
    eyes.run()
    taken, put = kept(tmp_path)
    assert (taken["kind"], taken["product"], taken["count"], taken["camera"]) == ("take", "tea", 1, "shelf")
    assert datetime.fromisoformat(taken["time"]) == START + timedelta(milliseconds=2_900), "when it was last seen"
    assert (put["kind"], put["product"]) == ("put", "rice")
    assert datetime.fromisoformat(put["time"]) == START + timedelta(seconds=5), "when it was first seen"
    assert min(taken["confidence"], put["confidence"]) > 0.9
    assert {taken["box_id"], put["box_id"]} == {box_id(tmp_path)} == {eyes.health()["box_id"]}
    assert (tmp_path / HEARTBEAT).exists()
    told = eyes.health()
    assert (told["healthy"], told["frames"], told["failed"], told["dropped"], told["broken"]) == (True, 80, 0, 0, 0)
    assert (told["events_stored"], told["problems"]) == (2, [])


def test_an_item_is_named_on_few_frames_and_alike_ones_are_counted(fakes: ModuleType) -> None:
    detector, namer = fakes.networks()
    view = View("shelf", detector, namer, ViewConfig(settle_s=0.5, names=2), box="b1")
    events = [each for frame in frames(shelf(fakes)) for each in view.look(frame)]
    assert [(each.kind, each.product) for each in events] == [("take", "tea"), ("put", "rice")]
    assert namer._session.calls == 4, "milk and tea together twice, rice twice"
    # an embedder that finds everything alike: two items that go in one frame are one event of two
    detector, namer = fakes.networks(embed=lambda tensor: np.tile(np.float32([1, 0.08, 0.08]), (len(tensor), 1)))
    view = View("shelf", detector, namer, box="b1")
    pictures = [fakes.picture(milk=5, tea=30, rice=40)] * 30 + [fakes.picture(milk=5)] * 15
    (event,) = [each for frame in frames(pictures) for each in view.look(frame)]
    assert (event.kind, event.product, event.count) == ("take", "milk", 2)


def test_an_item_like_nothing_in_the_gallery_is_told_without_a_name(fakes: ModuleType) -> None:
    detector, namer = fakes.networks(embed=lambda tensor: np.tile(np.float32([-1, -1, -1]), (len(tensor), 1)))
    view = View("shelf", detector, namer, box="b1")
    events = [each for frame in frames(shelf(fakes)) for each in view.look(frame)]
    assert [(each.kind, each.product) for each in events] == [("take", None), ("put", None)]


def test_names_are_those_of_the_likest_photo() -> None:
    """Cosines by hand: (0.6, 0.8) with (1, 0) and (0, 1). Of two photos, one like the picture and one like nothing, the soft maximum
    lies 0.05 log 2 below the better; softmax at 0.1 is 1 / (1 + e^(-10 x what lies between))."""
    made = Gallery(np.array([[0, 1], [1, 0], [-1, 0]]), ["b", "a", "b"])
    below = 0.05 * np.log(2)
    np.testing.assert_allclose(
        made.similarities(np.array([[3.0, 4.0], [-1.0, 0.0], [0.0, 0.0]])),
        [[0.6, 0.8 - below], [-1, 1 - below], [0, 0]],
        atol=1e-6,
    )
    (named,) = made.name(np.array([[3.0, 4.0]]), least=0.7, temperature=0.1)
    assert named.product == "b" and named.confidence == pytest.approx(1 / (1 + np.exp(-10 * (0.2 - below))), abs=1e-5)
    assert made.name(np.array([[3.0, 4.0]]), least=0.81, temperature=0.1)[0].product is None
    with pytest.raises(ArithmeticError, match="not finite"):
        made.name(np.array([[np.nan, 1.0]]), least=0, temperature=1)
    for vectors, products in ((np.eye(2), ["a"]), (2 * np.eye(2), ["a", "b"]), (np.zeros((0, 2)), [])):
        with pytest.raises(ValueError, match=r"gallery|one product for each"):
            Gallery(vectors, products)


def test_a_network_that_fails_costs_its_frames_alone_and_the_page_says_so(fakes: ModuleType, tmp_path: Path) -> None:
    calls: list[int] = []

    def fails(tensor: np.ndarray) -> np.ndarray:
        calls.append(1)
        if 10 <= len(calls) <= 14:
            raise RuntimeError("out of memory")
        return fakes.squares(tensor)

    eyes = runtime(fakes, tmp_path, frames(shelf(fakes)), networks=fakes.networks(fails))
    eyes.run()
    assert (eyes.health()["frames"], eyes.health()["failed"], eyes.health()["healthy"]) == (80, 5, True)
    assert [each["product"] for each in kept(tmp_path)] == ["tea", "rice"]
    broken = fakes.networks(lambda tensor: np.zeros((1, 84, 10)))
    ill = runtime(fakes, tmp_path / "ill", frames(shelf(fakes)), networks=broken, config=EyesConfig(max_failures=10))
    ill.run()
    told = ill.health()
    assert not told["healthy"] and told["failed"] == 80 and "shape (84, 10)" in told["problems"][0]


def test_a_file_that_is_read_again_gives_the_same_ids(fakes: ModuleType, tmp_path: Path) -> None:
    given = frames(shelf(fakes))
    eyes = runtime(fakes, tmp_path, given + given[:60] + given)
    eyes.run()
    assert len(kept(tmp_path)) == 2 and eyes.health()["failed"] == 0


def test_a_folder_whose_times_run_against_its_names_is_told_of_all_the_same(fakes: ModuleType, tmp_path: Path) -> None:
    import cv2

    folder, given = tmp_path / "pictures", frames(shelf(fakes))
    folder.mkdir()
    for number, frame in enumerate(given):
        file = folder / f"{len(given) - number:03d}.png"
        cv2.imwrite(str(file), frame.image[..., ::-1])
        os.utime(file, (frame.time.timestamp(),) * 2)
    feeds = Feeds([Camera("shelf", False, lambda: FolderSource(folder, "shelf"))])
    eyes = EyesRuntime(*fakes.networks(), feeds, camera_outbox(tmp_path), home=tmp_path)
    eyes.run()
    assert [(each["kind"], each["product"]) for each in kept(tmp_path)] == [("take", "tea"), ("put", "rice")]
    (problem,) = eyes.health()["problems"]
    assert "79 of 80 pictures are older than the one before by name" in problem and eyes.health()["healthy"]


def test_no_new_frame_is_taken_while_there_is_no_room(fakes: ModuleType, tmp_path: Path) -> None:
    eyes = EyesRuntime(
        *fakes.networks(), Feeds([Camera("shelf", False, lambda: Source(frames(shelf(fakes))))]),
        camera_outbox(tmp_path, capacity=1), home=tmp_path, retry_s=0.02,
    )  # fmt: skip
    loop = threading.Thread(target=eyes.run, daemon=True)
    loop.start()
    until = time.monotonic() + 10
    while eyes.health()["healthy"] and time.monotonic() < until:
        time.sleep(0.01)
    stopped = eyes.health()
    time.sleep(0.1)
    # rice comes as the 51st picture, is an item on the 52nd and has three names on the 54th
    assert not stopped["healthy"] and "no new frame is taken" in stopped["problems"][0]
    assert eyes.health()["frames"] == stopped["frames"] == 54 and eyes.health()["last_turn_age_s"] < 1
    (first,) = kept(tmp_path)
    loop.join(10)
    (second,) = kept(tmp_path)
    assert (first["product"], second["product"], eyes.health()["frames"], eyes.health()["healthy"]) == (
        "tea",
        "rice",
        80,
        True,
    )


def test_the_health_page_tells_a_loop_that_hangs(fakes: ModuleType, tmp_path: Path) -> None:
    release = threading.Event()

    def hangs(tensor: np.ndarray) -> np.ndarray:
        release.wait(20)
        return fakes.squares(tensor)

    eyes = runtime(
        fakes, tmp_path, frames(shelf(fakes))[:3], networks=fakes.networks(hangs), config=EyesConfig(stale_s=0.1)
    )
    page = HealthPage(eyes.health)
    page.start()
    assert page.address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(page.address) as reply:
        assert reply.status == 200 and json.load(reply)["last_frame_age_s"] is None
    loop = threading.Thread(target=eyes.run, daemon=True)
    loop.start()
    time.sleep(0.3)
    with pytest.raises(urllib.error.HTTPError) as ill:
        urllib.request.urlopen(page.address)
    told = json.load(ill.value)
    assert ill.value.code == 503 and "a network hangs" in told["problems"][0] and told["frames"] == 0
    release.set()
    loop.join(10)
    with urllib.request.urlopen(page.address) as reply:
        assert json.load(reply)["frames"] == 3
    with pytest.raises(urllib.error.HTTPError) as elsewhere:
        urllib.request.urlopen(page.address.replace("healthz", "../etc/passwd"))
    assert elsewhere.value.code == 404
    page.close()


def test_memory_is_flat_over_thousands_of_frames(fakes: ModuleType, tmp_path: Path) -> None:
    """Items come and go all the while, their events are forwarded; from frame 600 on nothing may grow. How many frames
    are under way differs from moment to moment, so moments are compared by rank: what leaks makes every one of them larger."""
    eyes: EyesRuntime
    used: dict[int, int] = {}

    def pictures() -> Iterator[Frame]:
        for number in range(2_000):
            if number >= 600 and number % 50 == 0:
                gc.collect()
                used[number] = tracemalloc.get_traced_memory()[0]
            places = {"milk": number % 40, "tea": 30} if number % 60 < 30 else {"milk": number % 40}
            yield Frame(fakes.picture(**places), "shelf", START + timedelta(milliseconds=100 * number))

    class Endless(Source):
        def frames(self) -> Iterator[Frame]:
            yield from pictures()

    box = camera_outbox(tmp_path)
    sent: set[str] = set()
    forwarder = Forwarder(box, lambda events: sent.update(each["kind"] for each in events), ForwardConfig(every_s=0.2))
    eyes = EyesRuntime(
        *fakes.networks(), Feeds([Camera("shelf", False, lambda: Endless([]))]), box, home=tmp_path, forwarder=forwarder
    )
    tracemalloc.start()
    try:
        eyes.run()
    finally:
        tracemalloc.stop()
    told = eyes.health()
    assert told["frames"] == 2_000 and told["failed"] == 0 and told["events_stored"] > 60 and sent == {"take", "put"}
    early, late = sorted(list(used.values())[:14]), sorted(list(used.values())[14:])
    grown = min(after - before for before, after in zip(early, late, strict=True))
    assert grown < 30_000, f"{grown} bytes more 700 frames later"
