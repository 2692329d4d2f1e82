"""Online learning in the twin's online shop: frozen ranker, re-weighted ranker, popularity and oracle in one world.

The shop lives a third of the days under its popularity policy. The offline ranker is trained on those clicks; one more day
of that policy calibrates its scores, by impressions that it did neither learn of nor choose (of its own first choices alone a
ranker seems to tell much more than it does). Then every policy goes on from there, alone, meeting the same visits and luck.
The last third is judged, by the true chance of each click: without the noise of the draws.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from models.common.report import MetricRow, Report
from models.recommender.config import Config
from models.recommender.exploration import ExplorationConfig
from models.recommender.online import Floats
from models.recommender.online_config import FeedbackConfig, FtrlConfig
from models.recommender.predict import Predictor
from models.recommender.reweighting import RANKING_FEATURES, Reweighting, ReweightingConfig
from models.recommender.slates import SlateConfig
from orchestration.online_policies import (
    FrozenPolicy,
    OfflineRanking,
    ReweightedPolicy,
    ShopMemory,
    ShopNames,
    WatchedPolicy,
)
from sources.twin.customers.params import OnlineParams
from sources.twin.customers.policies import OraclePolicy, PopularityPolicy
from sources.twin.customers.protocol import Feedback, RecommendationPolicy
from sources.twin.customers.records import OnlineDay
from sources.twin.customers.setting import Setting
from sources.twin.customers.shop import OnlineShop
from sources.twin.customers.state import OnlineState
from sources.twin.customers.tables import customer_ids

START = date(2024, 1, 1)
POPULARITY, FROZEN, REWEIGHTED, ORACLE = "popularity", "frozen", "reweighted", "oracle"


class LoopConfig(BaseModel):
    """Knobs of the loop; the defaults were chosen on seeds 11 to 18."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    customers: int = Field(2_000, ge=50, le=100_000, description="customers of the shop")
    items: int = Field(200, ge=20, le=10_000, description="items of the shop, all of them candidates")
    days: int = Field(60, ge=12, le=365, description="days; the first third trains, the last third is judged")
    recommender: Config = Config(kinds=("click",), threads=1, steps_min=200, width=64, ranker_hidden=64)
    ftrl: FtrlConfig = FtrlConfig()
    feedback: FeedbackConfig = FeedbackConfig()
    rules: SlateConfig = SlateConfig()
    exploration: ExplorationConfig = ExplorationConfig(share=0.3, temperature=0.5)

    @property
    def trained_day(self) -> int:
        """First day of the offline ranker."""
        return self.days // 3

    @property
    def judged_day(self) -> int:
        """First day that is judged."""
        return self.days - self.days // 3


class OnlineWorld:
    """One shop after its first third, with an offline ranker: ready for any policy to take over."""

    def __init__(
        self,
        cfg: LoopConfig,
        seed: int,
        *,
        predictor: Predictor | None = None,
    ) -> None:
        """Live through the first third, train (unless a `predictor` of this world is given), calibrate on a day."""
        self.cfg, self.seed = cfg, seed
        setting = Setting.alone(seed, items=cfg.items, days=cfg.days)
        self.shop = OnlineShop(OnlineParams(customers=cfg.customers), seed, setting)
        self._memory = ShopMemory(len(self.shop.people), cfg.items)
        popular = PopularityPolicy(self.shop.params.plain_policy, seed, cfg.items)
        self.history = self._live(WatchedPolicy(popular, self._memory), 0, cfg.trained_day)
        self.predictor = predictor or self._train()
        watched = WatchedPolicy(popular, self._memory)
        self.history += self._live(watched, cfg.trained_day, cfg.trained_day + 1)
        self.calibration = self._calibrate(watched.batches)
        self._then: OnlineState = self.shop.state.copy()
        self._popular = popular

    def ranking(self) -> OfflineRanking:
        """The offline ranker with a memory of its own, as of now."""
        return OfflineRanking(self.predictor, self.shop.setting.items, self._memory.copy())

    def frozen(self) -> FrozenPolicy:
        """The offline ranker alone."""
        return FrozenPolicy(self.ranking())

    def reweighted(self, folder: Path) -> ReweightedPolicy:
        """The offline ranker with an online learner that begins in `folder`."""
        from models.recommender.online_learner import OnlineLearner

        items = self.shop.setting.items
        return ReweightedPolicy(
            self.ranking(),
            Reweighting(self.calibration),
            OnlineLearner(folder, RANKING_FEATURES, self.cfg.ftrl, self.cfg.feedback),
            (items, ShopNames.of(items, self.shop.people.number)),
            seed=self.seed,
            rules=self.cfg.rules,
            exploration=self.cfg.exploration,
        )

    def popularity(self) -> PopularityPolicy:
        """The shop's plain policy with all it counted in the first third."""
        shown, clicked = self._popular.shown.copy(), self._popular.clicked.copy()
        params = self.shop.params.plain_policy
        return PopularityPolicy(params, self.seed, self.cfg.items, shown=shown, clicked=clicked)

    def live(self, policy: RecommendationPolicy) -> list[OnlineDay]:
        """All days after the first third and the day of calibration, under `policy`, from the same state whatever came before."""
        self.shop.state = self._then.copy()
        return self._live(policy, self.cfg.trained_day + 1, self.cfg.days)

    def _live(self, policy: RecommendationPolicy, first: int, end: int) -> list[OnlineDay]:
        return [self.shop.advance(START + timedelta(days=day), policy) for day in range(first, end)]

    def _train(self) -> Predictor:
        """The recommender of `models/recommender`, trained on the clicks up to now."""
        import pyarrow as pa

        from models.recommender.data import prepare
        from models.recommender.train import train

        who, what, when = self._memory.clicks()
        items = self.shop.setting.items
        names = np.array(items.ids)
        clicks = {
            "customer_id": np.array(customer_ids(who)),
            "item_id": names[what],
            "place": np.arange(len(who)),
            "happened_at": pa.array(when.view("datetime64[us]")),
            "kind": np.full(len(who), "click"),
            "amount": np.ones(len(who)),
        }
        attributes = {
            "item_id": np.concatenate([names, names]),
            "attribute": np.repeat(["category", "brand"], len(names)),
            "value": np.concatenate([np.char.add("c", items.category.astype(str)), np.char.add("b", items.brand.astype(str))]),
        }  # fmt: skip
        cfg = self.cfg.recommender
        data = prepare({"interactions": pa.table(clicks), "item_attributes": pa.table(attributes)}, cfg)
        return train(data, cfg, seed=self.seed).predictor()

    def _calibrate(self, batches: list[Feedback]) -> ReweightingConfig:
        from models.recommender.calibration import fit_calibration

        ranking, centred, position, clicked = self.ranking(), [], [], []
        for batch in batches:
            scores = ranking.scores(batch.requests.customer)[:, batch.requests.available]
            numbers = np.cumsum(batch.requests.available) - 1
            shown = np.take_along_axis(scores, numbers[batch.slates.items], axis=1)
            centred.append((shown - scores.mean(axis=1, keepdims=True)).ravel())
            position.append(np.tile(np.arange(shown.shape[1]), len(shown)))
            clicked.append(batch.clicked.ravel())
        return fit_calibration(np.concatenate(centred), np.concatenate(position), np.concatenate(clicked))


@dataclass(frozen=True)
class LoopResult:
    """True clicks per impression of each policy by day (D,), from the day after calibration on."""

    cfg: LoopConfig
    seed: int
    daily: Mapping[str, Floats]

    def last_third(self, policy: str) -> float:
        """Mean over the days that are judged."""
        return float(self.daily[policy][-(self.cfg.days - self.cfg.judged_day) :].mean())

    @property
    def lift(self) -> float:
        """Of re-weighting over the frozen ranker, a share of the latter."""
        return self.last_third(REWEIGHTED) / self.last_third(FROZEN) - 1

    def of_oracle(self, policy: str) -> float:
        """Share of the oracle's clicks per impression."""
        return self.last_third(policy) / self.last_third(ORACLE)

    def report(self) -> Report:
        """Figures of the last third beside frozen ranker, popularity and oracle, and the days as a picture."""
        rows = []
        for policy in self.daily:
            rows += [
                MetricRow(policy, "clicks per impression", self.last_third(policy), "share"),
                MetricRow(policy, "of the oracle", self.of_oracle(policy), "share"),
                MetricRow(policy, "over the frozen ranker", self.last_third(policy) / self.last_third(FROZEN) - 1, "share"),
            ]  # fmt: skip
        said = (
            f"seed {self.seed}: {self.cfg.customers:,} customers, {self.cfg.items:,} items, days {self.cfg.judged_day} to "
            f"{self.cfg.days - 1} judged by the true chance of a click; the offline ranker was trained on day "
            f"{self.cfg.trained_day}"
        )
        return Report(REWEIGHTED, tuple(rows), {"days": self._plot()}, (said,))

    def _plot(self) -> bytes:
        from models.common.figures import CHAMPION, figure, png

        drawn = figure(10, 3.6)
        axis = drawn.subplots()
        days = np.arange(self.cfg.trained_day + 1, self.cfg.days)
        for policy, values in self.daily.items():
            style = {"color": CHAMPION, "linewidth": 2.0} if policy == REWEIGHTED else {"linewidth": 1.0}
            axis.plot(days, values, label=policy, **style)
        axis.axvline(self.cfg.judged_day, color="0.7", linewidth=0.8)
        axis.set_xlabel("day; judged from the line on", fontsize=8)
        axis.set_ylabel("true clicks per impression", fontsize=8)
        axis.legend(fontsize=7, frameon=False)
        axis.tick_params(labelsize=8)
        return png(drawn)


def run_loop(world: OnlineWorld, scratch: Path) -> LoopResult:
    """Every policy in the same world; `scratch` takes the learner's journal."""
    policies: dict[str, Callable[[], RecommendationPolicy]] = {
        POPULARITY: world.popularity,
        FROZEN: world.frozen,
        REWEIGHTED: lambda: world.reweighted(scratch / "learner"),
        ORACLE: lambda: OraclePolicy(world.shop.truth),
    }
    daily = {
        name: np.array([day.expected_clicks_per_impression for day in world.live(make())])
        for name, make in policies.items()
    }
    return LoopResult(world.cfg, world.seed, daily)
