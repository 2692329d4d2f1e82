"""Judging prices of fresh goods in the true twin: the network, each simple rule, wrong beliefs, promises against what came."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.common.report import MetricRow, Report
from models.pricing.config import Config
from models.pricing.fresh import Goods
from models.pricing.fresh_evaluate import fresh_rules
from models.pricing.fresh_judging import FreshPath, live_fresh
from models.pricing.fresh_plots import days_plot
from models.pricing.fresh_rules import LADDER, LIST, FreshNetwork, FreshPolicy, candidates
from models.pricing.train import fit_fresh
from orchestration.fresh_diary import Floats
from orchestration.fresh_twin import (
    HISTORY_DAYS,
    JUDGED_DAYS,
    TEST_DAYS,
    FreshDays,
    FreshHistory,
    fresh_history,
    fresh_params,
    live_in_twin,
)
from orchestration.intervals import interval
from orchestration.pricing_settings import pricing_config
from orchestration.settings import Settings
from sources.twin.params import TwinParams

CHAMPION, HINDSIGHT = "DQN", "markdown ladder, tuned with hindsight"
FORESEEN_SHELVES = 4  # a good
WRONG = (0.5, 1.5)  # times the fitted elasticity


@dataclass(frozen=True)
class FreshJudged:
    """One world: what each policy brought, and what the network did under wrong beliefs, by the factor; `foreseen` (S, P)
    takings of the network a day without a promotion, told by simulation on fitted demand before the first day; 0 where unknown."""

    seed: int
    days: dict[str, FreshDays]
    wrong: dict[float, FreshDays]
    foreseen: Floats

    def less_waste(self, than: str = HINDSIGHT) -> float:
        """Share of another policy's waste that the network saves."""
        return 1.0 - self.days[CHAMPION].waste / self.days[than].waste

    def more_margin(self, than: str = HINDSIGHT) -> float:
        """Gross margin of the network over another policy's, less 1."""
        return self.days[CHAMPION].gross_margin / self.days[than].gross_margin - 1.0

    @property
    def kept_foreseen(self) -> float:
        """Realised takings of the network over those foreseen, of shelves and days without a promotion."""
        days, known = self.days[CHAMPION], self.foreseen > 0
        plain = days.plain & known
        return float(days.took[plain].sum() / (self.foreseen * plain).sum())

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
    return FreshJudged(seed, days, misled, foreseen(history, goods, network, cfg, seed=seed))


def foreseen(history: FreshHistory, goods: Goods, network: FreshNetwork, cfg: Config, *, seed: int) -> Floats:
    """Takings a day in money (S, P) as simulated on fitted demand: what a shop is promised before it starts."""
    shelves = FORESEEN_SHELVES * len(goods)
    lived = live_fresh(goods, np.array(cfg.fresh_prices), network, shelves=shelves, days=JUDGED_DAYS, seed=seed)
    history.world.restore(history.state)
    books = history.world.books()
    store, place = history.shop().morning(books, history.first)[1:]
    told = np.zeros((len(books.base), len(history.facts.number)))
    base = books.base[store, history.facts.number[place]]
    told[store, place] = lived.took.reshape(FORESEEN_SHELVES, len(goods)).mean(axis=0) * base
    return told


def believed(history: FreshHistory) -> Goods:
    """The goods on sale as the shop believes them to be after the history."""
    history.world.restore(history.state)
    return history.shop().goods(history.world.books(), history.first)


def learned(goods: Goods, cfg: Config, *, seed: int) -> FreshNetwork:
    """A network for the goods."""
    prices: Floats = np.array(cfg.fresh_prices)
    return FreshNetwork(prices, cfg.waste_weight, fit_fresh(goods, cfg, seed=seed))


def evaluate_worlds(settings: Settings, seeds: Sequence[int], *, on_progress: Callable[[str], None]) -> Report:
    """The report over the worlds of those seeds, with the overrides of `params.yaml`."""
    cfg = pricing_config(settings)
    return report_worlds([judge_world(seed, cfg, on_progress=on_progress) for seed in seeds])


def wrong_name(factor: float) -> str:
    """The network whose beliefs were `factor` times as elastic as fitted."""
    return f"{CHAMPION}, elasticity x {factor:g}"


def report_worlds(judged: Sequence[FreshJudged]) -> Report:
    """Means over worlds with 95 % intervals (t): each policy, and the network beside the others on the same days."""
    rows: list[MetricRow] = []

    def add(name: str, metric: str, unit: str, values: Sequence[float]) -> None:
        mean, low, high = interval(values)
        rows.extend(
            MetricRow(name, f"{metric}{end}", value, unit)
            for end, value in (("", mean), (", low", low), (", high", high))
        )

    for name in judged[0].days:
        lived = [each.days[name] for each in judged]
        add(name, "waste", "fraction", [each.waste for each in lived])
        add(name, "gross margin", "money a world", [each.gross_margin for each in lived])
        add(name, "takings", "money a world", [float(each.takings.sum()) for each in lived])
        add(name, "mean price", "money", [each.mean_price for each in lived])
        add(name, "margin before waste", "money a world", [float((x.takings - x.cost).sum()) for x in lived])
        if name != CHAMPION:
            add(CHAMPION, f"less waste than {name}", "fraction", [each.less_waste(name) for each in judged])
            add(CHAMPION, f"gross margin over {name}", "fraction", [each.more_margin(name) for each in judged])
    add(CHAMPION, "realised over promised takings", "fraction", [each.kept - 1.0 for each in judged])
    add(CHAMPION, "realised over foreseen takings", "fraction", [each.kept_foreseen - 1.0 for each in judged])
    for factor in judged[0].wrong:
        over = [each.wrong[factor].gross_margin / each.days[LIST].gross_margin - 1.0 for each in judged]
        add(wrong_name(factor), f"gross margin over {LIST}", "fraction", over)
        add(wrong_name(factor), "waste", "fraction", [each.wrong[factor].waste for each in judged])
    notes = (
        "Gross margin is takings less what goods sold or thrown away had cost; waste is of the units received.",
        f"The {HINDSIGHT}, is the best of its grid on the very days it is judged on; the other rules are tuned on fitted demand.",
        f"Worlds {', '.join(str(each.seed) for each in judged)}; {JUDGED_DAYS} days after {HISTORY_DAYS} of history, {TEST_DAYS} of "
        "these with a price test. Customers are the same under every policy.",
        "Promised takings are those expected each morning from the prices asked and the stock at hand; foreseen ones are simulated "
        "on fitted demand before the first day, and compared on shelves and days without a promotion.",
    )
    path = judged[0].days[CHAMPION]
    return Report(CHAMPION, tuple(rows), {"paths": _paths(path)} if path.price.size else {}, notes)


def _paths(days: FreshDays) -> bytes:
    """The shelves of the first store with most, with middling and with least thrown away."""
    lost = np.where(np.isfinite(days.price[:, 0]).all(axis=0), days.lost[:, 0].sum(axis=0), -1)
    order = np.argsort(lost)[lost[np.argsort(lost)] >= 0]
    chosen = [int(order[place]) for place in (-1, len(order) // 2, 0)]
    path = FreshPath(*(each[:, 0, chosen] for each in (days.price, days.stock, days.lost)))
    return days_plot(path, [f"fresh product {number + 1}: {int(lost[number])} thrown away" for number in chosen])
