"""Pricing problems: train on each, judge beside simple rules, a peer and the exact program."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.settings import Settings

if TYPE_CHECKING:
    from models.common.report import Report
    from models.pricing.config import Config

MODEL = "pricing"


def pricing_config(settings: Settings) -> "Config":
    """The Config of pricing with the overrides of `params.yaml`."""
    from models.pricing.config import Config

    return Config(**settings.section(MODEL))


def evaluate_problems(
    settings: Settings, path: Path | None, *, only: Sequence[str], seed: int, on_progress: Callable[[str], None]
) -> "Report":
    """The report on the problems of a file, those that ship where `path` is None. ValueError says what is wrong with it."""
    from models.common.protocols import DataError
    from models.pricing.data import prepare, problem_table
    from models.pricing.evaluate import evaluate
    from models.pricing.instances import SHIPPED, read_instances
    from models.pricing.train import train

    problems = read_instances(path or SHIPPED)
    names = [each.name for each in problems]
    if missing := [name for name in only if name not in names]:
        raise DataError(f"{path or SHIPPED} has no problem {missing[0]!r}: name one of {', '.join(names)}")
    config = pricing_config(settings)
    chosen = [each for each in problems if not only or each.name in only]
    data = prepare({"instances": problem_table(chosen)}, config)

    def tell(stage: str, fraction: float) -> None:
        on_progress(f"{fraction:4.0%} {stage}")

    began = time.perf_counter()
    trained = train(data, config, seed=seed, on_progress=lambda stage, done: tell(stage, done / 2))
    seconds = (time.perf_counter() - began) / len(chosen)
    return evaluate(
        trained.predictor(),
        data,
        train_seconds=seconds,
        seed=seed,
        on_progress=lambda stage, done: tell(stage, 0.5 + done / 2),
    )
