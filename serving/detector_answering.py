"""Finds and names items: the champion within its deadline, or a person is asked, and the reply says which."""

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic_core import to_json

from models.common.pictures import Pixels, encode_picture
from models.detector.drawing import annotated, note_of
from models.detector.observed import Camera
from models.detector.predict import Item
from serving.detector_champion import Champion
from serving.detector_gallery import GalleryDesk
from serving.detector_pictures import Files, decode, of_base64, pixels_of
from serving.detector_schemas import AnnotateRequest, EnrolRequest, RecogniseRequest, RemoveRequest
from serving.guarded import Outcome, guarded
from serving.metrics import ServiceMetrics
from serving.pixel_budget import PixelBudget, Room
from serving.replies import Refusal, page
from serving.schema_base import PageRequest
from serving.settings import ServeSettings

PERSON = "fallback:person"
T = TypeVar("T")
Items = tuple[tuple[Item, ...], ...]


@dataclass(frozen=True)
class Looked:
    """Pictures, and the items of each; None where the model did not answer. The pictures are gone once `room` is free."""

    champion: Champion
    room: Room
    items: Items | None
    notes: list[str]

    @property
    def pictures(self) -> list[Pixels]:
        """RGB (H, W, 3) of each file."""
        return self.room.pictures

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
        # Apart, so that requests are refused or wait for room at once; alone, for opening a WebP makes room for its pixels.
        self._headers = ThreadPoolExecutor(1, thread_name_prefix="headers")
        self._budget = PixelBudget(settings)

    def close(self) -> None:
        """Let the worker threads go; what still runs is abandoned."""
        for pool in (self._pool, self._one_change, self._headers):
            pool.shutdown(wait=False, cancel_futures=True)

    async def recognise(self, request: RecogniseRequest) -> bytes:
        """Reply (JSON of `RecogniseReply`); Refusal where a picture cannot be read."""
        files = [(name, of_base64(name, text)) for name, text in _named("pictures", request.pictures)]
        async with self.look(files, "recognise", request.cameras) as looked:
            return told(looked)

    async def annotate(self, request: AnnotateRequest) -> bytes:
        """Reply (JSON of `AnnotateReply`); Refusal as `recognise`."""
        files = [("picture", of_base64("picture", request.picture))]
        async with self.look(files, "annotate") as looked:
            drawn = None if looked.items is None else b64encode(await self._drawn(looked, looked.items[0])).decode()
        items = None if looked.items is None else len(looked.items[0])
        return to_json({"served_by": looked.served_by, "picture": drawn, "items": items, "notes": looked.notes})

    async def annotate_file(self, files: Files) -> bytes:
        """The first picture as JPEG with boxes and names; Refusal as `recognise`, and 503 where the model does not answer."""
        async with self.look(files, "annotate") as looked:
            if looked.items is None:
                raise Refusal(503, f"nothing to draw: {'; '.join(looked.notes)}")
            return await self._drawn(looked, looked.items[0])

    async def _drawn(self, looked: Looked, items: tuple[Item, ...]) -> bytes:
        notes, pool = [note_of(item) for item in items], looked.room.within(self._pool)
        return await self._run(pool, lambda: encode_picture(annotated(looked.pictures[0], notes), "JPEG"))

    @asynccontextmanager
    async def look(self, files: Files, endpoint: str, cameras: Sequence[Camera] | None = None) -> AsyncIterator[Looked]:
        """Decode pictures and look at them, together where it is told where their `cameras` stand; they are kept until the end of the
        block. Refusal where a picture cannot be read, or too many are being looked at."""
        start, champion = time.perf_counter(), self._champion()
        async with self._budget.room(await self._run(self._headers, lambda: pixels_of(files))) as room:
            # Pictures of strangers are read before the model is asked: a broken one is no failure of the model.
            await self._run(room.within(self._pool), lambda: decode(files, room.pictures))
            outcome = await self._ask(champion, room, cameras)
            notes = []
            if outcome.value is None:
                self._metrics.fell_back(outcome.failure or "error")
                notes.append(f"fallback: {outcome.detail}; a person must look at these pictures")
            looked = Looked(champion, room, outcome.value, notes)
            self._metrics.answered(endpoint, looked.served_by.split(" ", 1)[0], time.perf_counter() - start)
            self._metrics.breaker(champion.breaker_state)
            yield looked

    async def enrol(self, request: EnrolRequest, authorization: str) -> bytes:
        """Reply (JSON of `GalleryReply`) to an engineer; Refusal as `GalleryDesk`, and for a photo that cannot be read."""
        self._desk.engineer(authorization)  # before a stranger's photos are worth any work
        files = [(name, of_base64(name, text)) for name, text in _named("photos", request.photos)]
        return await self.enrol_files(request.product, files, authorization, force=request.force)

    async def enrol_files(self, product: str, files: Files, authorization: str, *, force: bool) -> bytes:
        """As `enrol`, of the files themselves."""
        who = self._desk.engineer(authorization)
        await self._run(self._headers, lambda: pixels_of(files))  # what is no photo need not wait for other changes

        def change() -> bytes:  # decoded here: photos of one change at a time
            photos: list[Pixels] = []
            decode(files, photos)
            return self._desk.enrol(who, product, photos, force=force)

        return await self._run(self._one_change, change)

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

    async def _ask(self, champion: Champion, room: Room, cameras: Sequence[Camera] | None) -> Outcome[Items]:
        if champion.refused is not None:
            return Outcome(None, "refused", champion.refused)
        return await guarded(
            lambda: champion.items(room.pictures, cameras),
            champion.breaker,
            room.within(self._pool),
            deadline_s=self._settings.picture_deadline_ms * len(room.pictures) / 1000,
            confidence=lambda _: 1.0,  # each item carries its own; a shelf of unknown products is no failure
        )

    async def _run(self, pool: Executor, work: Callable[[], T]) -> T:
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
