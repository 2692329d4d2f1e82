"""Prices: challengers for a workspace's fresh goods and markets told in a file; such a file judged alone. Each beside rules,
peer and optimum."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.absence import not_provided
from orchestration.challengers import make_challenger, record_absence
from orchestration.fingerprints import fingerprint
from orchestration.fresh_lake import NEEDED, NOTHING_FRESH, REMEDY
from orchestration.pricing_settings import MODEL, pricing_config, told_markets
from orchestration.settings import Settings
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from models.common.report import Report
    from models.pricing.data import Dataset
    from models.pricing.instances import Instance
    from models.pricing.train import Trained

HEADLINE = ("gross margin", "waste", "mean price")


def dataset(workspace: Workspace, markets: "Sequence[Instance]" = ()) -> "Dataset":
    """The fresh goods of the lake, and the markets beside."""
    from models.pricing.data import prepare, problem_table

    tables = {"fresh_goods": workspace.lake.arrow("features", "fresh_goods")}
    if markets:
        tables["instances"] = problem_table(markets)
    return prepare(tables, pricing_config(workspace.settings))


def train_challenger(workspace: Workspace, *, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Train for the lake's fresh goods and the markets told beside, and judge; `provided` says of a source that it has no
    fresh goods. DataError for a file of markets that cannot be used."""
    settings = workspace.settings
    markets = told_markets(settings)
    goods = workspace.lake.version("features", "fresh_goods")
    if goods is None or not goods.rows:
        remedy = NOTHING_FRESH if workspace.source.tables >= NEEDED else REMEDY
        record_absence(workspace, MODEL, remedy)
        return not_provided(remedy)
    config = pricing_config(settings)

    def tell(stage: str, fraction: float) -> None:
        on_progress(f"{fraction:4.0%} {stage}")

    def make() -> "tuple[Trained, Report]":
        from models.pricing.evaluate import evaluate
        from models.pricing.train import train

        data = dataset(workspace, markets)
        began = time.perf_counter()
        trained = train(data, config, seed=settings.seed, on_progress=tell)
        seconds = time.perf_counter() - began
        each = seconds / (len(markets) + 1)
        report = evaluate(trained.predictor(), data, train_seconds=each, seed=settings.seed, on_progress=tell)
        return trained, _fresh_in_front(report)

    inputs = {
        "goods": goods.content_hash,
        "markets": [each.model_dump(mode="json") for each in markets],
        "config": config.model_dump(mode="json"),
        "seed": settings.seed,
    }
    made_from = fingerprint(code=("models/pricing",), inputs=inputs)
    return make_challenger(workspace, MODEL, made_from, make, headline=HEADLINE)


def _fresh_in_front(report: "Report") -> "Report":
    """Fresh goods as the figures of the whole, whether or not markets stand beside them, each in its own segment."""
    from models.pricing.spec import FRESH

    return replace(
        report, rows=tuple(replace(row, segment="all") if row.segment == FRESH else row for row in report.rows)
    )


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
