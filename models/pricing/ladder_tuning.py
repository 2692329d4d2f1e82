"""Makes the ladders that a release falls back to, at packaging: the best markdown ladder of each market, else list price."""

import numpy as np

from models.pricing.baselines import MarkdownLadder, candidates
from models.pricing.config import Config
from models.pricing.evaluate import TUNING_SEED
from models.pricing.fresh import Goods
from models.pricing.fresh_judging import live_fresh
from models.pricing.fresh_ladder import FreshLadders, GoodLadder
from models.pricing.fresh_rules import FreshLadder
from models.pricing.fresh_rules import candidates as fresh_candidates
from models.pricing.judging import live
from models.pricing.ladder import ApprovedLadder, Ladders
from models.pricing.market import Market, build_market
from models.pricing.spec import FreshSpec, MarketSpec, ModelSpec


def approved_ladders(spec: ModelSpec, goods: Goods | None, cfg: Config) -> Ladders:
    """The ladders of an artifact; `goods` those of `spec.fresh`.

    A market of goods that age gets the markdown ladder that earns most in `cfg.tuning_episodes` simulated episodes, capacity
    the list price. Each fresh good gets the ladder of the highest gross margin in `cfg.fresh_days` days on its share of
    `cfg.fresh_shelves` shelves, on one at least: 200 goods take some fifteen seconds.
    """
    markets = {each.instance.name: _ladder(each, build_market(each.instance), cfg) for each in spec.markets}
    return Ladders(markets, None if spec.fresh is None or goods is None else _fresh(spec.fresh, goods, cfg))


def _ladder(spec: MarketSpec, market: Market, cfg: Config) -> ApprovedLadder:
    grid = () if market.keeps else tuple(each for each in candidates(market) if isinstance(each, MarkdownLadder))
    steps: tuple[float, ...] = (market.list_price,)
    told = "list price"
    if grid:
        best = max(
            grid, key=lambda rule: live(market, rule, episodes=cfg.tuning_episodes, seed=TUNING_SEED).money.mean()
        )
        steps = tuple(float(market.prices[number]) for number in best.steps)
        told = f"markdown ladder, the best of {len(grid)} in {cfg.tuning_episodes} simulated episodes"
    return ApprovedLadder(
        market=market.name,
        list_price=market.list_price,
        unit_cost=market.unit_cost,
        steps=steps,
        rules=spec.limits(),
        made_by=told,
    )


def _fresh(spec: FreshSpec, goods: Goods, cfg: Config) -> FreshLadders:
    prices = np.array(spec.prices)
    grid = tuple(each for each in fresh_candidates(prices) if isinstance(each, FreshLadder))
    each_good = max(cfg.fresh_shelves // len(goods), 1)
    shelves = each_good * len(goods)  # shelf n is one of good n % len(goods)
    earned = [
        live_fresh(goods, prices, rule, shelves=shelves, days=cfg.fresh_days, seed=TUNING_SEED).gross for rule in grid
    ]
    best = np.array(earned).reshape(len(grid), each_good, len(goods)).mean(axis=1).argmax(axis=0)
    chosen = [grid[number] for number in best.tolist()]
    return FreshLadders(
        rules=spec.rules,
        goods=tuple(
            GoodLadder(good=name, essential=essential, unit_cost=cost, ceiling=ceiling, steps=rule.steps, top=rule.top)
            for name, essential, cost, ceiling, rule in zip(
                spec.goods, spec.essential, goods.cost.tolist(), goods.ceiling.tolist(), chosen, strict=True
            )
        ),
        made_by=f"markdown ladder, the best of {len(grid)} in {cfg.fresh_days} simulated days on {each_good} shelves a good",
    )
