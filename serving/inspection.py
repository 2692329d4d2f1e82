"""Visual inspection as a BentoML service: packages passed, rejected or sent to a human, and why."""

import os

from models.common.telemetry import switch_off

switch_off(os.environ)  # before BentoML is imported: it reads its switches once

from base64 import b64encode  # noqa: E402
from typing import Any  # noqa: E402

import bentoml  # noqa: E402
from starlette.responses import Response  # noqa: E402

from models.common.pictures import encode_picture  # noqa: E402
from serving.bot import KNOBS, quiet_refusals, show_pages, tell  # noqa: E402
from serving.forms import Form  # noqa: E402
from serving.inspection_answering import Answerer  # noqa: E402
from serving.inspection_champion import BOT, Champion, degrade, open_champion  # noqa: E402
from serving.inspection_schemas import (  # noqa: E402
    EXAMPLE_BATCH,
    EXAMPLE_PICTURE,
    BatchesPage,
    BatchesRequest,
    InspectFormRequest,
    InspectionCard,
    InspectReply,
    InspectRequest,
)
from serving.loader import ChampionLoader, Doors  # noqa: E402
from serving.metrics import ServiceMetrics  # noqa: E402
from serving.release import POINTER_FILE  # noqa: E402
from serving.replies import reply  # noqa: E402
from serving.schema_base import ModelRequest  # noqa: E402
from serving.settings import ServeSettings  # noqa: E402

settings = ServeSettings()
metrics = ServiceMetrics(BOT, settings.workers)
examples: dict[str, str] = {}


@bentoml.service(name=BOT, **KNOBS)
class Inspection:
    """Packages passed, rejected or sent to a human by a picture and three readings, beside the approved sample of their batch.

    The expected share of defects that pass is bounded. When the model fails, is late, or does not match its hashes, every package
    goes to a human and `served_by` says so.
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
        self._answerer = Answerer(lambda: self._loader.current, settings, metrics)
        self._loader.start()
        quiet_refusals()

    @bentoml.api(output_spec=InspectReply)  # type: ignore[untyped-decorator]
    async def inspect(self, request: InspectRequest, /) -> Response:
        """Decide on packages.

        Pictures come as base64 of square JPEG, PNG or WebP files, compared with the approved sample of `batch_id` or with one that
        is sent along. Files that are too large, no picture or cut off are refused. `served_by` says who answered.
        """
        return await reply(self._answerer.inspect(request))

    @bentoml.api(output_spec=InspectReply)  # type: ignore[untyped-decorator]
    async def inspect_form(self, request: InspectFormRequest, /) -> Response:
        """Decide on one package, sent as a form with its picture as a file.

        As `/inspect`, for a camera or a person with `curl -F picture=@package.jpg -F package_id=K1 -F batch_id=B1 -F weight_g=500 -F
        pressure_kpa=40 -F temperature_c=4`.
        """
        return await reply(self._answerer.inspect_form(request))

    @bentoml.api(output_spec=BatchesPage)  # type: ignore[untyped-decorator]
    async def batches(self, request: BatchesRequest, /) -> Response:
        """List the batches with an approved sample, page by page."""
        return await reply(self._answerer.batches(request))

    @bentoml.api(output_spec=InspectionCard)  # type: ignore[untyped-decorator]
    async def model(self, request: ModelRequest, /) -> Response:
        """Tell which champion answers, what it tells apart, and whether something is wrong."""
        del request
        return await reply(self._answerer.model(swaps=self._loader.swaps, problem=self._loader.problem))

    def __is_ready__(self) -> bool:
        """Ready once anything can answer, be it that a human is called."""
        return self._loader.current is not None

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Stop following promotions and let the worker threads go."""
        self._loader.stop()
        self._answerer.close()


def _measure(loader: ChampionLoader[Champion]) -> None:
    champion = loader.current
    if champion is not None and champion.samples is not None and champion.batch_ids:
        examples[EXAMPLE_BATCH] = champion.batch_ids[0]
        examples[EXAMPLE_PICTURE] = b64encode(encode_picture(champion.samples.pictures[0], "JPEG")).decode()
    tell(metrics, loader)


service: Any = Inspection  # the decorator has made a bentoml Service of the class, which its types do not say
show_pages(
    service,
    BOT,
    metrics,
    settings,
    examples,
    bad="packages.0.picture: no base64 (Incorrect padding): encode the bytes of the file",
    unknown="unknown batch 'B9': `/batches` lists the 24 known ones, or send its `approved` sample",
    forms={"/inspect_form": Form(InspectFormRequest, files=("picture", "approved_picture"))},
)
