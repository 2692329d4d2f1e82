"""Judging visual inspection: misses, human share and false rejections over resamplings, beside its peers."""

import itertools

import numpy as np

from models.common.protocols import DataError, ProgressCallback, silent
from models.common.report import MetricRow, Report
from models.inspection.data import Dataset, Floats, Ints
from models.inspection.peers import peer_scores
from models.inspection.plots import calibration_plot, examples_plot, kinds_plot, scores_plot
from models.inspection.predict import Predictor, log_odds
from models.inspection.resampling import RATES, Rates, auroc, judged, resample

CHAMPION = "inspection network"
SEED = 7  # of the resamplings
SEVERITIES = (0.0, 0.3, 0.6, 1.0)


def evaluate(
    model: Predictor,
    data: Dataset,
    *,
    world: None = None,
    truth: Floats | None = None,
    on_progress: ProgressCallback = silent,
) -> Report:
    """Rates of the thresholds in use on the newest packages, and over resamplings of all that training did not see.

    `truth`: severity (N,) of the data's packages, of the twin; misses are then told by severity as well.
    """
    del world
    held = np.arange(data.calibrate_from, len(data.kind))
    kind = data.kind[held]
    if not kind.any() or kind.all():
        raise DataError(f"{len(held)} held-out packages: sound ones and defects are both needed: inspect more packages")
    on_progress("network", 0.0)
    logits = model.logits(data.pictures[held], data.approved, data.batch[held], data.off[held])
    on_progress("peers", 0.4)
    scores = {CHAMPION: log_odds(logits), **peer_scores(data, model, held)}
    rows: list[MetricRow] = []
    told: dict[str, Rates] = {}
    for number, (name, score) in enumerate(scores.items()):
        on_progress(f"resampling, {name}", 0.6 + 0.08 * number)
        told[name] = _resampled(data, model, score, kind)
        rows += _rows(name, told[name], data)
        rows.append(MetricRow(name, "AUROC", auroc(score, kind > 0), "fraction"))
    rows += _in_use(model, data, scores[CHAMPION][held >= data.test_from], logits[held >= data.test_from])
    if truth is not None:
        rows += _by_severity(model, scores[CHAMPION], truth[held], kind)
    on_progress("judged", 1.0)
    probability = model.reply(logits).probability
    plots = {
        "scores": scores_plot(scores[CHAMPION], kind > 0, model.thresholds),
        "calibration": calibration_plot(probability, kind > 0),
        "kinds": kinds_plot(data.kinds, told[CHAMPION].misses, model.spec.miss_level),
        "examples": examples_plot(data, held, scores[CHAMPION], model.thresholds),
    }
    return Report(CHAMPION, tuple(rows), plots, _notes(model, data, told[CHAMPION]))


def _resampled(data: Dataset, model: Predictor, score: Floats, kind: Ints) -> Rates:
    return resample(
        score,
        kind,
        len(data.kinds),
        miss_level=model.spec.miss_level,
        reject_level=model.spec.reject_level,
        by_kind=data.config.control == "kind",
        resamplings=data.config.resamplings,
        rng=np.random.default_rng(SEED),
    )


def _rows(name: str, told: Rates, data: Dataset) -> list[MetricRow]:
    rows = [MetricRow(name, rate, told.mean(rate), "fraction") for rate in RATES]
    rows.append(MetricRow(name, "miss rate, standard error", told.error("miss rate"), "fraction"))
    rows.append(MetricRow(name, "unseen defects", float(told.defects.min()), "packages"))
    for number, kind in enumerate(data.kinds[1:], start=1):
        seen = told.misses[:, number]
        if np.isfinite(seen).any():
            rows.append(MetricRow(name, "miss rate", float(np.nanmean(seen)), "fraction", kind))
    return rows


def _in_use(model: Predictor, data: Dataset, score: Floats, logits: Floats) -> list[MetricRow]:
    """Rates of the thresholds that the artifact carries, on the newest packages."""
    kind = data.kind[data.test_from :]
    rates, _ = judged(model.thresholds, score, kind, len(data.kinds))
    segment = "thresholds in use"
    rows = [
        MetricRow(CHAMPION, rate, float(value), "fraction", segment)
        for rate, value in zip(RATES, rates, strict=True)
        if np.isfinite(value)
    ]
    reply = model.reply(logits)
    # A package that is not rejected names no kind: it counts as wrong.
    named = (reply.decision == "reject") & (reply.kind == np.array(data.kinds)[kind])
    if kind.any():
        rows.append(MetricRow(CHAMPION, "right kind of defects", float(named[kind > 0].mean()), "fraction", segment))
    return rows


def _by_severity(model: Predictor, score: Floats, severity: Floats, kind: Ints) -> list[MetricRow]:
    rows = []
    for low, high in itertools.pairwise(SEVERITIES):
        here = (kind > 0) & (severity > low) & (severity <= high)
        if here.any():
            missed = float((score[here] < model.thresholds.pass_below).mean())
            rows.append(MetricRow(CHAMPION, "miss rate", missed, "fraction", f"severity {low:g} to {high:g}"))
    return rows


def _notes(model: Predictor, data: Dataset, told: Rates) -> tuple[str, ...]:
    level, count = model.spec.miss_level, len(told.values)
    return (
        f"Network fitted on {data.calibrate_from} packages, thresholds in use set on the next {data.test_from - data.calibrate_from}, "
        f"judged on the newest {len(data.kind) - data.test_from}.",
        f"Rates are means over {count} random halvings of all {len(data.kind) - data.calibrate_from} packages that training did not "
        f"see; {int((data.kind[data.calibrate_from :] > 0).mean() * 100)} % of them have a defect.",
        f"A miss is a defect that passes; its expected rate among defects is bounded by {level:.2%} (conformal risk control) as long "
        "as new packages are exchangeable with those that thresholds were set on; a new product, lamp or kind of defect is not.",
        "A package that is sent to a human is no right decision; the human share is told by itself, of sound packages and of defects.",
    )
