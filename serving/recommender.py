"""The recommender as a BentoML service: what each customer may want next, and why; it learns of what they do."""

import os

from models.common.telemetry import switch_off

switch_off(os.environ)  # before BentoML is imported: it reads its switches once

import gc  # noqa: E402
import secrets  # noqa: E402
from typing import Any  # noqa: E402

import bentoml  # noqa: E402
from starlette.responses import Response  # noqa: E402

from models.recommender.online_config import FeedbackConfig, FtrlConfig  # noqa: E402
from models.recommender.reweighting import RANKING_FEATURES, Reweighting, ReweightingConfig  # noqa: E402
from serving.bot import KNOBS, quiet_refusals, show_pages, tell  # noqa: E402
from serving.customer_reader import customer_store  # noqa: E402
from serving.impressions import KEY_BYTES, ImpressionIds, read_key  # noqa: E402
from serving.loader import ChampionLoader, Doors  # noqa: E402
from serving.metrics import ServiceMetrics  # noqa: E402
from serving.recommender_answering import Answerer  # noqa: E402
from serving.recommender_champion import BOT, Champion, degrade, open_champion  # noqa: E402
from serving.recommender_feedback import FeedbackDesk  # noqa: E402
from serving.recommender_online import OnlinePart  # noqa: E402
from serving.recommender_schemas import (  # noqa: E402
    EXAMPLE_CUSTOMER,
    EXAMPLE_ITEM,
    FeedbackReply,
    FeedbackRequest,
    ItemsPage,
    ItemsRequest,
    RecommenderCard,
    RecommendReply,
    RecommendRequest,
    SimilarReply,
    SimilarRequest,
)
from serving.release import POINTER_FILE  # noqa: E402
from serving.replies import reply  # noqa: E402
from serving.schema_base import ModelRequest  # noqa: E402
from serving.settings import ServeSettings  # noqa: E402

settings = ServeSettings()
metrics = ServiceMetrics(BOT, settings.workers)
examples: dict[str, str] = {}


@bentoml.service(name=BOT, **KNOBS)
class Recommender:
    """What each customer may want next: by what was taken, re-weighted by what was learned online, and why.

    When the model fails, is late, or does not match its hashes, what is popular in the segment answers and `served_by` says
    so. Send back what was shown and what customers did to `feedback`: the next request knows it, and the online part learns.
    """

    def __init__(self) -> None:
        folder = settings.online
        store = customer_store(settings)
        self._loader: ChampionLoader[Champion] = ChampionLoader(
            settings.releases / BOT / POINTER_FILE,
            Doors(
                lambda release, pointer: open_champion(release, pointer, settings, store),
                lambda running, release, pointer, why: degrade(running, release, pointer, why, settings),
                _measure,
            ),
            poll_s=settings.poll_s,
        )
        key = secrets.token_bytes(KEY_BYTES) if folder is None else read_key(folder)
        ids = ImpressionIds(key, len(RANKING_FEATURES.columns))
        feedback = FeedbackConfig.of_wait(settings.label_wait_s)
        self._online = OnlinePart(settings, FtrlConfig())
        self._answerer = Answerer(
            lambda: self._loader.current,
            lambda: self._online.current,
            ids,
            FeedbackDesk(folder, ids, RANKING_FEATURES, feedback),
            Reweighting(ReweightingConfig()),
            settings,
            metrics,
        )
        self._online.start()
        self._loader.start()
        quiet_refusals()

    @bentoml.api(output_spec=RecommendReply)  # type: ignore[untyped-decorator]
    async def recommend(self, request: RecommendRequest, /) -> Response:
        """Recommend items to customers, or to somebody of whom only a history is known.

        Each item comes with the chance that it came to its place and an `impression_id`: send the ids of what came into
        view, and of what was clicked, to `feedback`. `served_by` says who answered.
        """
        return await reply(self._answerer.recommend(request))

    @bentoml.api(output_spec=FeedbackReply)  # type: ignore[untyped-decorator]
    async def feedback(self, request: FeedbackRequest, /) -> Response:
        """Tell what was shown and what customers did.

        Answered once it is on the disk. Send it again, whole, until it is: in any order and as often as need be, it counts
        once. The next request of a customer knows it.
        """
        return await reply(self._answerer.feedback(request))

    @bentoml.api(output_spec=SimilarReply)  # type: ignore[untyped-decorator]
    async def similar(self, request: SimilarRequest, /) -> Response:
        """List the items most like one."""
        return await reply(self._answerer.similar(request))

    @bentoml.api(output_spec=ItemsPage)  # type: ignore[untyped-decorator]
    async def items(self, request: ItemsRequest, /) -> Response:
        """List the known items, page by page."""
        return await reply(self._answerer.items(request))

    @bentoml.api(output_spec=RecommenderCard)  # type: ignore[untyped-decorator]
    async def model(self, request: ModelRequest, /) -> Response:
        """Tell which champion answers, what it has learned online, and whether something is wrong."""
        del request
        online, loader = self._online, self._loader
        return await reply(
            self._answerer.model(
                swaps=loader.swaps, problem=loader.problem, learner=online.learner, learner_problem=online.problem
            )
        )

    def __is_ready__(self) -> bool:
        """Ready once anything can answer, be it the fallback."""
        return self._loader.current is not None

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Stop following promotions and what is learned, let the worker threads go."""
        self._loader.stop()
        self._answerer.close()
        self._online.stop()


def _measure(loader: ChampionLoader[Champion]) -> None:
    champion = loader.current
    if champion is not None and champion.item_ids:
        examples[EXAMPLE_ITEM] = champion.item_ids[0]
        if known := getattr(champion.customers, "customer_ids", ()):
            examples[EXAMPLE_CUSTOMER] = known[0]
    tell(metrics, loader)
    # What was loaded stays: looking through it again and again for garbage would hold up requests.
    gc.collect()
    gc.freeze()


service: Any = Recommender  # the decorator has made a bentoml Service of the class, which its types do not say
show_pages(
    service,
    BOT,
    metrics,
    settings,
    examples,
    bad="give either customer_ids or history (an empty one is a stranger's)",
    unknown="unknown item 'I9': `/items` lists the 4000 known ones",
)
