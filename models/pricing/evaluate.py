"""Judging prices: the network beside simple rules, plain DQN and, where it can be solved, the exact dynamic program."""

from dataclasses import dataclass

import numpy as np

from models.common.protocols import ProgressCallback, silent
from models.common.report import MetricRow, Report
from models.pricing.baselines import Policy, tuned
from models.pricing.config import Config
from models.pricing.data import Dataset
from models.pricing.exact import Solution, solve, worth
from models.pricing.fresh_evaluate import judge_fresh
from models.pricing.judging import Lived, action_table, live
from models.pricing.market import Market
from models.pricing.plots import map_plot, paths_plot, shares_plot
from models.pricing.predict import Predictor
from models.pricing.spec import FRESH

CHAMPION, ORACLE = "DQN", "dynamic program"
SIMPLE = ("list price", "cost-plus", "fixed fare", "myopic elasticity", "markdown ladder", "EMSR-b", "bid price")
TUNING_SEED = 7_919  # other days than those a policy is judged on


@dataclass(frozen=True)
class Judged:
    """One policy on one market: `value` exact where the program fits, else the mean of episodes; `low` and `high` its interval."""

    name: str
    value: float
    low: float
    high: float
    lived: Lived


def evaluate(
    model: Predictor,
    data: Dataset,
    *,
    world: None = None,
    truth: None = None,
    train_seconds: float | None = None,
    seed: int = 0,
    on_progress: ProgressCallback = silent,
) -> Report:
    """Judge each market of the data on the problem as told. Simple rules are tuned on the very same problem, on other days.

    Value in money of the market, "share of the optimum" where it can be solved. `world` and `truth`: problems are their own.
    """
    del world, truth
    cfg = data.config
    rows: list[MetricRow] = []
    plots: dict[str, bytes] = {}
    shares: dict[str, dict[str, float]] = {}
    for number, market in enumerate(data.truths):
        on_progress(f"judging {market.name}", 0.9 * number / len(data.truths))
        solution = solve(market)
        policies: dict[str, Policy] = {CHAMPION: model.policy(market.name)} | simple_rules(market, cfg)
        if cfg.peer_steps:
            from models.pricing.peers import PEER, fit_peer

            policies[PEER] = fit_peer(market, cfg, seed=seed)
        judged = [judge(market, policy, solution, cfg, name=name, seed=seed) for name, policy in policies.items()]
        if solution is not None:
            judged.append(Judged(ORACLE, solution.value, solution.value, solution.value, judged[0].lived))
        share = _shares(judged, solution)
        if share:
            shares[market.name] = share
        rows += _rows(market, judged, solution, share)
        paths = {each.name: each.lived for each in judged if each.name != ORACLE}
        plots[f"paths_{market.name}"] = paths_plot(market, paths)
        plots[f"map_{market.name}"] = map_plot(market, policies[CHAMPION], solution)
    if data.fresh is not None:
        on_progress("judging fresh goods", 0.9)
        found, pictures = judge_fresh(
            model.fresh.policy, data.fresh.goods, cfg, seed=seed, segment=FRESH if data.truths else "all"
        )
        rows += found
        plots |= pictures
    if shares:
        plots["shares"] = shares_plot(shares, CHAMPION)
        for name in dict.fromkeys(name for found in shares.values() for name in found):
            of_all = [found[name] for found in shares.values() if name in found]
            rows.append(MetricRow(name, "share of the optimum", float(np.mean(of_all)), "fraction"))
            rows.append(MetricRow(name, "least share of the optimum", float(np.min(of_all)), "fraction"))
    if train_seconds is not None:
        rows.append(MetricRow(CHAMPION, "seconds of training a problem", train_seconds, "s"))
    on_progress("judged", 1.0)
    return Report(CHAMPION, tuple(rows), plots, _notes(data, shares))


def simple_rules(market: Market, cfg: Config) -> dict[str, Policy]:
    """Each simple rule, tuned by simulation on the market."""
    return tuned(
        market, lambda rule: float(live(market, rule, episodes=cfg.tuning_episodes, seed=TUNING_SEED).money.mean())
    )


def judge(market: Market, policy: Policy, solution: Solution | None, cfg: Config, *, name: str, seed: int) -> Judged:
    """What a policy is worth."""
    episodes = cfg.tuning_episodes if solution is not None else cfg.judged_episodes
    lived = live(market, policy, episodes=episodes, seed=seed)
    if solution is not None:
        value = worth(market, action_table(market, policy, solution.stocks), solution.stocks)
        return Judged(name, value, value, value, lived)
    mean, error = float(lived.money.mean()), float(lived.money.std() / np.sqrt(len(lived.money)))
    return Judged(name, mean, mean - 1.96 * error, mean + 1.96 * error, lived)


def best_simple(judged: dict[str, float]) -> str:
    """The simple rule of the highest value."""
    return max((name for name in judged if name in SIMPLE), key=lambda name: judged[name])


def _shares(judged: list[Judged], solution: Solution | None) -> dict[str, float]:
    """Share of the optimum of each policy; none where it is not known, or loses money even at best."""
    if solution is None or solution.value <= 0:
        return {}
    return {each.name: each.value / solution.value for each in judged}


def _rows(market: Market, judged: list[Judged], solution: Solution | None, share: dict[str, float]) -> list[MetricRow]:
    rows = []
    for each in judged:
        facts: dict[str, tuple[float, str]] = {"value": (each.value, "money")}
        if solution is not None:
            facts["short of the optimum"] = (solution.value - each.value, "money")
            facts |= {"share of the optimum": (share[each.name], "fraction")} if share else {}
        else:
            facts |= {"value, low": (each.low, "money"), "value, high": (each.high, "money")}
        if each.name != ORACLE:
            facts |= {"mean price": (each.lived.price, "money"), "sold": (each.lived.load, "fraction")}
            if market.kind == "perishable":
                facts["waste"] = (each.lived.waste, "fraction")
        rows += [MetricRow(each.name, metric, value, unit, market.name) for metric, (value, unit) in facts.items()]
    return rows


def _notes(data: Dataset, shares: dict[str, dict[str, float]]) -> tuple[str, ...]:
    notes = [
        "Value is money until the end: sales, less what deliveries cost, less disposal, plus what is left.",
        "Simple rules are tuned on the problem itself, by simulated days that nothing is judged on.",
    ]
    if without := [market.name for market in data.truths if market.name not in shares]:
        notes.append(f"Too large for the exact program, or a loss at best, so without a share: {', '.join(without)}.")
    if data.fresh is not None:
        notes.append(
            "Fresh goods: gross margin is takings less what goods sold or thrown away had cost; demand differs from what is told "
            "within its errors; rules are tuned for gross margin on other days."
        )
    hard = [name for name, found in shares.items() if found[best_simple(found)] <= 0.95]
    if shares:
        notes.append(f"The best simple rule stays at 95 % of the optimum or below on: {', '.join(hard) or 'none'}.")
    return tuple(notes)
