"""Choosing the pictures of an image set to be labelled next, and handing them to a labelling tool with pre-annotations."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from models.active_learning.config import Config
    from models.common.pictures import Pixels
    from models.common.report import Report
    from sources.images.export import Exported
    from sources.images.image_set import ImageSet

FORMS = ("label_studio", "yolo")


class LabellingError(ValueError):
    """Pictures that cannot be chosen or handed over; the message says what is wrong and the remedy."""


@dataclass(frozen=True)
class Next:
    """What to label next: `listed` (image_id, rank, doubt) and `chosen`, the set of these pictures alone, most wanted first."""

    listed: "pa.Table"
    chosen: "ImageSet"
    report: "Report"


def choose_next(
    image_set: "ImageSet",
    cfg: "Config",
    *,
    seed: int,
    predictions: "pa.Table | None" = None,
    embeddings: "pa.Table | None" = None,
    embedder: Path | None = None,
    labelled: "ImageSet | None" = None,
) -> Next:
    """The next pictures to label. A picture of the pool has no label, and its bytes are not in the set `labelled` either.

    `embeddings` (image_id, embedding) of any network, or the graph `embedder` ((B, 3, S, S) in, (B, D) out) that makes them;
    without either, plain ones of colours and edges. Errors: LabellingError, DataError, SourceError for a changed picture.
    """
    import pyarrow as pa

    from models.active_learning.analyse import analyse
    from models.active_learning.data import prepare
    from models.active_learning.report import report, selection

    ids = image_set.images["image_id"].to_pylist()
    if embeddings is not None and embedder is not None:
        raise LabellingError("embeddings and an embedder are both given: give one of them")
    vectors = _embedded(image_set, ids, embedder) if embeddings is None else _given(embeddings, ids)
    done = set(image_set.image_labels["image_id"].to_pylist())
    seen = set() if labelled is None else set(labelled.images["sha256"].to_pylist())
    digests = image_set.images["sha256"].to_pylist()
    is_labelled = [name in done or digest in seen for name, digest in zip(ids, digests, strict=True)]
    tables = {"pictures": pa.table({"image_id": ids, "embedding": vectors, "is_labelled": is_labelled})}
    if predictions is not None:
        tables["predictions"] = predictions
    analysis = analyse(prepare(tables, cfg), cfg, seed=seed)
    listed = selection(analysis)
    return Next(listed, image_set.only(listed["image_id"].to_pylist()), report(analysis))


def hand_over(chosen: "ImageSet", folder: Path, form: str, *, predictions: "pa.Table | None") -> "Exported":
    """Write the chosen pictures for a labelling tool, most wanted first, with what a model proposes as pre-annotations.

    Errors: LabellingError for another form, or predictions without a column that pre-annotations need; as the export.
    """
    from sources.images.label_studio_export import export_label_studio
    from sources.images.yolo_export import export_yolo

    if form not in FORMS:
        raise LabellingError(f"form {form!r}: use {' or '.join(FORMS)}")
    proposed = proposals(chosen, predictions)
    if form == "label_studio":
        to_label = chosen.images["image_id"].to_pylist()
        return export_label_studio(chosen, folder, predictions=proposed, to_label=to_label)
    return export_yolo(replace(chosen, image_labels=proposed), folder, confidences=True)


def proposals(chosen: "ImageSet", predictions: "pa.Table | None") -> "pa.Table":
    """Predictions of the chosen pictures in the columns of image_labels: every box, and the likeliest class of a whole picture.

    Errors: LabellingError for a missing column.
    """
    import pyarrow as pa

    from data_checks.contracts import load_contract
    from models.active_learning.data import EDGES

    schema = load_contract("image_labels").arrow_schema()
    if predictions is None:
        return schema.empty_table()
    needed = ("label_id", "image_id", "label", *EDGES, "confidence", "annotator")
    if missing := [name for name in needed if name not in predictions.column_names]:
        raise LabellingError(
            f"predictions lack {', '.join(missing)}: pre-annotations have the columns of image_labels, annotator being the model"
        )
    known = set(chosen.images["image_id"].to_pylist())
    rows = [row for row in predictions.to_pylist() if row["image_id"] in known]
    boxes = [row for row in rows if row["x_min_px"] is not None]
    kept = boxes + list(_likeliest(row for row in rows if row["x_min_px"] is None))
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in kept], schema=schema)


def _likeliest(rows: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Of each picture and model the row it is surest of; of equal ones the first."""
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row["image_id"], row["annotator"])
        if key not in best or (row["confidence"] or 0.0) > (best[key]["confidence"] or 0.0):
            best[key] = row
    return best.values()


def _given(embeddings: "pa.Table", ids: list[str]) -> "pa.ChunkedArray":
    import pyarrow as pa

    missing = {"image_id", "embedding"} - set(embeddings.column_names)
    rows = {} if missing else {name: row for row, name in enumerate(embeddings["image_id"].to_pylist())}
    if without := [name for name in ids if name not in rows]:
        raise LabellingError(
            f"embeddings: {len(without):,} of {len(ids):,} pictures have none, such as {without[0]!r}: write image_id and "
            "embedding of every picture of the set"
        )
    return embeddings["embedding"].take(pa.array([rows[name] for name in ids], pa.int64()))


def _embedded(image_set: "ImageSet", ids: list[str], embedder: Path | None) -> "pa.Array":
    """Embeddings in the order of the ids, one picture in memory at a time."""
    import numpy as np
    import pyarrow as pa

    from models.active_learning.embedding import plain_embedding

    embed = plain_embedding if embedder is None else _by_graph(embedder)
    found = np.stack([embed(image_set.pixels(name)) for name in ids]).astype(np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(found.ravel()), found.shape[1])


def _by_graph(path: Path) -> "Callable[[Pixels], npt.NDArray[np.floating]]":
    import numpy as np

    from edge.session import open_session
    from models.detector.boxes import IMAGENET_MEAN, IMAGENET_STD, crop, to_tensor

    try:
        session = open_session(path.read_bytes())
    except Exception as error:  # ONNX Runtime's errors have no class of their own in common
        raise LabellingError(f"{path}: no ONNX graph that can be opened ({error}): give the embedder's file") from error
    asked = session.get_inputs()[0]
    side = asked.shape[-1]
    if len(asked.shape) != 4 or not isinstance(side, int):
        raise LabellingError(f"{path}: input of shape {asked.shape}: give an embedder of (B, 3, S, S) with a fixed S")

    def embed(pixels: "Pixels") -> "npt.NDArray[np.floating]":
        height, width = pixels.shape[:2]
        whole = crop(pixels, np.array([0.0, 0.0, width, height]), side, margin=0)
        tensor = to_tensor([whole], IMAGENET_MEAN, IMAGENET_STD)
        return session.run(None, {asked.name: tensor})[0][0]

    return embed
