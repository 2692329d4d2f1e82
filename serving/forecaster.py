"""The forecaster as a BentoML service: how much of each product will be asked for, and why."""

import os

from models.common.telemetry import switch_off

switch_off(os.environ)  # before BentoML is imported: it reads its switches once

from typing import Any  # noqa: E402

import bentoml  # noqa: E402
from starlette.responses import Response  # noqa: E402

from serving.answering import Answerer  # noqa: E402
from serving.bot import KNOBS, quiet_refusals, show_pages, tell  # noqa: E402
from serving.champion import BOT, Champion, degrade, open_champion  # noqa: E402
from serving.loader import ChampionLoader, Doors  # noqa: E402
from serving.metrics import ServiceMetrics  # noqa: E402
from serving.predictor import feature_reader, load_model, load_snapshot  # noqa: E402
from serving.release import POINTER_FILE  # noqa: E402
from serving.replies import reply  # noqa: E402
from serving.schema_base import ModelRequest  # noqa: E402
from serving.schemas import (  # noqa: E402
    EXAMPLE_SERIES,
    ForecastReply,
    ForecastRequest,
    ModelReply,
    ReasonsReply,
    ReasonsRequest,
    SeriesPage,
    SeriesRequest,
)
from serving.settings import ServeSettings  # noqa: E402

settings = ServeSettings()
metrics = ServiceMetrics(BOT, settings.workers)
examples: dict[str, str] = {}


@bentoml.service(name=BOT, **KNOBS)
class Forecaster:
    """Demand of every series for the next days or weeks: mean and quantiles, reasons, what-if.

    When the model fails, is late, or does not match its hashes, the last good forecast answers and `served_by` says so.
    """

    def __init__(self) -> None:
        self._loader: ChampionLoader[Champion] = ChampionLoader(
            settings.releases / BOT / POINTER_FILE,
            Doors(
                lambda folder, pointer: open_champion(
                    folder,
                    pointer,
                    settings,
                    load_model=load_model,
                    load_snapshot=load_snapshot,
                    load_features=feature_reader(settings),
                ),
                lambda running, folder, pointer, why: degrade(running, folder, pointer, why, settings),
                _measure,
            ),
            poll_s=settings.poll_s,
        )
        self._answerer = Answerer(lambda: self._loader.current, settings, metrics)
        self._loader.start()
        quiet_refusals()

    @bentoml.api(output_spec=ForecastReply)  # type: ignore[untyped-decorator]
    async def forecast(self, request: ForecastRequest, /) -> Response:
        """Forecast one or many series.

        Answers mean and the quantiles asked for, by period, from the end of the data on. `overrides` asks what would be
        if a covariate that is known ahead were different, such as a planned promotion. `served_by` says who answered.
        """
        return await reply(self._answerer.forecast(request))

    @bentoml.api(output_spec=ReasonsReply)  # type: ignore[untyped-decorator]
    async def reasons(self, request: ReasonsRequest, /) -> Response:
        """Say why: the contribution of each group of features to the mean (exact Shapley values)."""
        return await reply(self._answerer.reasons(request))

    @bentoml.api(output_spec=SeriesPage)  # type: ignore[untyped-decorator]
    async def series(self, request: SeriesRequest, /) -> Response:
        """List the known series, page by page."""
        return await reply(self._answerer.series(request))

    @bentoml.api(output_spec=ModelReply)  # type: ignore[untyped-decorator]
    async def model(self, request: ModelRequest, /) -> Response:
        """Tell which champion answers, what it may be asked, and whether something is wrong."""
        del request
        return await reply(self._answerer.model(swaps=self._loader.swaps, problem=self._loader.problem))

    def __is_ready__(self) -> bool:
        """Ready once anything can answer, be it the fallback."""
        return self._loader.current is not None

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Stop following promotions and let the worker threads go."""
        self._loader.stop()
        self._answerer.close()


def _measure(loader: ChampionLoader[Champion]) -> None:
    champion = loader.current
    if champion is not None and champion.series_ids:
        examples[EXAMPLE_SERIES] = champion.series_ids[0]
    tell(metrics, loader)


service: Any = Forecaster  # the decorator has made a bentoml Service of the class, which its types do not say
show_pages(
    service,
    BOT,
    metrics,
    settings,
    examples,
    bad="horizon 42 is beyond this champion's 28 periods",
    unknown="unknown series 'S9': `/series` lists the 120 known ones",
)
