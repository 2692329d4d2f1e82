"""Pictures of visual inspection as PNG bytes: scores with thresholds, calibration, misses by kind, and what was decided on what."""

from collections.abc import Sequence

import numpy as np

from models.common.figures import BAND, CHAMPION, INK, OTHER, figure, png
from models.inspection.conformal import HUMAN, PASS, REJECT, Thresholds
from models.inspection.data import Dataset, Floats, Ints

BINS = 10
SHOWN = 8  # pictures of a row of examples


def scores_plot(scores: Floats, faulty: np.ndarray, thresholds: Thresholds) -> bytes:
    """Scores of sound packages and of defects, and what lies between the thresholds: a human's."""
    drawn = figure(7, 3.2)
    axis = drawn.subplots()
    edges = np.linspace(scores.min(), scores.max(), 60)
    axis.hist(scores[~faulty], edges, color=CHAMPION, alpha=0.7, label="sound")
    axis.hist(scores[faulty], edges, color=OTHER, alpha=0.7, label="defect")
    ends = [value for value in (thresholds.pass_below, thresholds.reject_above) if np.isfinite(value)]
    if len(ends) == 2 and ends[0] < ends[1]:
        axis.axvspan(*ends, color=BAND, alpha=0.5, label="to a human")
    for value in ends:
        axis.axvline(value, color=INK, linewidth=0.8)
    axis.set_yscale("log")
    axis.set_xlabel("log odds of a defect")
    axis.set_ylabel("packages")
    axis.legend()
    return png(drawn)


def calibration_plot(probability: Floats, faulty: np.ndarray) -> bytes:
    """How often packages of a probability have a defect; bins of equal width, with two standard errors."""
    drawn = figure(4.5, 4)
    axis = drawn.subplots()
    number = np.minimum((probability * BINS).astype(int), BINS - 1)
    axis.plot([0, 1], [0, 1], color=INK, linewidth=0.6)
    for each in np.unique(number):
        here = number == each
        told, came, count = probability[here].mean(), faulty[here].mean(), int(here.sum())
        error = 2 * np.sqrt(max(came * (1 - came), 1 / count) / count)
        axis.plot([told, told], np.clip([came - error, came + error], 0, 1), color=BAND, linewidth=3)
        axis.plot(told, came, "o", color=CHAMPION, markersize=5)
        axis.annotate(f"{count}", (told, came), textcoords="offset points", xytext=(5, -9), fontsize=7)
    axis.set_xlabel("probability of a defect")
    axis.set_ylabel("share with a defect (number: packages)")
    return png(drawn)


def kinds_plot(kinds: Sequence[str], misses: Floats, level: float) -> bytes:
    """Mean miss rate of each kind over the resamplings (R, K), beside the level that holds over all of them."""
    known = [number for number in range(1, len(kinds)) if np.isfinite(misses[:, number]).any()]
    drawn = figure(6, 1.2 + 0.3 * len(known))
    axis = drawn.subplots()
    axis.barh(range(len(known)), [np.nanmean(misses[:, number]) for number in known], color=CHAMPION)
    axis.axvline(level, color=OTHER, linewidth=1)
    axis.set_yticks(range(len(known)), [kinds[number] for number in known])
    axis.set_xlabel("miss rate, mean over resamplings (line: level over all kinds)")
    return png(drawn)


def examples_plot(data: Dataset, rows: Ints, scores: Floats, thresholds: Thresholds) -> bytes:
    """Packages beside their approved samples: defects that passed, sound ones that were rejected, what a human sees, and the rest."""
    decision, faulty = thresholds.decide(scores), data.kind[rows] > 0
    groups = {
        "defects that passed": (decision == PASS) & faulty,
        "sound, rejected": (decision == REJECT) & ~faulty,
        "to a human": decision == HUMAN,
        "rejected": (decision == REJECT) & faulty,
        "passed": (decision == PASS) & ~faulty,
    }
    drawn = figure(1.25 * SHOWN, 2.1 * len(groups))
    axes = drawn.subplots(len(groups), SHOWN, squeeze=False)
    for line, (title, here) in zip(axes, groups.items(), strict=True):
        chosen = np.flatnonzero(here)
        chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, min(SHOWN, len(chosen))).astype(int))]
        line[0].set_title(f"{title}: {int(here.sum())}", loc="left", fontsize=9, color=INK)
        for axis in line:
            axis.axis("off")
        for axis, place in zip(line, chosen, strict=False):
            row = rows[place]
            both = np.concatenate([data.pictures[row], data.approved[data.batch[row]]], axis=0)
            axis.imshow(both)
            axis.text(0, -0.02, data.kinds[data.kind[row]], transform=axis.transAxes, va="top", fontsize=7)
    return png(drawn)
