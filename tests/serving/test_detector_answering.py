"""Who finds and names items, and what comes of it: the champion of a real release, a person whenever it must not or cannot, and
engineers who enrol products."""

import asyncio
import io
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detector_releases import ENGINEERS, detector_settings, photos_of, png, shelf, soap
from PIL import Image
from pydantic import ValidationError
from release_factory import FIRST, SECOND, Releases

from models.common.pictures import read_picture
from serving.detector_answering import Answerer
from serving.detector_champion import Champion, degrade, open_champion
from serving.detector_gallery import GalleryDesk
from serving.detector_releases import KEPT, current
from serving.detector_schemas import (
    AnnotateReply,
    AnnotateRequest,
    DetectorCard,
    EnrolRequest,
    GalleryReply,
    RecogniseReply,
    RecogniseRequest,
    RemoveRequest,
)
from serving.loader import ChampionLoader, Doors
from serving.metrics import ServiceMetrics
from serving.release import ReleaseError, read_pointer
from serving.replies import Refusal
from serving.schema_base import PageRequest
from serving.settings import ServeSettings

ADA = f"Bearer {ENGINEERS['Ada']}"


@pytest.fixture
def releases(made_detectors: Releases, tmp_path: Path) -> Releases:
    return made_detectors.copy_to(tmp_path / "releases")


@pytest.fixture
def settings(releases: Releases, monkeypatch: pytest.MonkeyPatch) -> ServeSettings:
    for name, value in detector_settings(releases).items():
        monkeypatch.setenv(name, value)
    return ServeSettings()


@pytest.fixture
def champion(releases: Releases, settings: ServeSettings) -> Champion:
    return opened(releases, settings)


def opened(releases: Releases, settings: ServeSettings) -> Champion:
    pointer = read_pointer(releases.bot / "champion.json")
    return open_champion(releases.bot / pointer.release, pointer, settings)


class Service:
    """An answerer on a champion."""

    def __init__(self, champion: Champion, settings: ServeSettings) -> None:
        desk = GalleryDesk(settings, clock=lambda: 1_790_000_000.0)
        self.answerer = Answerer(lambda: champion, desk, settings, ServiceMetrics("detector"))

    def recognise(self, *pictures: bytes) -> dict[str, Any]:
        request = RecogniseRequest(pictures=[b64encode(each).decode() for each in pictures])
        return RecogniseReply.model_validate_json(asyncio.run(self.answerer.recognise(request))).model_dump()

    def look(self, files: list[tuple[str, bytes]]) -> None:
        async def looked() -> None:
            async with self.answerer.look(files, "test"):
                pass

        asyncio.run(looked())

    def enrol(self, product: str, photos: list[bytes], *, token: str = ADA, force: bool = False) -> dict[str, Any]:
        request = EnrolRequest(product=product, photos=[b64encode(each).decode() for each in photos], force=force)
        return GalleryReply.model_validate_json(asyncio.run(self.answerer.enrol(request, token))).model_dump()


@pytest.fixture
def service(champion: Champion, settings: ServeSettings) -> Iterator[Service]:
    made = Service(champion, settings)
    yield made
    made.answerer.close()


def test_items_are_found_and_named_picture_by_picture(service: Service, champion: Champion) -> None:
    reply = service.recognise(png(shelf(1, -1, 2)), png(shelf()))
    assert reply["served_by"] == f"champion {champion.artifact_id}" and reply["notes"] == []
    first, second = reply["pictures"]
    assert (first["width_px"], first["height_px"], second["items"]) == (96, 96, [])
    found = {each["product"]: each for each in first["items"]}
    assert set(found) == {"rice", "salt"}
    edges = [found["salt"][f"{side}_px"] for side in ("left", "top", "right", "bottom")]
    assert edges == [72.0, 8.0, 88.0, 24.0]
    assert found["salt"]["confidence"] > 0.9 and 0.55 <= found["salt"]["score"] <= 1


def test_what_two_cameras_see_is_named_by_both(service: Service, champion: Champion) -> None:
    """Cameras 20 cm apart, things 60 cm away: 32 pixels further left in the second picture, where tea hides a part of the salt."""
    spoiled = shelf(1, 2)
    spoiled[8:24, 40:44] = shelf(1, 3)[8:24, 40:44]
    pictures = [b64encode(png(each)).decode() for each in (shelf(-1, 1, 2), spoiled)]
    place = {
        "pixels": [[96, 0, 48], [0, 96, 48], [0, 0, 1]], "turned": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "at_cm": [0, 0, 0]
    }  # fmt: skip
    asked = {"pictures": pictures, "cameras": [place, {**place, "at_cm": [20, 0, 0]}]}
    reply = RecogniseReply.model_validate_json(
        asyncio.run(service.answerer.recognise(RecogniseRequest.model_validate(asked)))
    )
    first, second = ({each.thing: each for each in seen.items or []} for seen in reply.pictures)
    assert len(first) == len(second) == 2 and first.keys() == second.keys()
    assert all(first[thing].product == second[thing].product for thing in first)
    assert {each.product for each in second.values()} == {"rice", "salt"}
    alone = service.recognise(png(spoiled))["pictures"][0]["items"]
    assert {each["product"] for each in alone} == {"rice", None} and {each["thing"] for each in alone} == {None}
    with pytest.raises(ValidationError, match="1 cameras for 2 pictures"):
        RecogniseRequest.model_validate({**asked, "cameras": [place]})


def test_boxes_and_names_are_drawn_into_the_picture(service: Service) -> None:
    sent = np.asarray(Image.fromarray(shelf(1, -1, 2)).resize((480, 480), Image.Resampling.NEAREST))
    request = AnnotateRequest(picture=b64encode(png(sent)).decode())
    reply = AnnotateReply.model_validate_json(asyncio.run(service.answerer.annotate(request)))
    assert reply.items == 2 and reply.picture is not None
    drawn = read_picture(b64decode(reply.picture)).astype(int)
    assert drawn.shape == sent.shape
    changed = (np.abs(drawn - sent).max(axis=2) > 60).nonzero()
    assert changed[0].size > 500 and changed[0].min() < 40 < changed[0].max() < 130, "the lower half holds nothing"


class Broken:
    """A predictor that fails, dawdles, or answers what may not be passed on."""

    def __init__(self, predictor: Any, how: str) -> None:
        self._predictor, self._how = predictor, how
        self.spec, self.gallery = predictor.spec, predictor.gallery

    def predict(self, asked: Any) -> Any:
        if self._how == "error":
            raise RuntimeError("the model is out of order")
        if self._how == "late":
            time.sleep(0.5)
        reply = self._predictor.predict(asked)
        return replace(reply, items=((replace(reply.items[0][0], confidence=float("nan")),),))


@pytest.mark.parametrize(
    ("how", "said"), [("error", "RuntimeError"), ("late", "longer than 50 ms"), ("implausible", "Implausible")]
)
def test_a_person_is_asked_when_the_model_fails(
    champion: Champion, settings: ServeSettings, how: str, said: str
) -> None:
    assert champion.model is not None
    model = replace(champion.model, predictor=Broken(champion.model.predictor, how))
    service = Service(replace(champion, model=model), settings.model_copy(update={"picture_deadline_ms": 50.0}))
    reply = service.recognise(png(shelf(1)))
    assert reply["served_by"] == "fallback:person" and said in reply["notes"][0]
    assert reply["pictures"] == [{"width_px": 96, "height_px": 96, "items": None}]
    if how == "error":
        for _ in range(settings.breaker_failures - 1):
            reply = service.recognise(png(shelf(1)))
        assert reply["breaker"] == "open" and "breaker is open" in service.recognise(png(shelf(1)))["notes"][0]
    service.answerer.close()


def bomb() -> bytes:
    """A PNG of a few kilobytes that unpacks to 64 megapixels."""
    buffer = io.BytesIO()
    Image.new("1", (8_000, 8_000)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"<svg/>", 415, "no JPEG, PNG or WebP"),
        (b"", 400, "0 bytes"),
        (png(shelf(1))[:200], 400, "cut off or damaged"),
        (bomb(), 413, "64,000,000 pixels; at most 25,000,000"),
        (png(np.zeros((8, 40, 3), np.uint8)), 400, "40 x 8 pixels, at least 16 a side"),
        (b"\xff" * ((12 << 20) + 1), 413, "at most 12,582,912 are read"),
    ],
)
def test_hostile_pictures_are_refused_and_cost_no_trust(
    service: Service, champion: Champion, content: bytes, status: int, said: str
) -> None:
    files = [("pictures.0", png(shelf(1))), ("pictures.1", content)]
    with pytest.raises(Refusal) as refused:
        service.look(files)
    assert refused.value.status == status
    assert refused.value.error.startswith("pictures.1: ") and said in refused.value.error
    assert champion.breaker_state == "closed"


def test_many_large_pictures_are_too_much_together(service: Service) -> None:
    large = png(np.zeros((4_900, 5_000, 3), np.uint8))
    with pytest.raises(Refusal, match=r"^pictures.2: .* at most 1,000,000"):
        service.look([(f"pictures.{number}", large) for number in range(3)])
    with pytest.raises(Refusal, match=r"^pictures.0: no base64"):
        asyncio.run(service.answerer.recognise(RecogniseRequest(pictures=["%%%"])))


def test_an_engineer_enrols_a_product_and_the_service_takes_it_over(
    service: Service, releases: Releases, settings: ServeSettings
) -> None:
    checks = shelf(0)
    checks[8:24, 40:56] = soap()
    before = service.recognise(png(checks))["pictures"][0]["items"]
    assert "soap" not in {each["product"] for each in before}
    told = service.enrol("soap", photos_of(soap()))
    assert (told["photos"], told["products"], told["by"], told["warnings"]) == (5, 5, "Ada", [])
    now = current(releases.bot)
    assert told["release"] == now.folder.name and now.pointer.registry_version == "1"
    assert now.pointer.artifact_id == releases.ids[FIRST], "the artifact is the champion's still"
    after = Service(opened(releases, settings), settings)
    assert {each["product"] for each in after.recognise(png(checks))["pictures"][0]["items"]} == {"milk", "soap"}
    card = DetectorCard.model_validate_json(asyncio.run(after.answerer.model(swaps=0, problem=None)))
    assert (card.products, card.enrolled, card.side_px) == (5, 5, 96)
    page = asyncio.run(after.answerer.products(PageRequest(after="rice", limit=9)))
    assert page == b'{"products":["salt","soap"],"total":5,"next_after":null}'
    removed = asyncio.run(after.answerer.remove(RemoveRequest(product="milk"), ADA))
    assert GalleryReply.model_validate_json(removed).products == 4
    changes = [(each.product, each.photos, each.by) for each in current(releases.bot).enrolled.index.changes]
    assert changes == [("soap", 5, "Ada"), ("milk", 0, "Ada")]


def test_who_is_no_engineer_changes_nothing(
    service: Service, releases: Releases, settings: ServeSettings, champion: Champion
) -> None:
    for token in ("", "Bearer nobody-0123456789", f"Basic {ENGINEERS['Ada']}"):
        with pytest.raises(Refusal, match="no known token") as refused:
            service.enrol("soap", [b"no picture even"], token=token)
        assert refused.value.status == 401
    closed = Service(champion, settings.model_copy(update={"engineers": ServeSettings(engineers="").engineers}))
    with pytest.raises(Refusal, match="STORELOOP_SERVE_ENGINEERS") as refused:
        closed.enrol("soap", photos_of(soap()))
    assert refused.value.status == 403
    assert read_pointer(releases.bot / "champion.json").release == FIRST


def test_what_cannot_be_enrolled_is_told(service: Service, releases: Releases) -> None:
    milk = photos_of(shelf(0)[8:24, 8:24])
    with pytest.raises(Refusal, match="5 of 5 photos look like 'milk'") as refused:
        service.enrol("oat milk", milk)
    assert refused.value.status == 409
    with pytest.raises(Refusal, match=r"photos\.1: .*no JPEG, PNG or WebP") as refused:
        service.enrol("soap", [milk[0], b"text"])
    assert refused.value.status == 415
    with pytest.raises(Refusal, match="'tea' is not in the gallery") as refused:
        asyncio.run(service.answerer.remove(RemoveRequest(product="tea"), ADA))
    assert refused.value.status == 404
    assert read_pointer(releases.bot / "champion.json").release == FIRST
    assert service.enrol("oat milk", milk, force=True)["photos"] == 5


def test_old_galleries_are_swept_and_share_the_artifacts_disk(service: Service, releases: Releases) -> None:
    for number in range(KEPT + 3):
        service.enrol(f"soap {number}", photos_of(soap(), 1), force=True)
    found = list(releases.bot.glob("*-gallery-*"))
    assert len(found) <= KEPT + 1
    graphs = {(each / "artifact" / "embedder.onnx").stat().st_ino for each in found}
    assert graphs == {(releases.bot / FIRST / "artifact" / "embedder.onnx").stat().st_ino}
    assert len(current(releases.bot).enrolled.index.photos) == KEPT + 3


def test_a_running_service_follows_gallery_and_champion(releases: Releases, settings: ServeSettings) -> None:
    loader = ChampionLoader(
        releases.bot / "champion.json",
        Doors(
            lambda folder, pointer: open_champion(folder, pointer, settings),
            lambda running, folder, pointer, why: degrade(running, folder, pointer, why, settings),
            lambda _: None,
        ),
        poll_s=0.05,
    )
    loader.poll()
    assert loader.current is not None and len(loader.current.products) == 4
    Service(loader.current, settings).enrol("soap", photos_of(soap()))
    loader.poll()
    assert loader.current.products == ("T1", "milk", "rice", "salt", "soap") and loader.swaps == 1
    releases.promote(SECOND)
    loader.poll()
    assert loader.current.artifact_id == releases.ids[SECOND]


def test_an_altered_release_asks_a_person(releases: Releases, settings: ServeSettings, champion: Champion) -> None:
    folder, pointer = releases.bot / FIRST, read_pointer(releases.bot / "champion.json")
    (folder / "artifact" / "detector.onnx").write_bytes(b"another")
    with pytest.raises(ReleaseError, match="altered"):
        open_champion(folder, pointer, settings)
    for running in (None, champion):
        answers = degrade(running, folder, pointer, "altered", settings)
        assert answers is not None
        reply = Service(answers, settings).recognise(png(shelf(1)))
        assert (reply["served_by"], reply["pictures"][0]["items"]) == ("fallback:person", None)
    with pytest.raises(Refusal, match="cannot be changed now") as refused:
        Service(champion, settings).enrol("soap", photos_of(soap()))
    assert refused.value.status == 503
