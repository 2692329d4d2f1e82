"""An image set as a YOLO folder that Ultralytics trains on and labelling tools read."""

from collections import Counter
from pathlib import Path, PurePosixPath

from sources.base import SourceError
from sources.images.export import Exported, box_of, boxes_only, copy_picture, flat_names, new_folder, splits_of
from sources.images.image_set import ImageSet

_DIGITS = 8  # of a share: a hundredth of a pixel of the largest picture is 1e-6


def export_yolo(image_set: ImageSet, folder: Path, *, confidences: bool = False) -> Exported:
    """Write `images/<split>/`, `labels/<split>/` and `data.yaml`; for a set without splits `images/`, `labels/` and
    `classes.txt`, as Label Studio does.

    YOLO has no crowds: they are left out. `confidences` adds a sixth number to what a model proposed, which training does
    not take. Errors: SourceError for labels of whole pictures or of classes that the set lacks, a folder that is there, a changed
    picture.
    """
    boxes_only(image_set, "YOLO")
    images = image_set.images.to_pylist()
    splits, names, labels = splits_of(images), flat_names(images), image_set.labels_by_image()
    numbers = {label: number for number, label in enumerate(image_set.classes)}
    if strange := sorted(set(image_set.image_labels["label"].to_pylist()) - numbers.keys()):
        raise SourceError(
            f"{', '.join(strange[:5])} ({len(strange)}) are no classes of the set, which has {', '.join(image_set.classes)}: YOLO "
            "numbers those alone; give labels and predictions the set's names, or add the classes and take it in again"
        )
    left_out: Counter[str] = Counter()
    written = 0
    with new_folder(folder) as draft:
        for image in images:
            place, name = PurePosixPath(image["split"] or ""), names[image["image_id"]]
            copy_picture(image_set, image, draft / "images" / place / name)
            lines = []
            for label in labels[image["image_id"]]:
                box = box_of(label)
                if box is None or label["is_crowd"]:
                    left_out["crowd"] += 1
                    continue
                shares = box.to_yolo(image["width_px"], image["height_px"])
                words = [str(numbers[label["label"]]), *(f"{share:.{_DIGITS}f}" for share in shares)]
                if confidences and label["confidence"] is not None:
                    words.append(f"{label['confidence']:.{_DIGITS}f}")
                lines.append(" ".join(words) + "\n")
            target = (draft / "labels" / place / name).with_suffix(".txt")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("".join(lines), encoding="utf-8")
            written += len(lines)
        _describe(draft, splits, image_set.classes)
    return Exported(folder, len(images), written, dict(left_out))


def _describe(folder: Path, splits: tuple[str, ...], classes: tuple[str, ...]) -> None:
    if not splits:
        (folder / "classes.txt").write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")
        return
    import yaml

    # Ultralytics asks for both; one that the set lacks is an empty folder, never another split in its place.
    splits = tuple(split for split in ("train", "val", "test") if split in ("train", "val", *splits))
    for split in splits:
        (folder / "images" / split).mkdir(parents=True, exist_ok=True)
    said = {**{split: f"images/{split}" for split in splits}, "nc": len(classes), "names": dict(enumerate(classes))}
    (folder / "data.yaml").write_text(yaml.safe_dump(said, sort_keys=False, allow_unicode=True), encoding="utf-8")
