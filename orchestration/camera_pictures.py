"""Pictures that the detector learns from: the twin's cameras drawn as an image set, or a set of the shop's own, through the gate."""

import hashlib
import re
import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from orchestration.absence import not_provided
from orchestration.image_pictures import markdown
from orchestration.image_sets import ImageSetError, ImageSets, image_sets_of
from orchestration.ingest import TableOutcome
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from sources.twin.cameras.params import CameraParams

if TYPE_CHECKING:
    from sources.images.image_set import ImageSet
    from sources.twin.cameras.studio import Studio
    from sources.twin.cameras.truth import Scene

TWIN, OFF = "twin", "off"
REMEDY = (
    "no pictures to learn from, or no weights to begin with: set STORELOOP_CAMERAS to `twin`, to the name of a set of "
    "`storeloop images`, or to a delivery such as yolo:FOLDER or coco:FOLDER"
)
LEAST_SHARE = 0.25  # of a package's pixels that must be seen to count as an item
FIRST_PICTURE = datetime(2026, 1, 5, 8)
HOURS_APART = 3
JPEG_QUALITY = 92
SHOWN = 3
_CODE = ("orchestration/camera_pictures.py", "sources/twin/cameras", "sources/twin/catalogue.py", "sources/images")


class CamerasConfig(BaseModel):
    """The section `cameras` of `params.yaml`: how many pictures the twin's cameras take, and how they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shelves: int = Field(8, ge=0, le=10_000, description="gondolas, a picture by each camera")
    counters: int = Field(8, ge=0, le=10_000, description="counters, a picture by each camera")
    photos: int = Field(5, ge=0, le=20, description="photos of each product alone, to know it by")
    studio: CameraParams = Field(CameraParams(products=30), description="packages, cameras, light")


def cameras_config(settings: Settings) -> CamerasConfig:
    """`cameras` of `params.yaml`."""
    return CamerasConfig(**settings.section("cameras"))


def camera_spec(settings: Settings) -> str:
    """`twin`, `off`, the name of a set, or the description of a delivery."""
    return settings.cameras or (TWIN if settings.source == TWIN and _has_weights(settings) else OFF)


def _has_weights(settings: Settings) -> bool:
    """Whether training would begin from something: from scratch it takes hours, which nobody gets who did not ask for it."""
    from models.detector.config import Config
    from models.detector.parts import start_of

    config = Config(**settings.section("detector"))
    starts = start_of(config.finder_start, "finder"), start_of(config.embedder_start, "embedder")
    return None not in starts


def camera_set(workspace: Workspace) -> "ImageSet":
    """The pictures that passed the gate. Errors: ImageSetError where they did not, or were never taken in."""
    return _sets(workspace).open(_set_name(workspace))


def content_of(workspace: Workspace) -> str:
    """One for the same pictures and labels; "none" where there are none."""
    try:
        folder = camera_set(workspace).folder
    except ImageSetError:
        return "none"
    files = sorted(folder.glob("*.parquet"))
    return hashlib.sha256(b"".join(hashlib.sha256(each.read_bytes()).digest() for each in files)).hexdigest()


def take_pictures(workspace: Workspace) -> TableOutcome:
    """Draw or read the pictures and let the gate judge them; unchanged, they are neither drawn nor judged again."""
    spec = camera_spec(workspace.settings)
    if spec == OFF:
        return TableOutcome(True, {**not_provided(REMEDY), "pictures": 0}, {"note": REMEDY})
    sets, name = _sets(workspace), _set_name(workspace)
    if not is_set_name(spec):
        delivery = _drawn(workspace) if spec == TWIN else spec
        unchanged = sets.is_current(name, delivery) and _passed(sets, name)
        if not unchanged:
            taken = sets.take_in(name, delivery)
            if not taken.passed:
                return TableOutcome(
                    False, {"unchanged": False}, {"broken": list(taken.broken), "pages": str(taken.site)}
                )
    else:
        unchanged = True
        try:
            sets.open(name)
        except ImageSetError as error:
            return TableOutcome(False, {"unchanged": False}, {"broken": [str(error)]})
    return TableOutcome(
        True, {**_facts(sets.open(name)), "unchanged": unchanged, "content_hash": content_of(workspace)}
    )


def is_set_name(spec: str) -> bool:
    """Whether `spec` names a set that was taken in, rather than pictures to be taken in under a name of this workspace."""
    return spec not in (TWIN, OFF) and ":" not in spec


def _sets(workspace: Workspace) -> ImageSets:
    settings = workspace.settings
    if settings.sets_home is not None and is_set_name(camera_spec(settings)):
        return ImageSets(settings.sets_home)  # which its own shop judged
    return image_sets_of(workspace)


def _set_name(workspace: Workspace) -> str:
    spec = camera_spec(workspace.settings)
    if is_set_name(spec):
        return spec
    return re.sub(r"[^a-z0-9_-]", "-", f"{workspace.slug.lower()}-cameras")[:60]


def _passed(sets: ImageSets, name: str) -> bool:
    try:
        sets.open(name)
    except ImageSetError:
        return False
    return True


def _facts(image_set: "ImageSet") -> dict[str, Any]:
    import numpy as np

    from models.detector.drawing import SURE, Note, short
    from models.detector.plots import samples_plot

    labels = image_set.labels_by_image()
    boxed = [name for name, rows in labels.items() if any(row["x_min_px"] is not None for row in rows)]
    shown = [boxed[place] for place in np.unique(np.linspace(0, len(boxed) - 1, SHOWN).astype(int))] if boxed else []
    facts: dict[str, Any] = {
        "pictures": image_set.images.num_rows,
        "labels": image_set.image_labels.num_rows,
        "classes": image_set.label_classes.num_rows,
    }
    if shown:
        notes = [
            [
                Note((row["x_min_px"], row["y_min_px"], row["x_max_px"], row["y_max_px"]), short(row["label"]), SURE)
                for row in labels[name]
                if row["x_min_px"] is not None
            ]
            for name in shown
        ]
        facts["samples"] = markdown("", samples_plot([image_set.pixels(name) for name in shown], notes))
    return facts


def _drawn(workspace: Workspace) -> str:
    """The twin's pictures as a delivery, drawn unless they lie there."""
    from orchestration.fingerprints import fingerprint

    config, settings = cameras_config(workspace.settings), workspace.settings
    inputs = {"config": config.model_dump(mode="json"), "seed": settings.twin_seed}
    folder = workspace.root / "cameras" / fingerprint(code=_CODE, inputs=inputs)[:16]
    if not folder.is_dir():
        from sources.images.image_set import write_image_set
        from sources.twin.cameras.studio import Studio

        folder.parent.mkdir(parents=True, exist_ok=True)
        for stale in folder.parent.iterdir():
            if stale.is_dir():
                shutil.rmtree(stale)
        studio = Studio(config.studio, settings.twin_seed, world_seed=settings.twin_seed)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".drawing-") as scratch:
            tables = _photographed(studio, config, Path(scratch))
            write_image_set(folder, Path(scratch), tables)
    return f"image_set:{folder}"


def _photographed(studio: "Studio", config: CamerasConfig, folder: Path) -> dict[str, Any]:
    """Pictures into `folder`, and the three tables of an image set: photos of each product first, then gondolas and counters in
    turn, some hours apart, so that the newest are of scenes that training never saw."""
    import pyarrow as pa

    from data_checks.contracts import load_contract

    rows: dict[str, list[dict[str, Any]]] = {"label_classes": [], "images": [], "image_labels": []}
    ids = studio.products.ids
    for number in range(config.studio.products):
        # No `product_id`: cameras may see packages that the twin's shop, a small one, does not sell.
        rows["label_classes"].append({"label": ids[number], "position": number})
        if config.photos:
            photos = studio.enrol_photos(number, config.photos)
            for place in range(config.photos):
                name = f"photo-{number:04d}-{place}"
                _add_picture(rows["images"], folder, name, photos, place, FIRST_PICTURE)
                _add_label(rows["image_labels"], f"{name}-0", name, ids[number], None)
    scenes = [("shelf", number) for number in range(config.shelves)]
    scenes += [("counter", number) for number in range(config.counters)]
    # Both kinds alike from the oldest to the newest.
    scenes.sort(key=lambda each: (each[1] / (config.shelves if each[0] == "shelf" else config.counters), each[0]))
    for hour, (kind, number) in enumerate(scenes):
        scene = studio.shelf_scene(number) if kind == "shelf" else studio.checkout_scene(number)
        for place in range(len(scene.seen.pictures)):
            name = f"{kind}-{number:04d}-{place}"
            at = FIRST_PICTURE + timedelta(hours=HOURS_APART * (hour + 1))
            _add_picture(rows["images"], folder, name, scene, place, at)
            boxes = scene.truth.boxes.of(place, least_share=LEAST_SHARE)
            for row, (box, product) in enumerate(zip(boxes.visible.tolist(), boxes.product.tolist(), strict=True)):
                _add_label(rows["image_labels"], f"{name}-{row:03d}", name, ids[product], box)
    return {
        table: pa.Table.from_pylist(listed, schema=load_contract(table).arrow_schema())
        for table, listed in rows.items()
    }


def _add_picture(rows: list[dict[str, Any]], folder: Path, name: str, scene: "Scene", place: int, at: datetime) -> None:
    from models.common.pictures import encode_picture

    picture = scene.seen.pictures[place]
    data = encode_picture(picture.pixels, "JPEG", quality=JPEG_QUALITY)
    (folder / f"{name}.jpg").write_bytes(data)
    height, width = picture.pixels.shape[:2]
    rows.append({
        "image_id": name, "path": f"{name}.jpg", "sha256": hashlib.sha256(data).hexdigest(), "width_px": width,
        "height_px": height, "camera": picture.camera_id, "taken_at": at,
    })  # fmt: skip


def _add_label(rows: list[dict[str, Any]], label_id: str, image_id: str, label: str, box: list[float] | None) -> None:
    edges = dict(zip(("x_min_px", "y_min_px", "x_max_px", "y_max_px"), box or [None] * 4, strict=True))
    rows.append({
        "label_id": label_id, "image_id": image_id, "label": label, **edges, "is_crowd": False, "annotator": "twin",
    })  # fmt: skip
