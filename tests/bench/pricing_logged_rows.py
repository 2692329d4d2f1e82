"""Rows of prices judged without asking them: values told by a shop's log, and prices learned on an elasticity that is wrong."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import NormalDist
from typing import Any

import numpy as np
from bench_row import BenchContext, BenchResult, BenchRow

SEEDS, CORES = (1, 2, 3, 4, 5), 2
EPISODES, EXPLORE, STEPS, TUNING = 4_000, 0.3, 2_000, 300
COVER, ERROR = 0.9, 0.25
WRONG, MEMBERS, SPREAD = (0.5, 1.5), 5, 0.3
TARGETS = ("DQN", "bid price", "rule", "list price")


@dataclass(frozen=True)
class Told:
    """One policy and log: what the policy is `worth`, what the log told with its interval, what the shop earned, whether that
    interval held the worth, and whether products of weights told anything."""

    worth: float
    told: float
    low: float
    high: float
    naive: float
    naive_holds: bool
    verdict: str
    product_told: bool


def _names() -> list[str]:
    from models.pricing.instances import SHIPPED, read_instances

    return [each.name for each in read_instances(SHIPPED)]


def _problem(name: str) -> Any:
    from models.pricing.instances import SHIPPED, read_instances

    return next(each for each in read_instances(SHIPPED) if each.name == name)


def judged(name: str, seed: int) -> dict[str, Told]:
    """A shop keeps to its tuned ladder (fixed fare) and tries other prices; its log tells of four policies."""
    from models.pricing.baselines import list_price
    from models.pricing.config import Config
    from models.pricing.evaluate import simple_rules
    from models.pricing.exact import reachable, worth
    from models.pricing.judging import action_table
    from models.pricing.logged import read_log
    from models.pricing.market import build_market
    from models.pricing.off_policy import IMPORTANCE, LOGGED, evaluate_off_policy
    from models.pricing.practice import EpsilonGreedy, simulated_log
    from models.pricing.predict import NetworkPolicy
    from models.pricing.train import fit_network

    market, cfg = build_market(_problem(name)), Config(steps=STEPS, tuning_episodes=TUNING)
    stocks = reachable(market)
    if stocks is None:
        raise ValueError(f"{name} is too large to solve")
    rules = simple_rules(market, cfg)
    rule = rules["fixed fare" if market.kind == "capacity" else "markdown ladder"]
    log = read_log(simulated_log(market, EpsilonGreedy(market, rule, EXPLORE), episodes=EPISODES, seed=seed), market)
    learned = NetworkPolicy(market, fit_network(market, cfg, seed=seed))
    found = {}
    for target, policy in zip(TARGETS, (learned, rules["bid price"], rule, list_price(market)), strict=True):
        true = worth(market, action_table(market, policy, stocks), stocks)
        judged = evaluate_off_policy(market, log, policy, seed=seed)
        shop, answer = judged.estimates[LOGGED], judged.answer
        found[target] = Told(
            true, answer.value, answer.low, answer.high, shop.value, shop.low <= true <= shop.high, answer.verdict,
            not judged.estimates[IMPORTANCE].verdict,
        )  # fmt: skip
    return found


def _logged(context: BenchContext) -> BenchResult:
    del context
    # Forked, for a bench module has no name that a new interpreter could import; nothing heavy is loaded yet.
    with ProcessPoolExecutor(CORES, mp_context=get_context("fork")) as pool:
        jobs = {name: [pool.submit(judged, name, seed) for seed in SEEDS] for name in _names()}
        return logged_verdict({name: [each.result() for each in found] for name, found in jobs.items()})


def logged_verdict(found: dict[str, list[dict[str, Told]]]) -> BenchResult:
    """Intervals that hold the truth, among those that a log dares to tell; the error beside that of taking what was earned."""
    every = [told for runs in found.values() for run in runs for told in run.values()]
    answered = [each for each in every if not each.verdict]
    if not answered:
        return BenchResult(0.0, "of 95 % intervals hold the truth", bound="some log must tell", met=False)
    cover = float(np.mean([each.low <= each.worth <= each.high for each in answered]))
    ours = float(np.mean([abs(each.told - each.worth) for each in answered]))
    parts, ratios = [], []
    for name, runs in found.items():
        of = {target: [run[target] for run in runs] for target in TARGETS}
        scale = abs(float(np.mean([each.worth for each in of["DQN"]])))
        kept = [each for run in runs for each in run.values() if not each.verdict]
        error, naive = (
            float(np.mean([abs(value) for value in each])) / scale if each else float("nan")
            for each in ([x.told - x.worth for x in kept], [x.naive - x.worth for x in kept])
        )
        ratios.append(error / naive)
        held = [each.low <= each.worth <= each.high for each in kept]
        refused = {target: sum(bool(each.verdict) for each in of[target]) for target in TARGETS}
        said = ", ".join(f"{target} {count}" for target, count in refused.items() if count)
        parts.append(
            f"{name} {error:.1%} (naive {naive:.1%}), {sum(held)} of {len(held)} hold"
            + (f", not told: {said}" if said else "")
        )
    naive_cover = float(np.mean([each.naive_holds for each in answered]))
    ratio = float(np.nanmean(ratios))
    products = sum(each.product_told for each in every)
    note = (
        f"logs of {EPISODES:,} episodes, tuned ladder or fixed fare with {EXPLORE:.0%} any price; {len(SEEDS)} seeds a problem; "
        f"DQN of {STEPS:,} steps, bid price, the shop's rule, list price; mean error in % of the DQN's worth: {'; '.join(parts)}; "
        f"{len(answered)} of {len(every)} told; mean error {ours:.3g} money, {ratio:.0%} of the naive one's; products of weights "
        f"tell {products} of {len(every)}"
    )
    bound = f">= {COVER} hold, error <= {ERROR:.0%} of the naive one's"
    met = cover >= COVER and ratio <= ERROR
    return BenchResult(cover, "of 95 % intervals hold the truth", "what the shop earned", naive_cover, bound, met, note)


def misjudged(name: str, factor: float, seed: int, steps: int | None = None) -> dict[str, float]:
    """Prices learned on an ensemble around `factor` times the true elasticity, worked out where customers are as told:
    value, revenue and promise of the network, value and revenue of list price, the optimum."""
    from models.pricing.baselines import list_price
    from models.pricing.config import Config
    from models.pricing.exact import solve, worth
    from models.pricing.judging import action_table, live
    from models.pricing.market import build_market
    from models.pricing.predict import NetworkPolicy
    from models.pricing.train import fit_network

    instance = _problem(name)
    members = [factor * float(np.exp(SPREAD * NormalDist().inv_cdf((k + 0.5) / MEMBERS))) for k in range(MEMBERS)]
    plausible = build_market(instance, elasticity_factors=members, believed_factor=factor)
    believed = build_market(instance, elasticity_factors=(factor,), believed_factor=factor)
    truth = build_market(instance, believed_factor=factor)
    cfg = Config() if steps is None else Config(steps=steps)
    policy, listed = NetworkPolicy(plausible, fit_network(plausible, cfg, seed=seed)), list_price(truth)
    best = solve(truth)
    if best is None:
        raise ValueError(f"{name} is too large to solve")
    table = action_table(truth, policy, best.stocks)
    ours, theirs, thought = (
        live(m, p, episodes=20_000, seed=7) for m, p in ((truth, policy), (truth, listed), (believed, policy))
    )
    return {
        "value": worth(truth, table, best.stocks),
        "promised value": worth(believed, table, best.stocks),
        "list value": worth(truth, action_table(truth, listed, best.stocks), best.stocks),
        "optimum": best.value,
        "revenue": ours.price * ours.sold,
        "list revenue": theirs.price * theirs.sold,
        "promised revenue": thought.price * thought.sold,
    }


def _misjudged(context: BenchContext) -> BenchResult:
    del context
    with ProcessPoolExecutor(CORES, mp_context=get_context("fork")) as pool:
        jobs = {
            name: {factor: [pool.submit(misjudged, name, factor, seed) for seed in SEEDS] for factor in WRONG}
            for name in _names()
        }
        return misjudged_verdict(
            {name: {f: [each.result() for each in runs] for f, runs in of.items()} for name, of in jobs.items()}
        )


def misjudged_verdict(found: dict[str, dict[float, list[dict[str, float]]]]) -> BenchResult:
    """The least gain over list price decides, in shares of the optimum."""
    gains: dict[str, float] = {}
    parts = []
    for name, by_factor in found.items():
        for factor, runs in by_factor.items():
            mean = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
            case = f"{name} {factor - 1:+.0%}"
            gains[case] = (mean["value"] - mean["list value"]) / abs(mean["optimum"])
            parts.append(
                f"{case}: value {mean['value']:.4g} (list {mean['list value']:.4g}, optimum {mean['optimum']:.4g}, promised "
                f"{mean['promised value']:.4g}), revenue {mean['revenue']:.4g} (list {mean['list revenue']:.4g}, promised "
                f"{mean['promised revenue']:.4g})"
            )
    worst = min(gains, key=lambda case: gains[case])
    lost = [case for case, gain in gains.items() if gain <= 0]
    note = f"ensemble of {MEMBERS}, log error {SPREAD}; {'; '.join(parts)}; not above list price: {', '.join(lost) or 'none'}"
    return BenchResult(
        gains[worst], f"of the optimum over list price, {worst}", "list price", 0.0, "> 0 on each", not lost, note
    )


ROOMS = ("models",)
ROWS = [
    BenchRow("pricing-logged", "pricing", "values told by a shop's log, intervals that hold", _logged, rooms=ROOMS),
    BenchRow(
        "pricing-misjudged", "pricing", "learned on an elasticity wrong by half, judged by the true one", _misjudged,
        rooms=ROOMS,
    ),
]  # fmt: skip
