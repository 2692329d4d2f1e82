"""Pictures of product recognition as PNG bytes: precision over recall, calibration of names, and what was found in some pictures."""

from collections.abc import Mapping, Sequence

import numpy as np

from models.common.figures import BAND, CHAMPION, INK, OTHER, figure, png
from models.common.pictures import Pixels, encode_picture
from models.detector.boxes import Floats
from models.detector.drawing import Note, annotated
from models.detector.matching import RECALLS, Bools, Curve

BINS = 10
LEAST_SHARE = 0.05  # of a picture's height that a row of the sample is drawn with


def curves_plot(curves: Mapping[float, Curve]) -> bytes:
    """Precision over recall at each overlap."""
    drawn = figure(5, 4)
    axis = drawn.subplots()
    for iou, each in curves.items():
        axis.plot(RECALLS, each.precision, color=CHAMPION, alpha=1.15 - iou, label=f"overlap {iou:g}: {each.area:.1%}")
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1.02)
    axis.set_xlabel("recall")
    axis.set_ylabel("precision")
    axis.legend(title="average precision", fontsize=7)
    return png(drawn)


def confidence_plot(confidence: Floats, right: Bools) -> bytes:
    """How often names of a confidence are right; bins of equal width, with two standard errors."""
    drawn = figure(4.5, 4)
    axis = drawn.subplots()
    number = np.minimum((confidence * BINS).astype(int), BINS - 1)
    axis.plot([0, 1], [0, 1], color=INK, linewidth=0.6)
    for each in np.unique(number):
        here = number == each
        told, came, count = confidence[here].mean(), right[here].mean(), int(here.sum())
        error = 2 * np.sqrt(max(came * (1 - came), 1 / count) / count)
        axis.plot([told, told], np.clip([came - error, came + error], 0, 1), color=BAND, linewidth=3)
        axis.plot(told, came, "o", color=CHAMPION, markersize=5)
        axis.annotate(f"{count}", (told, came), textcoords="offset points", xytext=(5, -9), fontsize=7)
    axis.set_xlabel("confidence of a name")
    axis.set_ylabel("share that is right (number: items)")
    return png(drawn)


def naming_plot(rates: Mapping[str, float], champion: str) -> bytes:
    """Share of matched boxes with the right name, by who named them."""
    drawn = figure(6, 1.0 + 0.4 * len(rates))
    axis = drawn.subplots()
    names = list(rates)[::-1]
    axis.barh(names, [rates[name] for name in names], color=[CHAMPION if name == champion else OTHER for name in names])
    for number, name in enumerate(names):
        axis.text(rates[name] + 0.01, number, f"{rates[name]:.1%}", va="center", fontsize=8)
    axis.set_xlim(0, 1.1)
    axis.set_xlabel("right name of matched boxes (unknown counts as wrong)")
    return png(drawn)


def samples_plot(pictures: Sequence[Pixels], notes: Sequence[Sequence[Note]]) -> bytes:
    """Pictures with what was found in them, one below the other, all as wide as the widest."""
    drawn = [annotated(picture, each) for picture, each in zip(pictures, notes, strict=True)]
    width = max(each.shape[1] for each in drawn)
    padded = [np.pad(each, ((0, 6), (0, width - each.shape[1]), (0, 0)), constant_values=255) for each in drawn]
    return encode_picture(np.concatenate(padded))
