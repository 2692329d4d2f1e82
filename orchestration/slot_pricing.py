"""Fees of delivery slots, judged in the twin: learned on demand fitted from a history, beside simple rules and an oracle on the
same customers; what was promised beside what came.

Rules are tuned in the twin itself, on seeds that nothing is judged on; what is learned has seen the fitted demand alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestration.intervals import interval
from orchestration.settings import Settings
from orchestration.slot_demand import FEES, KINDS, SlotBook
from orchestration.slot_oracle import Solved, oracle
from orchestration.slot_play import JUDGED_DAYS, Judged, at_one_fee, by_desk, play, promised, slot_shop

if TYPE_CHECKING:
    from models.common.report import Report
    from models.pricing.baselines import Policy
    from models.pricing.config import Config
    from models.pricing.market import Market
    from sources.twin.slots.params import SlotParams

CHAMPION, FIXED, ORACLE, PROGRAM = "DQN", "fixed fare", "oracle", "dynamic program, fitted demand"
LISTED, MARGINAL = "list price", "marginal revenues"
WRONG = (0.5, 1.5)  # times the elasticity that was fitted
TUNING_SEEDS = (11, 12, 13)
FINER = 0.25  # steps of the fixed fare
PROMISED_WEEKS = 40
LEAST_WORLDS = 2  # for an interval
NAIVE_BAND = (0.75, 0.92)  # of the oracle's revenue, for the fixed fare: else the twin is too easy or too hard


@dataclass(frozen=True)
class Tuned:
    """The fee that earned most of all single ones, and the number of each rule among `candidates`, by name."""

    fee: float
    rules: Mapping[str, int]


def wrong(factor: float) -> str:
    """Name of the policy that was learned on demand so many times as elastic as fitted."""
    return f"{CHAMPION}, elasticity x {factor:g}"


def tune(params: "SlotParams", *, seeds: Sequence[int] = TUNING_SEEDS, days: int = JUDGED_DAYS) -> Tuned:
    """The best point of each rule's grid over some worlds together."""
    fees = np.arange(FEES[0], FEES[-1] + FINER / 2, FINER)
    single = np.zeros(len(fees))
    worth: dict[str, dict[int, float]] = {}
    for seed in seeds:
        shop, book = slot_shop(params, seed)
        single += [play(shop, book, at_one_fee(float(fee)), days=days).money for fee in fees]
        for number, (name, policies) in enumerate(_rules(book.markets())):
            if name != FIXED:
                found = worth.setdefault(name, {})
                found[number] = found.get(number, 0.0) + play(shop, book, by_desk(book, policies), days=days).money
    best = {name: max(found, key=lambda number: found[number]) for name, found in worth.items()}
    return Tuned(float(fees[single.argmax()]), best)


def _rules(markets: Sequence["Market"]) -> list[tuple[str, tuple["Policy", ...]]]:
    """Each rule at each point of its grid, one policy a market."""
    from models.pricing.baselines import candidates

    found = zip(*(candidates(market) for market in markets), strict=True)
    return [
        (f"{each[0].name}, {MARGINAL}" if getattr(each[0], "transformed", False) else each[0].name, each)
        for each in found
    ]


def learn(
    book: SlotBook, cfg: "Config", *, seed: int, on_progress: Callable[[str, float], None]
) -> tuple["Policy", ...]:
    """A network a kind of window, on `cfg.ensemble` plausible demands."""
    from models.pricing.predict import NetworkPolicy
    from models.pricing.train import fit_network

    found = []
    for number, market in enumerate(book.markets(ensemble=cfg.ensemble, seed=seed)):

        def tell(stage: str, done: float, start: float = number / len(KINDS)) -> None:
            on_progress(stage, start + done / len(KINDS))

        found.append(NetworkPolicy(market, fit_network(market, cfg, seed=seed, on_progress=tell), CHAMPION))
    return tuple(found)


def judge(
    params: "SlotParams",
    tuned: Tuned,
    cfg: "Config",
    *,
    seed: int,
    wrong_cfg: "Config | None" = None,
    days: int = JUDGED_DAYS,
    on_progress: Callable[[str, float], None] | None = None,
) -> Judged:
    """One world: fit on its history, learn, and let every policy price the days that follow. With `wrong_cfg` also policies
    that believe in each of WRONG times the elasticity."""
    from models.common.protocols import silent
    from models.pricing.baselines import list_price

    tell = on_progress or silent
    shop, book = slot_shop(params, seed)
    markets = book.markets()
    rules = _rules(markets)
    policies: dict[str, tuple[Policy, ...]] = {CHAMPION: learn(book, cfg, seed=seed, on_progress=tell)}
    policies[LISTED] = tuple(list_price(market) for market in markets)
    policies |= {name: rules[number][1] for name, number in tuned.rules.items()}
    policies[PROGRAM] = tuple(Solved(market) for market in markets)
    books = dict.fromkeys(policies, book)
    for factor in WRONG if wrong_cfg is not None else ():
        believed = books[wrong(factor)] = book.believing(factor)
        policies[wrong(factor)] = learn(believed, wrong_cfg or cfg, seed=seed, on_progress=tell)
    played = {name: play(shop, books[name], by_desk(books[name], each), days=days) for name, each in policies.items()}
    played[FIXED] = play(shop, book, at_one_fee(tuned.fee), days=days)
    played[ORACLE] = play(shop, book, oracle(shop, book.offer), days=days)
    told = {name: promised(books[name], each, weeks=PROMISED_WEEKS, seed=seed).money for name, each in policies.items()}
    return Judged(seed, played, told)


def evaluate_slots(
    settings: Settings, seeds: Sequence[int], *, areas: int, days: int, on_progress: Callable[[str], None]
) -> "Report":
    """The report on the worlds `seeds`, `days` of each priced. ValueError says what is wrong with them."""
    from orchestration.pricing_settings import pricing_config
    from sources.twin.slots.params import SlotParams

    params = SlotParams(areas=areas)
    if len(set(seeds)) < LEAST_WORLDS or set(seeds) & set(TUNING_SEEDS):
        raise ValueError(
            f"worlds {', '.join(map(str, seeds))}: give {LEAST_WORLDS} different seeds or more, none of "
            f"{', '.join(map(str, TUNING_SEEDS))}, on which rules are tuned"
        )
    if days <= params.horizon_days:
        raise ValueError(f"days {days}: a window is booked over {params.horizon_days} days: give more than that")
    cfg = pricing_config(settings)
    on_progress("tuning simple rules")
    tuned = tune(params, seeds=TUNING_SEEDS, days=days)

    def world(seed: int) -> Judged:
        def tell(stage: str, fraction: float) -> None:
            on_progress(f"world {seed}: {fraction:4.0%} {stage}")

        return judge(params, tuned, cfg, seed=seed, wrong_cfg=cfg, days=days, on_progress=tell)

    return report([world(seed) for seed in seeds], tuned)


def report(judged: Sequence[Judged], tuned: Tuned) -> "Report":
    """Means over worlds with 95 % intervals, every policy beside the others; pictures of the first world."""
    from models.common.report import MetricRow, Report
    from orchestration.slot_plots import fees_plot, frontier_plot

    rows = []

    def add(name: str, metric: str, unit: str, values: Sequence[float]) -> None:
        for part, value in zip(("", ", low", ", high"), interval(values), strict=True):
            rows.append(MetricRow(name, metric + part, value, unit))

    for name in judged[0].played:
        add(name, "revenue", "money a window", [each.played[name].money for each in judged])
        add(name, "mean price", "money", [each.played[name].price for each in judged])
        add(name, "load factor", "fraction", [each.played[name].load for each in judged])
        add(name, "share of the oracle", "fraction", [1 + each.over(name, ORACLE, "money") for each in judged])
        if name in judged[0].promised:
            add(name, "realised over promised", "fraction", [_kept(each, name) for each in judged])
        if name != FIXED:
            add(name, "mean price over fixed fare", "fraction", [each.over(name, FIXED, "price") for each in judged])
            add(name, "load factor over fixed fare", "points", [each.over(name, FIXED, "load") for each in judged])
        if name not in (CHAMPION, ORACLE):
            add(CHAMPION, f"revenue over {name}", "fraction", [each.over(CHAMPION, name, "money") for each in judged])
        if name.startswith(f"{CHAMPION}, "):
            add(name, f"revenue over {LISTED}", "fraction", [each.over(name, LISTED, "money") for each in judged])
    share = float(np.mean([1 + each.over(FIXED, ORACLE, "money") for each in judged]))
    notes = (
        f"Worlds {', '.join(str(each.seed) for each in judged)}; rules tuned on {', '.join(map(str, TUNING_SEEDS))}: one fee of "
        f"{tuned.fee:g}.",
        f"The naive method, one fee for all, earns {share:.1%} of the oracle; {NAIVE_BAND[0]:.0%} to {NAIVE_BAND[1]:.0%} asked.",
        "The oracle knows every segment, and each window's strength before anybody books: no shop can reach it.",
    )
    plots = {"fees": fees_plot(judged[0].played), "frontier": frontier_plot(judged)}
    return Report(CHAMPION, tuple(rows), plots, notes)


def _kept(each: Judged, name: str) -> float:
    return each.played[name].money / each.promised[name] - 1.0
