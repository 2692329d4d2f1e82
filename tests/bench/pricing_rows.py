"""Rows of pricing: learned prices beside the exact dynamic program, and what training costs beside plain DQN."""

import time
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from typing import Any

import numpy as np
from bench_row import BenchContext, BenchResult, BenchRow

SEEDS, CORES = (1, 2, 3, 4, 5), 2
SHARE, HARD, MOST_HARD, SECONDS = 0.98, 0.95, 4, 180.0
OURS, PLAIN, FRESH = "ours", "plain", "fresh"
ROUNDS, STEPS_AGAIN = 400, 300
RATIO, STEPS_A_SECOND = 0.9, 100_000


def _problem(name: str) -> Any:
    from models.pricing.instances import SHIPPED, read_instances

    return next(each for each in read_instances(SHIPPED) if each.name == name)


def learned(name: str, seed: int, kind: str) -> tuple[float, float]:
    """Share of the optimum of our network, the peer's, or ours before it learned, on one problem; the seconds it trained."""
    from models.pricing.config import Config
    from models.pricing.exact import solve, worth
    from models.pricing.judging import action_table
    from models.pricing.market import build_market
    from models.pricing.peers import fit_peer
    from models.pricing.predict import NetworkPolicy
    from models.pricing.train import fit_network

    market, cfg = build_market(_problem(name)), Config()
    if kind == FRESH:
        cfg = cfg.model_copy(update={"steps": 1, "learning_rate": 1e-9})
    began = time.perf_counter()
    policy = (
        fit_peer(market, cfg, seed=seed)
        if kind == PLAIN
        else NetworkPolicy(market, fit_network(market, cfg, seed=seed))
    )
    seconds = time.perf_counter() - began
    best = solve(market)
    if best is None:
        raise ValueError(f"{name} is too large to solve")
    return worth(market, action_table(market, policy, best.stocks), best.stocks) / best.value, seconds


def simple(name: str) -> dict[str, float]:
    """Share of the optimum of each simple rule, tuned."""
    from models.pricing.config import Config
    from models.pricing.evaluate import simple_rules
    from models.pricing.exact import solve, worth
    from models.pricing.judging import action_table
    from models.pricing.market import build_market

    market = build_market(_problem(name))
    best = solve(market)
    if best is None:
        raise ValueError(f"{name} is too large to solve")
    rules = simple_rules(market, Config())
    return {
        rule: worth(market, action_table(market, policy, best.stocks), best.stocks) / best.value
        for rule, policy in rules.items()
    }


def half_width(values: list[float]) -> float:
    """Half of the 95 % interval of a mean, Student's t."""
    from scipy import stats

    return float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))


def _instances(context: BenchContext) -> BenchResult:
    del context
    from models.pricing.instances import SHIPPED, read_instances

    names = [each.name for each in read_instances(SHIPPED)]
    # Forked, for a bench module has no name that a new interpreter could import; nothing heavy is loaded yet.
    with ProcessPoolExecutor(CORES, mp_context=get_context("fork")) as pool:
        ours = {name: [pool.submit(learned, name, seed, OURS) for seed in SEEDS] for name in names}
        theirs = {name: pool.submit(learned, name, SEEDS[0], PLAIN) for name in names}
        fresh = {name: pool.submit(learned, name, SEEDS[0], FRESH) for name in names}
        rules = {name: pool.submit(simple, name) for name in names}
        shares = {name: [each.result()[0] for each in found] for name, found in ours.items()}
        slowest = max(each.result()[1] for found in ours.values() for each in found)
        peers = {name: each.result()[0] for name, each in theirs.items()}
        before = {name: each.result()[0] for name, each in fresh.items()}
        tuned = {name: each.result() for name, each in rules.items()}
    return instances_verdict(shares, peers, before, tuned, slowest)


def instances_verdict(
    shares: dict[str, list[float]],
    peers: dict[str, float],
    before: dict[str, float],
    tuned: dict[str, dict[str, float]],
    slowest: float,
) -> BenchResult:
    """The problem with the least mean share of the optimum decides."""
    mean = {name: float(np.mean(each)) for name, each in shares.items()}
    worst = min(mean, key=lambda name: mean[name])
    hard = [name for name, found in tuned.items() if max(found.values()) <= HARD]
    parts = []
    for name, each in shares.items():
        best = max(tuned[name], key=lambda rule: tuned[name][rule])
        others = [f"{best} {tuned[name][best]:.3f}"]
        if "EMSR-b" in tuned[name] and best != "EMSR-b":
            others.append(f"EMSR-b {tuned[name]['EMSR-b']:.3f}")
        parts.append(
            f"{name} {mean[name]:.4f} ± {half_width(each):.4f} ({', '.join(others)}, list price "
            f"{tuned[name]['list price']:.3f}, plain DQN {peers[name]:.3f}, untrained {before[name]:.3f})"
        )
    note = (
        f"{len(SEEDS)} seeds, 95 % intervals (plain DQN and untrained: one); {'; '.join(parts)}; the best simple rule reaches "
        f"{HARD:.0%} at most on {len(hard)}; slowest training {slowest:.0f} s, two side by side"
    )
    met = mean[worst] >= SHARE and len(hard) >= MOST_HARD and slowest <= SECONDS
    bound = f">= {SHARE} on each, {MOST_HARD} of them hard for simple rules (<= {HARD}), <= {SECONDS:.0f} s of training"
    return BenchResult(
        mean[worst], f"of the optimum, {worst}", "plain DQN (Stable-Baselines3)", peers[worst], bound, met, note
    )


def _throughput(context: BenchContext) -> BenchResult:
    """Training of ours and of plain DQN in turn, so that a busy machine slows both."""
    del context
    from models.pricing.config import Config
    from models.pricing.market import build_market
    from models.pricing.peers import fit_peer
    from models.pricing.train import fit_network

    cfg = Config()
    steps = ROUNDS * cfg.steps_a_round
    quick = cfg.model_copy(update={"steps": steps, "peer_steps": steps})
    alike = quick.model_copy(update={"peer_batch": cfg.batch})
    kinds = {
        "ours": lambda market, seed: fit_network(market, quick, seed=seed),
        "as many outcomes": lambda market, seed: fit_peer(market, quick, seed=seed),
        "as many situations": lambda market, seed: fit_peer(market, alike, seed=seed),
    }
    rates: dict[str, list[float]] = {kind: [] for kind in kinds}
    warm = quick.model_copy(update={"steps": cfg.steps_a_round, "peer_steps": cfg.steps_a_round})
    fit_network(build_market(_problem("salad")), warm, seed=1)
    fit_peer(build_market(_problem("salad")), warm, seed=1)
    for name, seed in product(("salad", "flight"), SEEDS):
        market = build_market(_problem(name))
        for kind, fit in kinds.items():
            began = time.perf_counter()
            fit(market, seed)
            rates[kind].append(ROUNDS * cfg.shelves / (time.perf_counter() - began))
    ours, many, few = (float(np.mean(rates[kind])) for kind in kinds)
    ratios = [own / peer for own, peer in zip(rates["ours"], rates["as many situations"], strict=True)]
    note = (
        f"ratio {np.mean(ratios):.3f} ± {half_width(ratios):.3f} ({len(SEEDS)} seeds, two problems, 95 % interval); "
        f"{cfg.shelves} shelves, {cfg.steps_a_round} gradient steps a round, one thread, a batch of {cfg.batch}; each situation of "
        f"ours tells of all its prices, of the peer's of one: with as many outcomes the peer makes {many:,.0f} ({ours / many:.2f}x)"
    )
    bound = f">= {RATIO}x plain DQN, same shelves, gradient ratio and batch"
    return BenchResult(ours, "steps/s", "plain DQN (Stable-Baselines3)", few, bound, ours >= RATIO * few, note)


def _steps(context: BenchContext) -> BenchResult:
    del context
    from models.pricing.env import Shelves
    from models.pricing.instances import SHIPPED, read_instances
    from models.pricing.market import build_market
    from models.pricing.vec_env import ShelvesVecEnv

    found: dict[str, list[float]] = {}
    for seed, instance in product(SEEDS, read_instances(SHIPPED)):
        env = ShelvesVecEnv(Shelves(build_market(instance), 256, seed=seed))
        env.reset()
        actions = np.random.default_rng(seed).integers(0, len(env.shelves.market.prices), (STEPS_AGAIN, 256))
        began = time.perf_counter()
        for row in actions:
            env.step(row)
        found.setdefault(instance.name, []).append(STEPS_AGAIN * 256 / (time.perf_counter() - began))
    rates = {name: float(np.mean(each)) for name, each in found.items()}
    slowest = min(rates, key=lambda name: rates[name])
    note = f"{len(SEEDS)} seeds, 95 % intervals: "
    note += ", ".join(f"{name} {rates[name]:,.0f} ± {half_width(each):,.0f}" for name, each in found.items())
    met = rates[slowest] >= STEPS_A_SECOND
    return BenchResult(
        rates[slowest], f"steps/s, {slowest}", bound=f">= {STEPS_A_SECOND:,} on each", met=met,
        note=f"256 shelves in step, states and restarts included; {note}",
    )  # fmt: skip


ROOMS = ("models",)
ROWS = [
    BenchRow(
        "pricing-instances", "pricing", "problems that can be solved, worth of learned prices", _instances, rooms=ROOMS
    ),
    BenchRow("pricing-throughput", "pricing", "training, periods of a shelf a second", _throughput, rooms=ROOMS),
    BenchRow("pricing-steps", "pricing", "environment alone, periods of a shelf a second", _steps, rooms=ROOMS),
]
