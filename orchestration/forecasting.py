"""The forecaster's challenger: its data set from the lake, its training, its scoring."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orchestration.challengers import make_challenger, world_truth
from orchestration.feature_tables import forecaster_config
from orchestration.fingerprints import fingerprint
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from models.common.report import Report
    from models.forecaster.data import Dataset
    from models.forecaster.train import Trained

MODEL = "forecaster"
HEADLINE = ("rmse", "wape", "rmsse", "coverage80")
_INPUTS = (
    ("gold", "sales"),
    ("gold", "series"),
    ("features", "training_state"),
    ("features", "known_future"),
)


def dataset(workspace: Workspace) -> "Dataset":
    """The forecaster's data set from the lake: Feast's training join for the state, the rest as written."""
    from models.forecaster.data import prepare

    lake = workspace.lake
    tables = {
        "sales": lake.arrow("gold", "sales"),
        "series": lake.arrow("gold", "series"),
        "state": lake.arrow("features", "training_state"),
        "known_future": lake.arrow("features", "known_future"),
    }
    return prepare(tables, forecaster_config(workspace))


def train_challenger(workspace: Workspace, *, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Train, score on the held-out window beside baselines, peer and oracle, and write artifact and report."""
    config, seed, lake = forecaster_config(workspace), workspace.settings.seed, workspace.lake
    peer_minutes = workspace.settings.peer_minutes

    def tell(stage: str, fraction: float) -> None:
        on_progress(f"{fraction:4.0%} {stage}")

    def make() -> "tuple[Trained, Report]":
        from models.forecaster.evaluate import evaluate
        from models.forecaster.train import train

        data = dataset(workspace)
        began = time.perf_counter()
        trained = train(data, config, seed=seed, on_progress=tell)
        report = evaluate(
            trained.predictor(),
            data,
            truth=world_truth(workspace),
            contenders=trained.contenders(),
            peer_minutes=peer_minutes,
            train_seconds=time.perf_counter() - began,
            threads=config.threads,
            seed=seed,
            on_progress=tell,
        )
        return trained, report

    inputs: dict[str, Any] = {name: lake.content_hash(layer, name) for layer, name in _INPUTS}  # type: ignore[arg-type]
    asked = {"config": config.model_dump(mode="json"), "seed": seed, "peer_minutes": peer_minutes}
    made_from = fingerprint(code=("models/forecaster",), inputs={**inputs, **asked})
    return make_challenger(workspace, MODEL, made_from, make, headline=HEADLINE)
