"""Judging prices of fresh goods on simulated shelves: the network beside simple rules, each tuned, and plain DQN."""

import numpy as np

from models.common.report import MetricRow
from models.pricing.config import Config
from models.pricing.fresh import Goods
from models.pricing.fresh_judging import FreshLived, follow_fresh, live_fresh
from models.pricing.fresh_plots import asked_plot, days_plot, trade_plot
from models.pricing.fresh_rules import FreshPolicy, tuned
from models.pricing.market import Ints
from models.pricing.spec import FRESH

TUNING_SEED = 7_919
SHOWN_DAYS = 42
TUNING_SHARE = 4  # of the judged shelves, one in so many is enough to tune a rule by


def judge_fresh(
    policy: FreshPolicy, goods: Goods, cfg: Config, *, seed: int, segment: str = FRESH
) -> tuple[list[MetricRow], dict[str, bytes]]:
    """Rows and plots of what each policy brought; demand lies within the errors of what is told, days are those nothing was
    tuned on."""
    prices = np.array(cfg.fresh_prices)
    policies: dict[str, FreshPolicy] = {policy.name: policy} | fresh_rules(goods, cfg)
    if cfg.fresh_peer_steps:
        from models.pricing.peers import PEER, fit_fresh_peer

        policies[PEER] = fit_fresh_peer(goods, cfg, seed=seed)
    lived = {
        name: live_fresh(goods, prices, each, shelves=cfg.fresh_shelves, days=cfg.fresh_days, seed=seed)
        for name, each in policies.items()
    }
    rows = [
        MetricRow(name, metric, value, unit, segment)
        for name, each in lived.items()
        for metric, value, unit in fresh_figures(each)
    ]
    shown = _shown(goods)
    path = follow_fresh(goods, prices, policy, shown, days=SHOWN_DAYS, seed=seed)
    titles = [f"keeps {goods.life[each]} days, sells {goods.level[each]:.1f} a day" for each in shown]
    plots = {
        "fresh_paths": days_plot(path, titles),
        "fresh_prices": asked_plot(prices, lived),
        "fresh_trade": trade_plot(lived),
    }
    return rows, plots


def _shown(goods: Goods) -> Ints:
    """The best seller of the goods that keep shortest, half as long as they go, and longest."""
    order = np.lexsort((-goods.level, goods.life))
    lives = np.unique(goods.life)
    wanted = dict.fromkeys(int(lives[place]) for place in (0, len(lives) // 2, -1))
    return np.array([next(row for row in order if goods.life[row] == life) for life in wanted], dtype=np.int64)


def fresh_figures(lived: FreshLived) -> tuple[tuple[str, float, str], ...]:
    """Metric, value and unit."""
    return (
        ("gross margin", lived.gross_margin, "list prices a shelf and day"),
        ("takings", lived.takings, "list prices a shelf and day"),
        ("waste", lived.waste, "fraction"),
        ("mean price", lived.price, "list prices"),
        ("sold", lived.sold, "units a shelf and day"),
    )


def fresh_rules(goods: Goods, cfg: Config) -> dict[str, FreshPolicy]:
    """Each simple rule, tuned for gross margin by simulation."""
    prices = np.array(cfg.fresh_prices)
    shelves = max(cfg.fresh_shelves // TUNING_SHARE, 10)
    return tuned(
        prices,
        lambda rule: (
            live_fresh(goods, prices, rule, shelves=shelves, days=cfg.fresh_days, seed=TUNING_SEED).gross_margin
        ),
    )
