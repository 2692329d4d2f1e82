"""Visual inspection: challengers for the packing line of a workspace, judged beside sensor thresholds and an anomaly model."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orchestration.absence import not_provided
from orchestration.belt import REMEDY, belt_source
from orchestration.challengers import make_challenger, record_absence
from orchestration.fingerprints import fingerprint
from orchestration.settings import Settings
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from models.common.report import Report
    from models.inspection.config import Config
    from models.inspection.data import Dataset
    from models.inspection.train import Trained

MODEL = "inspection"
TABLES = ("approved_samples", "inspections")
HEADLINE = ("AUROC", "miss rate", "human share", "right decisions")


def inspection_config(settings: Settings) -> "Config":
    """The Config of inspection with the overrides of `params.yaml`."""
    from models.inspection.config import Config

    return Config(**settings.section(MODEL))


def dataset(workspace: Workspace) -> "Dataset":
    """The packages of the lake."""
    from models.inspection.data import prepare

    return prepare(
        {table: workspace.lake.arrow("clean", table) for table in TABLES}, inspection_config(workspace.settings)
    )


def train_challenger(workspace: Workspace, *, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Train on the lake's packages and judge; of a workspace without a packing line, `provided` says so."""
    settings = workspace.settings
    if belt_source(workspace) is None:
        record_absence(workspace, MODEL, REMEDY)
        return not_provided(REMEDY)
    config = inspection_config(settings)

    def tell(stage: str, fraction: float) -> None:
        on_progress(f"{fraction:4.0%} {stage}")

    def make() -> "tuple[Trained, Report]":
        from models.inspection.evaluate import evaluate
        from models.inspection.train import train

        data = dataset(workspace)
        trained = train(data, config, seed=settings.seed, on_progress=tell)
        return trained, evaluate(trained.predictor(), data, truth=_severity(workspace), on_progress=tell)

    hashes = {table: workspace.lake.content_hash("clean", table) for table in TABLES}
    inputs = {"tables": hashes, "config": config.model_dump(mode="json"), "seed": settings.seed}
    made_from = fingerprint(code=("models/inspection", "orchestration/inspecting.py"), inputs=inputs)
    return make_challenger(workspace, MODEL, made_from, make, headline=HEADLINE)


def _severity(workspace: Workspace) -> "npt.NDArray[np.float64] | None":
    """Severity (N,) of the dataset's packages in its order, of the twin's belt; None where nobody knows it."""
    import numpy as np

    source = belt_source(workspace)
    told = None if source is None else source.severities()
    if told is None:
        return None
    rows = workspace.lake.arrow("clean", "inspections", ["packed_on", "package_id"])
    ordered = rows.sort_by([("packed_on", "ascending"), ("package_id", "ascending")])
    return np.array([told[name] for name in ordered["package_id"].to_pylist()])
