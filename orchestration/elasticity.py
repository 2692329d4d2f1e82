"""Elasticities from a table of prices and units, or of choices, in a file."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.settings import Settings
from orchestration.table_files import read_table

if TYPE_CHECKING:
    from models.common.report import Report
    from models.elasticity.config import Config

MODEL = "elasticity"
TEXTS = ("series_id", "group_id", "customer_id", "item_id")


def elasticity_config(settings: Settings) -> "Config":
    """The Config of elasticities with the overrides of `params.yaml`."""
    from models.elasticity.config import Config

    return Config(**settings.section(MODEL))


def evaluate_panel(settings: Settings, path: Path, *, seed: int, on_progress: Callable[[str], None]) -> "Report":
    """The report on a file of `price_panel`. ValueError says what is wrong with it."""
    from models.elasticity.data import prepare
    from models.elasticity.evaluate import evaluate
    from models.elasticity.train import train

    def tell(stage: str, fraction: float) -> None:
        on_progress(f"{fraction:4.0%} {stage}")

    config = elasticity_config(settings)
    data = prepare({"price_panel": read_table(path, TEXTS)}, config)
    trained = train(data, config, seed=seed, on_progress=tell)
    return evaluate(trained.predictor(), data, on_progress=tell)


def evaluate_choices(path: Path, *, facts: tuple[str, ...], seed: int) -> "Report":
    """The report on a file of `choice_panel`. ValueError says what is wrong with it."""
    from models.elasticity.choice import prepare_choices
    from models.elasticity.choice_report import judge_choices

    return judge_choices(prepare_choices(read_table(path, TEXTS), facts=facts), seed=seed)
