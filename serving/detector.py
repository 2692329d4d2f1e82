"""Product recognition as a BentoML service: items found and named, products enrolled from photos, a page for people."""

import os

from models.common.telemetry import switch_off

switch_off(os.environ)  # before BentoML is imported: it reads its switches once

import time  # noqa: E402
from typing import Any  # noqa: E402

import bentoml  # noqa: E402
from starlette.responses import Response  # noqa: E402

from serving.bot import KNOBS, quiet_refusals, show_pages, tell  # noqa: E402
from serving.detector_answering import Answerer  # noqa: E402
from serving.detector_champion import BOT, Champion, degrade, open_champion  # noqa: E402
from serving.detector_door import Counter, DetectorDoor  # noqa: E402
from serving.detector_gallery import GalleryDesk  # noqa: E402
from serving.detector_pictures import example  # noqa: E402
from serving.detector_schemas import (  # noqa: E402
    EXAMPLE_PICTURE,
    EXAMPLE_PRODUCT,
    AnnotateReply,
    AnnotateRequest,
    DetectorCard,
    EnrolRequest,
    GalleryReply,
    ProductsPage,
    RecogniseReply,
    RecogniseRequest,
    RemoveRequest,
)
from serving.loader import ChampionLoader, Doors  # noqa: E402
from serving.metrics import ServiceMetrics  # noqa: E402
from serving.release import POINTER_FILE  # noqa: E402
from serving.replies import reply, reply_with_status  # noqa: E402
from serving.schema_base import ModelRequest, PageRequest  # noqa: E402
from serving.settings import ServeSettings  # noqa: E402

BODY_BYTES = 32 << 20  # some phone photos, as base64

settings = ServeSettings()
metrics = ServiceMetrics(BOT, settings.workers)
examples: dict[str, str] = {}
counter = Counter()


@bentoml.service(name=BOT, **KNOBS)
class Detector:
    """Items of pictures found and named by a gallery of known products, each with a calibrated confidence.

    Products are enrolled from a few photos, without retraining, by engineers. When the model fails, is late, or does not match its
    hashes, nothing is claimed and `served_by` says that a person is asked. People look at photos at `/look`; files go as
    multipart/form-data to `/photos`, `/photos/annotated` and `/enrol_photos`.
    """

    def __init__(self) -> None:
        self._loader: ChampionLoader[Champion] = ChampionLoader(
            settings.releases / BOT / POINTER_FILE,
            Doors(
                lambda folder, pointer: open_champion(folder, pointer, settings),
                lambda running, folder, pointer, why: degrade(running, folder, pointer, why, settings),
                _measure,
            ),
            poll_s=settings.poll_s,
        )
        desk = GalleryDesk(settings, clock=time.time)
        self._answerer = Answerer(lambda: self._loader.current, desk, settings, metrics)
        counter.answerer = self._answerer
        self._loader.start()
        quiet_refusals()

    @bentoml.api(output_spec=RecogniseReply)  # type: ignore[untyped-decorator]
    async def recognise(self, request: RecogniseRequest, /) -> Response:
        """Find and name the items of one or some pictures.

        Boxes are in pixels of the upright picture. An item that no product of the gallery is like has none; `confidence` is the
        chance that the name is right. Files that are too large, no picture or cut off are refused.
        """
        return await reply(self._answerer.recognise(request))

    @bentoml.api(output_spec=AnnotateReply)  # type: ignore[untyped-decorator]
    async def annotate(self, request: AnnotateRequest, /) -> Response:
        """Draw boxes and names into a picture; `/photos/annotated` answers the JPEG itself."""
        return await reply(self._answerer.annotate(request))

    @bentoml.api(output_spec=GalleryReply)  # type: ignore[untyped-decorator]
    async def enrol(self, request: EnrolRequest, /, ctx: bentoml.Context) -> Response:
        """Enrol a product from photos that show it alone.

        Takes an engineer's token as `Authorization: Bearer TOKEN` (401 without). Where the photos look like another product's the
        answer is 409; `force` enrols it nevertheless. Services know it within seconds; the change is recorded under the name.
        """
        return await reply_with_status(ctx, self._answerer.enrol(request, ctx.request.headers.get("authorization", "")))

    @bentoml.api(output_spec=GalleryReply)  # type: ignore[untyped-decorator]
    async def remove(self, request: RemoveRequest, /, ctx: bentoml.Context) -> Response:
        """Take a product out of the gallery, as an engineer (see `enrol`)."""
        return await reply_with_status(
            ctx, self._answerer.remove(request, ctx.request.headers.get("authorization", ""))
        )

    @bentoml.api(output_spec=ProductsPage)  # type: ignore[untyped-decorator]
    async def products(self, request: PageRequest, /) -> Response:
        """List the products of the gallery, page by page."""
        return await reply(self._answerer.products(request))

    @bentoml.api(output_spec=DetectorCard)  # type: ignore[untyped-decorator]
    async def model(self, request: ModelRequest, /) -> Response:
        """Tell which champion answers, what it knows, and whether something is wrong."""
        del request
        return await reply(self._answerer.model(swaps=self._loader.swaps, problem=self._loader.problem))

    def __is_ready__(self) -> bool:
        """Ready once anything can answer, be it that a person is asked."""
        return self._loader.current is not None

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Stop following promotions and let the worker threads go."""
        self._loader.stop()
        self._answerer.close()


def _measure(loader: ChampionLoader[Champion]) -> None:
    champion = loader.current
    if champion is not None and champion.products:
        examples[EXAMPLE_PRODUCT] = champion.products[0]
    examples[EXAMPLE_PICTURE] = example()
    tell(metrics, loader)


def _bounded() -> ServeSettings:
    """Photos are larger than questions; whoever set a bound of their own keeps it."""
    if "max_body_bytes" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"max_body_bytes": BODY_BYTES})


service: Any = Detector  # the decorator has made a bentoml Service of the class, which its types do not say
# Before the door that takes JSON alone.
service.add_asgi_middleware(DetectorDoor, counter=counter, max_body_bytes=_bounded().max_body_bytes)
show_pages(
    service,
    BOT,
    metrics,
    _bounded(),
    examples,
    bad="pictures.0: no base64 (Incorrect padding): encode the bytes of the file",
    unknown="'P9' is not in the gallery",
)
