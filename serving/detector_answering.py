"""Finds and names items: the champion within its deadline, or a person is asked, and the reply says which."""

import asyncio
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic_core import to_json

from models.common.pictures import Pixels, encode_picture
from models.detector.drawing import annotated, note_of
from models.detector.observed import Camera
from models.detector.predict import Item
from serving.detector_champion import Champion
from serving.detector_gallery import GalleryDesk
from serving.detector_pictures import decoded, of_base64
from serving.detector_schemas import AnnotateRequest, EnrolRequest, RecogniseRequest, RemoveRequest
from serving.guarded import Outcome, guarded
from serving.metrics import ServiceMetrics
from serving.replies import Refusal, page
from serving.schema_base import PageRequest
from serving.settings import ServeSettings

PERSON = "fallback:person"
T = TypeVar("T")
Files = Sequence[tuple[str, bytes]]  # each with the name of its field
Items = tuple[tuple[Item, ...], ...]


@dataclass(frozen=True)
class Looked:
    """Pictures, and the items of each; None where the model did not answer."""

    champion: Champion
    pictures: list[Pixels]
    items: Items | None
    notes: list[str]

    @property
    def served_by(self) -> str:
        """Who answered."""
        return PERSON if self.items is None else f"champion {self.champion.artifact_id}"


class Answerer:
    """Answers the requests of product recognition from whatever champion is current when they come in."""

    def __init__(
        self,
        current: Callable[[], Champion | None],
        desk: GalleryDesk,
        settings: ServeSettings,
        metrics: ServiceMetrics,
    ) -> None:
        self._current, self._desk, self._settings, self._metrics = current, desk, settings, metrics
        self._pool = ThreadPoolExecutor(settings.model_threads, thread_name_prefix="model")
        self._one_change = ThreadPoolExecutor(1, thread_name_prefix="gallery")  # a change loads the networks again

    def close(self) -> None:
        """Let the worker threads go; what still runs is abandoned."""
        for pool in (self._pool, self._one_change):
            pool.shutdown(wait=False, cancel_futures=True)

    async def recognise(self, request: RecogniseRequest) -> bytes:
        """Reply (JSON of `RecogniseReply`); Refusal where a picture cannot be read."""
        files = [(name, of_base64(name, text)) for name, text in _named("pictures", request.pictures)]
        return told(await self.look(files, "recognise", request.cameras))

    async def annotate(self, request: AnnotateRequest) -> bytes:
        """Reply (JSON of `AnnotateReply`); Refusal as `recognise`."""
        looked = await self.look([("picture", of_base64("picture", request.picture))], "annotate")
        drawn = None if looked.items is None else b64encode(await self._drawn(looked, looked.items[0])).decode()
        items = None if looked.items is None else len(looked.items[0])
        return to_json({"served_by": looked.served_by, "picture": drawn, "items": items, "notes": looked.notes})

    async def annotate_file(self, files: Files) -> bytes:
        """The first picture as JPEG with boxes and names; Refusal as `recognise`, and 503 where the model does not answer."""
        looked = await self.look(files, "annotate")
        if looked.items is None:
            raise Refusal(503, f"nothing to draw: {'; '.join(looked.notes)}")
        return await self._drawn(looked, looked.items[0])

    async def _drawn(self, looked: Looked, items: tuple[Item, ...]) -> bytes:
        notes = [note_of(item) for item in items]
        return await self._run(self._pool, lambda: encode_picture(annotated(looked.pictures[0], notes), "JPEG"))

    async def look(self, files: Files, endpoint: str, cameras: Sequence[Camera] | None = None) -> Looked:
        """Decode pictures and look at them, together where it is told where their `cameras` stand."""
        start, champion = time.perf_counter(), self._champion()
        # Pictures of strangers are read before the model is asked: a broken one is no failure of the model.
        pictures = await self._run(self._pool, lambda: decoded(files))
        outcome = await self._ask(champion, pictures, cameras)
        notes = []
        if outcome.value is None:
            self._metrics.fell_back(outcome.failure or "error")
            notes.append(f"fallback: {outcome.detail}; a person must look at these pictures")
        looked = Looked(champion, pictures, outcome.value, notes)
        self._metrics.answered(endpoint, looked.served_by.split(" ", 1)[0], time.perf_counter() - start)
        self._metrics.breaker(champion.breaker_state)
        return looked

    async def enrol(self, request: EnrolRequest, authorization: str) -> bytes:
        """Reply (JSON of `GalleryReply`) to an engineer; Refusal as `GalleryDesk`, and for a photo that cannot be read."""
        self._desk.engineer(authorization)  # before a stranger's photos are worth any work
        files = [(name, of_base64(name, text)) for name, text in _named("photos", request.photos)]
        return await self.enrol_files(request.product, files, authorization, force=request.force)

    async def enrol_files(self, product: str, files: Files, authorization: str, *, force: bool) -> bytes:
        """As `enrol`, of the files themselves."""
        who = self._desk.engineer(authorization)
        photos = await self._run(self._pool, lambda: decoded(files))
        return await self._run(self._one_change, lambda: self._desk.enrol(who, product, photos, force=force))

    async def remove(self, request: RemoveRequest, authorization: str) -> bytes:
        """Reply (JSON of `GalleryReply`) to an engineer; Refusal as `GalleryDesk`."""
        who = self._desk.engineer(authorization)
        return await self._run(self._one_change, lambda: self._desk.remove(who, request.product))

    async def products(self, request: PageRequest) -> bytes:
        """Reply (JSON of `ProductsPage`)."""
        shown, rest = page(self._champion().products, request.prefix, request.after, request.limit)
        return to_json({"products": shown, **rest})

    async def model(self, *, swaps: int, problem: str | None) -> bytes:
        """Reply (JSON of `DetectorCard`)."""
        champion = self._champion()
        return to_json({**champion.card(), "swaps": swaps, "problem": champion.refused or problem})

    def _champion(self) -> Champion:
        champion = self._current()
        if champion is None:
            raise Refusal(503, "no champion has been promoted yet: promote one, the service then picks it up by itself")
        return champion

    async def _ask(
        self, champion: Champion, pictures: list[Pixels], cameras: Sequence[Camera] | None
    ) -> Outcome[Items]:
        if champion.refused is not None:
            return Outcome(None, "refused", champion.refused)
        return await guarded(
            lambda: champion.items(pictures, cameras),
            champion.breaker,
            self._pool,
            deadline_s=self._settings.picture_deadline_ms * len(pictures) / 1000,
            confidence=lambda _: 1.0,  # each item carries its own; a shelf of unknown products is no failure
        )

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)


def told(looked: Looked) -> bytes:
    """JSON of `RecogniseReply`."""
    champion = looked.champion
    seen = [
        {
            "width_px": picture.shape[1],
            "height_px": picture.shape[0],
            "items": None if looked.items is None else _rows(looked.items[number]),
        }
        for number, picture in enumerate(looked.pictures)
    ]
    return to_json({
        "served_by": looked.served_by,
        "breaker": champion.breaker_state,
        "artifact_id": champion.artifact_id,
        "registry_version": champion.registry_version,
        "pictures": seen,
        "notes": looked.notes,
    })  # fmt: skip


def _rows(items: tuple[Item, ...]) -> list[dict[str, Any]]:
    edges = ("left_px", "top_px", "right_px", "bottom_px")
    return [
        {
            **{name: round(value, 1) for name, value in zip(edges, item.box, strict=True)},
            "score": item.score,
            "product": item.product,
            "confidence": item.confidence,
            "thing": item.thing,
        }
        for item in items
    ]


def _named(field: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"{field}.{number}", text) for number, text in enumerate(texts)]
