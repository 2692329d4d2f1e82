"""How well a positioner places scans whose place is known, beside the one nearest fingerprint."""

from collections.abc import Mapping

import numpy as np

from models.behaviour.positioning import Places, Positioner
from models.behaviour.positioning_data import Scans
from models.behaviour.positioning_peers import NEAREST, Guess, nearest
from models.behaviour.rssi import Floats
from models.common.figures import CHAMPION, INK, OTHER, figure, png
from models.common.protocols import DataError
from models.common.report import MetricRow, Report

POSITIONING = "positioning"


def evaluate(
    positioner: Positioner, scans: Scans, survey: Scans, *, peers: Mapping[str, Guess] | None = None
) -> Report:
    """Report on `scans` with a place, none of which is in the `survey` that the positioner was fitted on.

    Levels and errors count over all scans: one that could not be placed is on the wrong level, in the middle of the survey.
    `peers` are guesses of others by name. DataError for scans without a place, or with other columns or levels.
    """
    if np.isnan(scans.x).any() or not len(scans):
        raise DataError(
            f"{int(np.isnan(scans.x).sum())} of {len(scans)} scans have no place: judge by surveyed scans alone"
        )
    if (scans.access_points, scans.levels) != (positioner.spec.access_points, positioner.spec.levels):
        raise DataError(
            "the scans name other access points or levels than the survey: read them with those of the survey"
        )
    places = positioner.locate(scans.rssi)
    middle = survey.x.mean(), survey.y.mean()
    own = Guess(
        places.level, *(np.where(places.known, at, lost) for at, lost in zip((places.x, places.y), middle, strict=True))
    )
    guesses = {POSITIONING: own, NEAREST: nearest(survey, scans.rssi), **(peers or {})}
    errors = {name: np.hypot(guess.x - scans.x, guess.y - scans.y) for name, guess in guesses.items()}
    rows = [row for name, guess in guesses.items() for row in _rows(name, guess, errors[name], scans)]
    rows += _uncertainty(places, errors[POSITIONING], scans)
    notes = (
        f"lengths in units of {scans.coordinates}; {int((scans.level < 0).sum())} scans on a level that was not surveyed",
    )
    return Report(POSITIONING, tuple(rows), {"errors": _plot(errors)}, notes)


def _rows(name: str, guess: Guess, error: Floats, scans: Scans) -> list[MetricRow]:
    right = guess.level == scans.level
    building = np.array([level.building for level in scans.levels] + [""])[scans.level]
    segments = {
        "all": np.ones(len(scans), dtype=bool),
        **{each: building == each for each in np.unique(building) if each},
    }
    found = []
    for segment, here in segments.items():
        metrics = {
            "level": (float(right[here].mean()), "share"),
            "mean_error": (float(error[here].mean()), "length"),
            "median_error": (float(np.median(error[here])), "length"),
            "p90_error": (float(np.quantile(error[here], 0.9)), "length"),
        }
        found += [MetricRow(name, metric, value, unit, segment) for metric, (value, unit) in metrics.items()]
    return found


def _uncertainty(places: Places, error: Floats, scans: Scans) -> list[MetricRow]:
    """What only a positioner tells: how often its radius holds, how wide it is, and how well it knows what level."""
    known = places.known
    told = np.where(known & (scans.level >= 0), places.probabilities[np.arange(len(scans)), scans.level], 0.0)
    metrics = {
        "placed": (float(known.mean()), "share"),
        "coverage": (float((known & (error <= places.radius)).mean()), "share"),
        "mean_radius": (float(places.radius[known].mean()) if known.any() else float("nan"), "length"),
        "level_log_loss": (float(-np.log(np.maximum(told, 1e-12)).mean()), "nats"),
        "level_confidence": (
            float(places.probabilities[known].max(axis=1).mean()) if known.any() else float("nan"),
            "share",
        ),
    }
    return [MetricRow(POSITIONING, metric, value, unit) for metric, (value, unit) in metrics.items()]


def _plot(errors: Mapping[str, Floats]) -> bytes:
    """Share of scans by how far off they are at most."""
    drawn = figure(6, 3.4)
    axis = drawn.subplots()
    colours = {POSITIONING: CHAMPION, NEAREST: OTHER}
    for name, error in errors.items():
        axis.plot(np.sort(error), np.arange(1, len(error) + 1) / len(error), label=name, color=colours.get(name, INK))
    axis.set_xlim(0, max(float(np.quantile(error, 0.99)) for error in errors.values()))
    axis.set_xlabel("error at most")
    axis.set_ylabel("share of scans")
    axis.legend()
    return png(drawn)
