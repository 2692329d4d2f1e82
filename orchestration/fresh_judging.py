"""Judging prices of fresh goods in the true twin: the network, each simple rule, wrong beliefs, promises against what came."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from models.pricing.config import Config
from models.pricing.fresh import Goods
from models.pricing.fresh_evaluate import fresh_rules
from models.pricing.fresh_rules import LADDER, FreshNetwork, FreshPolicy, candidates
from models.pricing.train import fit_fresh
from orchestration.fresh_diary import Floats
from orchestration.fresh_twin import FreshDays, FreshHistory, fresh_history, fresh_params, live_in_twin
from sources.twin.params import TwinParams

CHAMPION, PLAIN, HINDSIGHT = "DQN", "plain rule", "markdown ladder, tuned with hindsight"
WRONG = (0.5, 1.5)  # times the fitted elasticity


@dataclass(frozen=True)
class FreshJudged:
    """One world: what each policy brought, and what the network did under wrong beliefs, by the factor."""

    seed: int
    days: dict[str, FreshDays]
    wrong: dict[float, FreshDays]

    def less_waste(self, than: str = HINDSIGHT) -> float:
        """Share of another policy's waste that the network saves."""
        return 1.0 - self.days[CHAMPION].waste / self.days[than].waste

    def more_margin(self, than: str = HINDSIGHT) -> float:
        """Gross margin of the network over another policy's, less 1."""
        return self.days[CHAMPION].gross_margin / self.days[than].gross_margin - 1.0

    @property
    def kept(self) -> float:
        """Realised over promised takings of the network."""
        days = self.days[CHAMPION]
        return float(days.takings.sum() / days.promised.sum())


def judge_world(
    seed: int,
    cfg: Config,
    *,
    params: TwinParams | None = None,
    wrong: tuple[float, ...] = WRONG,
    on_progress: Callable[[str], None] = print,
) -> FreshJudged:
    """A world nothing was tuned on. Rules are tuned on fitted demand, as the network is; the ladder again with hindsight, on
    the very days it is judged on, which no shop could do."""
    on_progress(f"world {seed}: history and fit")
    history = fresh_history(params or fresh_params(), seed)
    goods = believed(history)
    network = learned(goods, cfg, seed=seed)
    policies: dict[str, FreshPolicy] = {CHAMPION: network} | fresh_rules(goods, cfg)
    on_progress(f"world {seed}: true days")
    days = {name: live_in_twin(history, policy.choose) for name, policy in policies.items()}
    days[PLAIN] = live_in_twin(history, None)
    ladders = (each for each in candidates(np.array(cfg.fresh_prices)) if each.name == LADDER)
    days[HINDSIGHT] = max(
        (live_in_twin(history, each.choose) for each in ladders), key=lambda lived: lived.gross_margin
    )
    misled = {}
    for factor in wrong:
        on_progress(f"world {seed}: elasticity believed {factor:g} times what was fitted")
        demand = replace(history.demand, elasticity=history.demand.elasticity * factor)
        strayed = replace(history, demand=demand)
        policy = learned(believed(strayed), cfg, seed=seed)
        misled[factor] = live_in_twin(strayed, policy.choose)
    return FreshJudged(seed, days, misled)


def believed(history: FreshHistory) -> Goods:
    """The goods on sale as the shop believes them to be after the history."""
    history.world.restore(history.state)
    return history.shop().goods(history.world.books(), history.first)


def learned(goods: Goods, cfg: Config, *, seed: int) -> FreshNetwork:
    """A network for the goods."""
    prices: Floats = np.array(cfg.fresh_prices)
    return FreshNetwork(prices, cfg.waste_weight, fit_fresh(goods, cfg, seed=seed))
