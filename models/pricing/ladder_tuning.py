"""Makes the ladders that a release falls back to, at packaging: the best markdown ladder of each market, else list price."""

from collections.abc import Sequence

from models.pricing.baselines import MarkdownLadder, candidates
from models.pricing.config import Config
from models.pricing.evaluate import TUNING_SEED
from models.pricing.judging import live
from models.pricing.ladder import ApprovedLadder
from models.pricing.market import Market, build_market
from models.pricing.spec import MarketSpec


def approved_ladders(markets: Sequence[MarketSpec], cfg: Config) -> tuple[ApprovedLadder, ...]:
    """A ladder a market: for goods that age the markdown ladder that earns most in `cfg.tuning_episodes` simulated
    episodes, for capacity the list price."""
    return tuple(_ladder(each, build_market(each.instance), cfg) for each in markets)


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
