"""The recommender's challenger: its data set from the lake, its training, its scoring."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orchestration.absence import NOBODY, not_provided
from orchestration.challengers import make_challenger, record_absence
from orchestration.fingerprints import fingerprint
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from models.common.report import Report
    from models.recommender.config import Config
    from models.recommender.data import Dataset
    from models.recommender.train import Trained

MODEL = "recommender"
HEADLINE = ("hr@10", "ndcg@10", "recall@20", "coverage@10")


# In the twin everybody takes most of few items: histories are long and their order says little, and a small network that reads
# the newest items learns in one minute what a large one learns in ten. Chosen on validation items, as knobs are.
OF_THE_TWIN = {
    "linear_past_decay": 1.0,
    "linear_query_decay": 1.0,
    "width": 64,
    "max_length": 25,
    "batch": 64,
    "epochs": 4,
    "steps_min": 200,
    "ranker_epochs": 8,
}


def recommender_config(workspace: Workspace) -> "Config":
    """The recommender's Config: what suits the twin, where it is the source, then the overrides of `params.yaml`."""
    from models.recommender.config import Config

    settings = workspace.settings
    stated: dict[str, Any] = OF_THE_TWIN if settings.source == "twin" else {}
    return Config(**{**stated, **settings.section(MODEL)})


def dataset(workspace: Workspace) -> "Dataset":
    """The recommender's data set from the lake."""
    from models.recommender.data import prepare

    lake = workspace.lake
    tables = {
        "interactions": lake.arrow("features", "interactions"),
        "item_attributes": lake.arrow("features", "item_attributes"),
    }
    if "friendships" in workspace.source.tables:
        tables["friendships"] = lake.arrow("clean", "friendships", ["customer_id", "friend_id"])
    return prepare(tables, recommender_config(workspace))


def train_challenger(workspace: Workspace, *, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Train, rank held-out items beside popularity and tuned peers, and write artifact and report.

    A source that knows no customers, or too few, gets no recommender; `provided` says so.
    """
    from models.common.protocols import DataError

    lake, settings = workspace.lake, workspace.settings
    interactions = lake.version("features", "interactions")
    if interactions is None or not interactions.rows:
        return _without(workspace, NOBODY)
    config = recommender_config(workspace)

    def tell(stage: str, fraction: float) -> None:
        on_progress(f"{fraction:4.0%} {stage}")

    def make() -> "tuple[Trained, Report]":
        from models.recommender.evaluate import evaluate
        from models.recommender.train import train

        data = dataset(workspace)
        began = time.perf_counter()
        trained = train(data, config, seed=settings.seed, on_progress=tell)
        seconds = time.perf_counter() - began
        report = evaluate(
            trained.predictor(),
            data,
            trials=settings.peer_trials,
            train_seconds=seconds,
            seed=settings.seed,
            on_progress=tell,
        )
        return trained, report

    inputs = {
        "interactions": interactions.content_hash,
        "item_attributes": lake.content_hash("features", "item_attributes"),
        "friendships": lake.content_hash("clean", "friendships"),
        "config": config.model_dump(mode="json"),
        "seed": settings.seed,
        "peer_trials": settings.peer_trials,
    }
    made_from = fingerprint(code=("models/recommender",), inputs=inputs)
    try:
        return make_challenger(workspace, MODEL, made_from, make, headline=HEADLINE)
    except DataError as error:
        return _without(workspace, str(error))


def _without(workspace: Workspace, remedy: str) -> dict[str, Any]:
    record_absence(workspace, MODEL, remedy)
    return not_provided(remedy)
