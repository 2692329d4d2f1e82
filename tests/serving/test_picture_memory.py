"""What many requests at once cost: decoded pictures of detector and inspection stay within their budget, however small the files."""

import asyncio
import io
import json
import threading
import weakref
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detector_releases import ENGINEERS, multipart
from inspection_releases import package, package_file
from PIL import Image
from release_factory import FIRST, Releases
from starlette.responses import Response

from models.inspection import pictures as inspection_pictures
from serving import detector_champion, detector_pictures, inspection_champion
from serving.detector_answering import Answerer
from serving.detector_door import Counter, DetectorDoor
from serving.detector_gallery import GalleryDesk
from serving.detector_schemas import PICTURES_MAX, EnrolRequest, RecogniseRequest
from serving.inspection_answering import Answerer as InspectionAnswerer
from serving.inspection_schemas import PACKAGES_MAX, InspectRequest
from serving.metrics import ServiceMetrics
from serving.release import read_pointer
from serving.replies import Refusal, reply
from serving.settings import PIXELS_OF_A_REQUEST, ServeSettings

SIDE = 600
REQUESTS = 24


class Decoded:
    """Reads pictures, and knows how many of their pixels are in memory."""

    def __init__(self, read: Callable[..., np.ndarray]) -> None:
        self._read, self._lock = read, threading.Lock()
        self.now = self.peak = self.read = 0

    def __call__(self, *asked: Any) -> np.ndarray:
        picture = self._read(*asked)
        pixels = picture.shape[0] * picture.shape[1]
        with self._lock:
            self.read += 1
            self.now += pixels
            self.peak = max(self.peak, self.now)
        weakref.finalize(picture, self._gone, pixels)
        return picture

    def _gone(self, pixels: int) -> None:
        with self._lock:
            self.now -= pixels


def settings_of(releases: Releases, **more: object) -> ServeSettings:
    engineers = ",".join(f"{name}:{token}" for name, token in ENGINEERS.items())
    made = ServeSettings(
        releases=releases.root, deadline_ms=30_000, picture_deadline_ms=30_000, engineers=engineers, model_threads=2
    )
    return made.model_copy(update=more)


def detector(releases: Releases, settings: ServeSettings) -> detector_champion.Champion:
    pointer = read_pointer(releases.bot / "champion.json")
    return detector_champion.open_champion(releases.bot / pointer.release, pointer, settings)


def answerer(champion: detector_champion.Champion, settings: ServeSettings) -> Answerer:
    return Answerer(lambda: champion, GalleryDesk(settings, clock=lambda: 0.0), settings, ServiceMetrics("detector"))


def black() -> str:
    """A picture of one bit a pixel: some hundred bytes."""
    buffer = io.BytesIO()
    Image.new("1", (SIDE, SIDE)).save(buffer, "PNG")
    assert buffer.tell() < 300
    return b64encode(buffer.getvalue()).decode()


async def at_once(asks: list[Awaitable[bytes]]) -> list[dict[str, Any]]:
    return [json.loads(each) for each in await asyncio.gather(*asks)]


def test_many_pictures_at_once_stay_within_the_budget(
    made_detectors: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 5 * SIDE**2
    settings = settings_of(made_detectors, picture_pixels=most, picture_wait_s=60.0)
    service = answerer(detector(made_detectors, settings), settings)
    monkeypatch.setattr(detector_pictures, "read_picture", seen := Decoded(detector_pictures.read_picture))
    request = RecogniseRequest(pictures=[black()] * 2)
    told = asyncio.run(at_once([service.recognise(request) for _ in range(REQUESTS)]))
    assert {each["served_by"] for each in told} == {f"champion {made_detectors.ids[FIRST]}"}
    assert seen.read == 2 * REQUESTS and 2 * SIDE**2 <= seen.peak <= most and seen.now == 0
    service.close()


def test_photos_of_one_enrolment_at_a_time_are_decoded(
    made_detectors: Releases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mine = made_detectors.copy_to(tmp_path / "releases")
    settings = settings_of(mine)
    service = answerer(detector(mine, settings), settings)
    monkeypatch.setattr(detector_pictures, "read_picture", seen := Decoded(detector_pictures.read_picture))

    async def all_at_once() -> list[Response]:
        asked = (EnrolRequest(product=f"soap {number}", photos=[black()] * 3) for number in range(6))
        token = f"Bearer {ENGINEERS['Ada']}"
        return await asyncio.gather(*(reply(service.enrol(each, token)) for each in asked))

    told = asyncio.run(all_at_once())
    assert [each.status_code for each in told] == [200, *[409] * 5], "they look like the first"
    assert seen.read == 6 * 3 and seen.peak <= 2 * 3 * SIDE**2, "one is decoded, one's refusal still on its way"
    service.close()


def test_many_packages_at_once_stay_within_the_budget(
    made_inspectors: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointer = read_pointer(made_inspectors.bot / "champion.json")
    settings = settings_of(made_inspectors)
    champion = inspection_champion.open_champion(made_inspectors.bot / pointer.release, pointer, settings)
    one = 2 * 4 * champion.side_px**2
    settings = settings.model_copy(update={"picture_pixels": 3 * one, "picture_wait_s": 60.0})
    service = InspectionAnswerer(lambda: champion, settings, ServiceMetrics("inspection"))
    monkeypatch.setattr(inspection_pictures, "read_picture", seen := Decoded(inspection_pictures.read_picture))
    sample = {
        "picture": b64encode(package_file(0)).decode(),
        "weight_g": 500.0,
        "pressure_kpa": 40.0,
        "temperature_c": 4.0,
    }
    request = InspectRequest(packages=[package(row, batch_id=None, approved=sample) for row in range(4)])
    told = asyncio.run(at_once([service.inspect(request) for _ in range(2 * REQUESTS)]))
    assert {each["served_by"] for each in told} == {f"champion {champion.artifact_id}"}
    assert seen.read == 8 * 2 * REQUESTS and one <= seen.peak <= 3 * one and seen.now == 0
    service.close()


class Held:
    """A predictor that looks until it is let go."""

    def __init__(self, predictor: Any) -> None:
        self._predictor, self.go_on = predictor, threading.Event()
        self.spec, self.gallery = predictor.spec, predictor.gallery

    def predict(self, asked: Any) -> Any:
        self.go_on.wait()
        return self._predictor.predict(asked)


def test_a_late_model_keeps_the_room_and_others_are_told_to_come_again(made_detectors: Releases) -> None:
    settings = settings_of(
        made_detectors, picture_pixels=SIDE**2, picture_wait_s=0.1, picture_deadline_ms=50.0, model_threads=1
    )
    champion = detector(made_detectors, settings_of(made_detectors))
    held = Held(champion.model.predictor)
    service = answerer(replace(champion, model=replace(champion.model, predictor=held)), settings)
    request = RecogniseRequest(pictures=[black()])
    body, kind = multipart(("picture", "black.png", detector_pictures.of_base64("", black())))

    async def by_form(path: str) -> tuple[int, dict[str, str]]:
        door = DetectorDoor(None, counter=Counter(service), max_body_bytes=1 << 20)
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"content-type", kind.encode())]
        await door({"type": "http", "method": "POST", "path": path, "headers": headers}, receive, send)
        return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}

    async def story() -> None:
        assert json.loads(await service.recognise(request))["served_by"] == "fallback:person"
        refused = await reply(service.recognise(request))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert b"no room for 360,000 pixels within 0.1 s" in refused.body
        for path in ("/photos", "/photos/annotated", "/look"):
            status, headers = await by_form(path)
            assert (status, headers["retry-after"]) == (503, "1")
        with pytest.raises(Refusal, match="at most 360,000 are decoded at a time") as too_large:
            await service.recognise(RecogniseRequest(pictures=[black()] * 2))
        assert too_large.value.status == 413
        held.go_on.set()
        for _ in range(100):
            if (answer := await reply(service.recognise(request))).status_code == 200:
                break
        assert json.loads(answer.body)["pictures"][0]["width_px"] == SIDE

    try:
        asyncio.run(asyncio.wait_for(story(), 30))
    finally:
        held.go_on.set()
        service.close()


def test_the_least_budget_holds_any_one_request() -> None:
    with pytest.raises(ValueError, match="picture_pixels"):
        ServeSettings(picture_pixels=PIXELS_OF_A_REQUEST - 1)
    assert ServeSettings().picture_pixels >= PIXELS_OF_A_REQUEST
    assert 2 * PACKAGES_MAX * inspection_pictures.MOST_SIDE**2 <= PIXELS_OF_A_REQUEST
    assert PICTURES_MAX * detector_pictures.BOUNDS.max_pixels > PIXELS_OF_A_REQUEST, "so that is a bound of its own"
