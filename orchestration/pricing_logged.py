"""Prices judged by a log of what a shop asked: learned ones and simple rules, beside the shop."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.pricing_settings import pricing_config
from orchestration.settings import Settings
from orchestration.table_files import read_table

if TYPE_CHECKING:
    from models.common.report import Report
    from models.pricing.instances import Instance

LADDER, FARE = "markdown ladder", "fixed fare"


def evaluate_logged(
    settings: Settings,
    logged: Path,
    path: Path | None,
    *,
    only: str | None,
    seed: int,
    on_progress: Callable[[str], None],
) -> "Report":
    """Train on the problem as told, then ask the log what that would have earned. ValueError says what is wrong with a file."""
    from models.pricing.data import prepare, problem_table
    from models.pricing.evaluate import CHAMPION, simple_rules
    from models.pricing.logged import read_log
    from models.pricing.logged_report import judge_logged
    from models.pricing.train import train

    config = pricing_config(settings)
    data = prepare({"instances": problem_table([_problem(path, only)])}, config)
    (market,) = data.truths
    log = read_log(read_table(logged, ()), market)

    def tell(stage: str, fraction: float) -> None:
        on_progress(f"{fraction:4.0%} {stage}")

    trained = train(data, config, seed=seed, on_progress=lambda stage, done: tell(stage, done / 2))
    policies = {CHAMPION: trained.predictor().policy(market.name), **simple_rules(market, config)}
    return judge_logged(
        market, log, policies, champion=CHAMPION, seed=seed,
        on_progress=lambda stage, done: tell(stage, 0.5 + done / 2),
    )  # fmt: skip


def write_simulated_log(
    settings: Settings,
    out: Path,
    path: Path | None,
    *,
    only: str | None,
    episodes: int,
    explore: float,
    softmax: float | None,
    seed: int,
) -> str:
    """Write the log of a shop that keeps to its best ladder (one fare for capacity) and tries others: any price on a share
    `explore` of decisions, or, where `softmax` is given, those near its own more often; what it did, in words.

    ValueError as above.
    """
    from pyarrow import parquet

    from models.pricing.evaluate import simple_rules
    from models.pricing.market import build_market
    from models.pricing.practice import EpsilonGreedy, Practice, Softmax, simulated_log

    market = build_market(_problem(path, only))
    rule = simple_rules(market, pricing_config(settings))[FARE if market.kind == "capacity" else LADDER]
    practice: Practice = EpsilonGreedy(market, rule, explore) if softmax is None else Softmax(market, rule, softmax)
    table = simulated_log(market, practice, episodes=episodes, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, out)
    return f"{out}: {episodes:,} episodes of {market.periods} periods of {market.name}: {practice.name}"


def _problem(path: Path | None, only: str | None) -> "Instance":
    """The one problem that the log is of."""
    from models.common.protocols import DataError
    from models.pricing.instances import SHIPPED, read_instances

    problems = {each.name: each for each in read_instances(path or SHIPPED)}
    if only is None and len(problems) > 1:
        raise DataError(
            f"{path or SHIPPED} has {len(problems)} problems: name the log's, --only one of {', '.join(problems)}"
        )
    if only is not None and only not in problems:
        raise DataError(f"{path or SHIPPED} has no problem {only!r}: name one of {', '.join(problems)}")
    return problems[only] if only is not None else next(iter(problems.values()))
