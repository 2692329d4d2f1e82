"""Judging product recognition: average precision of boxes, names of matched boxes beside peers, calibration, sample pictures."""

from collections.abc import Sequence

import numpy as np

from models.common.protocols import ProgressCallback, silent
from models.common.report import MetricRow, Report
from models.detector.boxes import Floats
from models.detector.calibration import expected_calibration_error
from models.detector.data import TEST, TIMELESS, VAL, Dataset, Ints
from models.detector.drawing import SURE, UNSURE, WRONG, Note, short
from models.detector.looking import Look, columns, look_at
from models.detector.matching import Curve, precision_curves
from models.detector.peers import peer_names
from models.detector.plots import confidence_plot, curves_plot, naming_plot, samples_plot
from models.detector.predict import Predictor

CHAMPION = "product recognition"
SAMPLES = 3  # pictures that are shown
RIGHT_NAME, FOUND_NAMED = "right name of matched boxes", "items found and rightly named"


def evaluate(
    model: Predictor,
    data: Dataset,
    *,
    world: None = None,
    truth: None = None,
    on_progress: ProgressCallback = silent,
) -> Report:
    """The pictures of the test split; a name that is held back (unknown) counts as wrong."""
    del world, truth
    on_progress("looking", 0.0)
    looks = look_at(
        model,
        data,
        data.scenes(TEST),
        iou=data.config.match_iou,
        on_progress=lambda _, fraction: on_progress("looking", 0.6 * fraction),
    )
    curves = precision_curves(
        [look.found for look in looks],
        [look.labelled.boxes for look in looks],
        [look.labelled.crowd for look in looks],
    )
    on_progress("names", 0.6)
    product = np.concatenate([look.product for look in looks])
    said, confidence = names_of(model, data, looks)
    told = columns(model, data.products)
    items = int(sum((~look.labelled.crowd).sum() for look in looks))
    on_progress("peers", 0.7)
    names = {CHAMPION: said, **peer_names(model, data, looks)}
    rows = [*_boxes(curves, items, looks), *_names(names, product, items)]
    rows += _confidence(said, confidence, product)
    unknown = int((told[np.concatenate([look.labelled.product for look in looks])] < 0).sum())
    on_progress("pictures", 0.9)
    plots = {
        "samples": _samples(model, data, looks),
        "precision_recall": curves_plot({iou: curves[iou] for iou in (0.5, 0.75, 0.9)}),
        "naming": naming_plot({name: _rate(each, product) for name, each in names.items()}, CHAMPION),
    }
    if len(product):
        plots["confidence"] = confidence_plot(confidence, said == product)
    on_progress("judged", 1.0)
    return Report(CHAMPION, tuple(rows), plots, _notes(model, data, looks, unknown))


def names_of(model: Predictor, data: Dataset, looks: Sequence[Look]) -> tuple[Ints, Floats]:
    """Products (K,) of all hits in the order of the looks, -1 where unknown to the model or the data, and their confidence (K,)."""
    config = model.spec.namer
    hits = np.concatenate([look.embeddings[look.hits] for look in looks])
    named = model.gallery.name(hits, least=config.least_similarity, temperature=config.temperature)
    number = {name: place for place, name in enumerate(data.products)}
    said = [-1 if each.product is None else number.get(each.product, -1) for each in named]
    return np.array(said, dtype=np.int64), np.array([each.confidence for each in named], dtype=np.float64)


def _boxes(curves: dict[float, Curve], items: int, looks: Sequence[Look]) -> list[MetricRow]:
    areas = [each.area for each in curves.values()]
    return [
        MetricRow(CHAMPION, "mAP50", curves[0.5].area, "fraction"),
        MetricRow(CHAMPION, "mAP50-95", float(np.mean(areas)), "fraction"),
        MetricRow(CHAMPION, "recall at overlap 0.5", curves[0.5].recall, "fraction"),
        MetricRow(CHAMPION, "labelled items", float(items), "items"),
        MetricRow(CHAMPION, "pictures", float(len(looks)), "pictures"),
    ]


def _names(names: dict[str, Ints], product: Ints, items: int) -> list[MetricRow]:
    """Of matched boxes, and of all that is labelled: a missed item has no name."""
    rows = []
    for name, said in names.items():
        rows.append(MetricRow(name, RIGHT_NAME, _rate(said, product), "fraction"))
        rows.append(MetricRow(name, FOUND_NAMED, float((said == product).sum() / items), "fraction"))
    return rows


def _confidence(said: Ints, confidence: Floats, product: Ints) -> list[MetricRow]:
    return [
        MetricRow(CHAMPION, "unknown among matched boxes", _rate(said, np.full(len(said), -1)), "fraction"),
        MetricRow(CHAMPION, "calibration error", expected_calibration_error(confidence, said == product), "fraction"),
    ]


def _rate(said: Ints, product: Ints) -> float:
    return float((said == product).mean()) if len(product) else 0.0


def _samples(model: Predictor, data: Dataset, looks: Sequence[Look]) -> bytes:
    """Pictures evenly over the test split: right names, unknown ones, wrong ones and boxes that are no item, missed items."""
    shown = [looks[place] for place in np.unique(np.linspace(0, len(looks) - 1, SAMPLES).astype(int))]
    return samples_plot([data.pixels(look.row) for look in shown], [_noted(model, data, look) for look in shown])


def _noted(model: Predictor, data: Dataset, look: Look) -> list[Note]:
    config = model.spec.namer
    names = model.gallery.name(look.embeddings, least=config.least_similarity, temperature=config.temperature)
    notes = []
    for box, named, label, score in zip(look.found.boxes, names, look.matched.label, look.found.scores, strict=True):
        left, top, right, bottom = box.tolist()
        if label < 0 and score < 0.5:  # what a person would not be shown
            continue
        right_name = data.products[look.labelled.product[label]] if label >= 0 else None
        text, colour = f"{short(named.product or 'unknown')} {named.confidence:.0%}", SURE
        if named.product is None:
            text, colour = "unknown", UNSURE
        elif named.product != right_name:
            text, colour = f"{short(named.product)}, is {short(right_name or 'no item')}", WRONG
        notes.append(Note((left, top, right, bottom), text, colour))
    missed = np.setdiff1d(np.flatnonzero(~look.labelled.crowd), look.matched.label)
    for left, top, right, bottom in look.labelled.boxes[missed].tolist():
        notes.append(Note((left, top, right, bottom), "missed", WRONG))
    return notes


def _notes(model: Predictor, data: Dataset, looks: Sequence[Look], unknown: int) -> tuple[str, ...]:
    when = "carry no time, so splits are by a digest of their ids" if data.taken_until == TIMELESS else "are the newest"
    notes = [
        f"Finder from {model.spec.finder_from}; embedder from {model.spec.embedder_from}.",
        f"{len(looks)} pictures judged ({when}, where no split was told); confidence set on {len(data.scenes(VAL))} others; "
        f"{len(model.spec.products)} vectors of {len(model.gallery.products)} products in the gallery.",
        "Boxes by COCO's average precision over 101 recalls; a box counts for the labelled item it overlaps most, best-scored first. "
        "Boxes around many items (crowds) are neither right nor wrong.",
        "An item whose name is held back (unknown) counts as wrong. Peers name the same boxes from the same gallery pictures.",
    ]
    if unknown:
        notes.append(f"{unknown} labelled items are of products without a vector: no name could be right; enrol them.")
    return tuple(notes)
