"""The recommender's Answerer on one release, without a server. Loaded by the tests."""

import asyncio
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from release_factory import Releases

from models.recommender.online import OnlineScorer
from models.recommender.online_config import FeedbackConfig, FtrlConfig
from models.recommender.online_published import Published
from models.recommender.reweighting import RANKING_FEATURES, Reweighting, ReweightingConfig
from serving.impressions import ImpressionIds
from serving.metrics import ServiceMetrics
from serving.recommender_answering import Answerer
from serving.recommender_champion import Champion, open_champion
from serving.recommender_feedback import FeedbackDesk
from serving.recommender_online import NOTHING
from serving.recommender_schemas import RecommendReply, RecommendRequest
from serving.release import read_pointer
from serving.settings import ServeSettings

SETTINGS = ServeSettings(deadline_ms=5_000, breaker_failures=3, breaker_reset_s=0.1, explore=0.0)


class Desk:
    """An Answerer on one release, with what a test wants to bend."""

    def __init__(self, releases: Releases, settings: ServeSettings = SETTINGS) -> None:
        self.settings = settings
        self.pointer = read_pointer(releases.bot / "champion.json")
        self.folder = releases.bot / self.pointer.release
        self.champion: Champion | None = open_champion(self.folder, self.pointer, settings, None)
        self.metrics = ServiceMetrics("recommender")
        self.online = Published(-1, 0, OnlineScorer(RANKING_FEATURES, FtrlConfig(), NOTHING))
        self.ids = ImpressionIds(b"k" * 32, len(RANKING_FEATURES.columns))
        feedback = FeedbackDesk(None, self.ids, RANKING_FEATURES, FeedbackConfig())
        self.answerer = Answerer(
            lambda: self.champion,
            lambda: self.online,
            self.ids,
            feedback,
            Reweighting(ReweightingConfig()),
            settings,
            self.metrics,
        )

    def ask(self, **request: Any) -> dict:
        body = asyncio.run(self.answerer.recommend(RecommendRequest(**request)))
        RecommendReply.model_validate_json(body)  # what is sent is what the schema promises
        return json.loads(body)

    def items(self, **request: Any) -> list[str]:
        return [item["item_id"] for item in self.ask(**request)["recommendations"][0]["items"]]

    def bend_model(self, **methods: Any) -> None:
        real = self.champion.model
        predictor = SimpleNamespace(
            **{
                name: getattr(real.predictor, name)
                for name in ("histories", "shortlist", "reasons", "similar", "spec", "predict")
            }
            | methods
        )
        bent = replace(real, predictor=predictor)
        self.champion = replace(self.champion, model=bent)
