"""Product recognition: challengers for the pictures of a workspace, judged beside colour histograms and shrunken pixels."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orchestration.absence import not_provided
from orchestration.camera_pictures import OFF, REMEDY, camera_set, camera_spec, content_of
from orchestration.challengers import make_challenger, record_absence
from orchestration.fingerprints import fingerprint
from orchestration.settings import Settings
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from models.common.report import Report
    from models.detector.config import Config
    from models.detector.data import Dataset
    from models.detector.train import Trained

MODEL = "detector"
HEADLINE = ("mAP50", "mAP50-95", "right name of matched boxes", "items found and rightly named", "calibration error")


def detector_config(settings: Settings) -> "Config":
    """The Config of product recognition with the overrides of `params.yaml`."""
    from models.detector.config import Config

    return Config(**settings.section(MODEL))


def dataset(workspace: Workspace) -> "Dataset":
    """The pictures that passed the gate."""
    import pyarrow as pa

    from models.detector.data import prepare
    from sources.images.files import check_digest, inside

    opened = camera_set(workspace)
    files = []
    for path, sha256 in zip(*(opened.images[name].to_pylist() for name in ("path", "sha256")), strict=True):
        data = inside(opened.folder, path).read_bytes()
        check_digest(path, data, sha256)
        files.append(data)
    images = opened.images.append_column("picture", pa.array(files, pa.binary()))
    tables = {"label_classes": opened.label_classes, "images": images, "image_labels": opened.image_labels}
    return prepare(tables, detector_config(workspace.settings))


def starts(settings: Settings) -> dict[str, str]:
    """Which weights training begins from, by content: a new base checkpoint is a reason to train again."""
    from hashlib import sha256

    from models.detector.parts import start_of

    config = detector_config(settings)
    found = {"finder": start_of(config.finder_start, "finder"), "embedder": start_of(config.embedder_start, "embedder")}
    return {name: "scratch" if path is None else sha256(path.read_bytes()).hexdigest() for name, path in found.items()}


def train_challenger(workspace: Workspace, *, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Fit to the pictures and judge; of a workspace without pictures, `provided` says so."""
    settings = workspace.settings
    if camera_spec(settings) == OFF:
        record_absence(workspace, MODEL, REMEDY)
        return not_provided(REMEDY)
    config = detector_config(settings)

    def tell(stage: str, fraction: float) -> None:
        on_progress(f"{fraction:4.0%} {stage}")

    def make() -> "tuple[Trained, Report]":
        from models.detector.evaluate import evaluate
        from models.detector.train import train

        data = dataset(workspace)
        trained = train(data, config, seed=settings.seed, on_progress=tell)
        return trained, evaluate(trained.predictor(), data, on_progress=tell)

    inputs = {
        "pictures": content_of(workspace),
        "config": config.model_dump(mode="json"),
        "starts": starts(settings),
        "seed": settings.seed,
    }
    made_from = fingerprint(code=("models/detector", "orchestration/detecting.py"), inputs=inputs)
    return make_challenger(workspace, MODEL, made_from, make, headline=HEADLINE)
