"""What the detector that serves now sees in the pictures of an image set, as the commands on labels read it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.detecting import MODEL
from orchestration.labelling import LabellingError
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from models.detector.predict import Item, Predictor
    from sources.images.image_set import ImageSet

UNKNOWN = "an item whose product the detector does not know"


@dataclass(frozen=True)
class Predicted:
    """`rows` in the columns of image_labels, `annotator` being the model and its version; boxes left out by reason."""

    rows: "pa.Table"
    pictures: int
    left_out: Counter[str]


def predict_set(workspace: Workspace, image_set: "ImageSet", *, on_progress: Callable[[str], None]) -> Predicted:
    """Boxes of every picture with the class that each is likeliest of, one picture in memory at a time.

    `confidence` is that of there being an item times that of its name. Boxes end at the picture's edge. Errors: LabellingError
    without a champion or for a picture that it cannot take, SourceError for a changed picture.
    """
    import pyarrow as pa

    from data_checks.contracts import load_contract
    from models.common.protocols import InputError
    from models.detector.predict import DetectorInput

    annotator, model = _champion(workspace)
    columns = (image_set.label_classes[name].to_pylist() for name in ("label", "product_id"))
    labels = {product or label: label for label, product in zip(*columns, strict=True)}
    rows: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    ids = image_set.images["image_id"].to_pylist()
    for number, image_id in enumerate(ids):
        on_progress(f"picture {number + 1:,} of {len(ids):,}")
        pixels = image_set.pixels(image_id)
        try:
            (items,) = model.predict(DetectorInput([pixels])).items
        except InputError as error:
            raise LabellingError(f"{image_id}: {error}") from error
        height, width = pixels.shape[:2]
        for place, item in enumerate(items):
            box = _inside(item, width, height)
            if item.product is None:
                left_out[UNKNOWN] += 1
            elif item.product not in labels:
                left_out[f"{item.product}, which is no class of the set"] += 1
            elif box is None:
                left_out["a box outside the picture"] += 1
            else:
                rows.append({
                    "label_id": f"{image_id}/{annotator}/{place}", "image_id": image_id, "label": labels[item.product], **box,
                    "is_crowd": False, "confidence": item.score * item.confidence, "annotator": annotator,
                })  # fmt: skip
    schema = load_contract("image_labels").arrow_schema()
    return Predicted(pa.Table.from_pylist(rows, schema=schema), len(ids), left_out)


def _champion(workspace: Workspace) -> "tuple[str, Predictor]":
    """Name and version of the champion, and the champion with what people enrolled since, where it is released."""
    from models.detector.enrolled import FOLDER, read_enrolled
    from models.detector.predict import load
    from serving.release import POINTER_FILE, read_pointer

    champion = workspace.registry.champion(MODEL)
    if champion is None:
        raise LabellingError(
            f"{workspace.slug} has no champion of the detector: train one, `storeloop run group:detector`, or promote a version, "
            "`storeloop promote detector VERSION`"
        )
    model, root = load(champion.folder), workspace.releases / MODEL
    if (root / POINTER_FILE).is_file():
        pointer = read_pointer(root / POINTER_FILE)
        if pointer.registry_version == str(champion.version):  # else photos were seen by another embedder
            model = read_enrolled(root / pointer.release / FOLDER).gallery_of(model)
    return f"{MODEL} {champion.version}", model


def _inside(item: "Item", width: int, height: int) -> dict[str, float] | None:
    left, top, right, bottom = item.box
    box = {"x_min_px": max(left, 0.0), "y_min_px": max(top, 0.0)}
    box |= {"x_max_px": min(right, float(width)), "y_max_px": min(bottom, float(height))}
    return box if box["x_max_px"] > box["x_min_px"] and box["y_max_px"] > box["y_min_px"] else None
