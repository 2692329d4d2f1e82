"""Judging elasticities: how well they foretell units at the prices that came, and on the twin how near they are to the truth."""

from collections.abc import Mapping
from statistics import NormalDist

import numpy as np

from models.common.protocols import ProgressCallback, silent
from models.common.report import MetricRow, Report
from models.elasticity.data import Dataset, Floats
from models.elasticity.levels import fit_levels, log_error, years_since
from models.elasticity.peers import EACH, POOLED, fit_each, fit_pooled
from models.elasticity.plots import forest_plot, groups_plot
from models.elasticity.predict import ElasticityInput, Predictor

CHAMPION = "pooled Poisson"
LATE = "{}, our levels"


def evaluate(
    model: Predictor,
    data: Dataset,
    *,
    world: None = None,
    truth: Mapping[str, float] | None = None,
    on_progress: ProgressCallback = silent,
) -> Report:
    """Error of log units in the test periods, given the prices that came, beside log-log regressions on the same periods; the
    same elasticities with our levels show what each part brings. `truth`: true elasticities by series, of the twin."""
    del world
    cut = data.test_from
    on_progress("log-log regressions", 0.1)
    peers = {EACH: fit_each(data, cut), POOLED: fit_pooled(data, cut)}
    on_progress("levels", 0.6)
    reply = model.predict(ElasticityInput(data.series, [data.groups[number] for number in data.group]))
    numbers = model.numbers
    years = years_since(data.periods, data.periods[0])
    told = model.levels.told(data, reply.elasticity, numbers["promotion"], years)
    rows = _fit_rows(CHAMPION, data, told)
    for name, peer in peers.items():
        rows += _fit_rows(name, data, peer.told)
        rows += _fit_rows(LATE.format(name), data, _with_our_levels(model, data, peer.elasticity))
    rows += _elasticity_rows(CHAMPION, data, reply.elasticity, reply.error)
    for name, peer in peers.items():
        rows += _elasticity_rows(name, data, peer.elasticity, peer.error)
    if truth is not None:
        true = np.array([truth.get(name, np.nan) for name in data.series])
        rows += _truth_rows(CHAMPION, reply.elasticity, reply.error, true, model.spec.confidence)
        for name, peer in peers.items():
            rows += _truth_rows(name, peer.elasticity, peer.error, true, model.spec.confidence)
    on_progress("judged", 1.0)
    plots = {
        "groups": groups_plot(data.groups, numbers["mean"], numbers["mean_error"], numbers["spread"]),
        "series": forest_plot(data.series, reply, peers[EACH]),
    }
    return Report(CHAMPION, tuple(rows), plots, _notes(model, data))


def _fit_rows(name: str, data: Dataset, told: Floats) -> list[MetricRow]:
    cut = data.test_from
    rows = [MetricRow(name, "log error", log_error(data.units[:, cut:], told[:, cut:]), "log units")]
    for number, group in enumerate(data.groups):
        here = data.group == number
        value = log_error(data.units[here, cut:], told[here, cut:])
        rows.append(MetricRow(name, "log error", value, "log units", group))
    return [row for row in rows if np.isfinite(row.value)]


def _with_our_levels(model: Predictor, data: Dataset, elasticity: Floats) -> Floats:
    """Units (N, T) told by other elasticities with levels and seasons fitted to them as to ours."""
    known = data.before(data.test_from)
    filled = np.where(np.isfinite(elasticity), elasticity, model.numbers["mean"][data.group])
    promotion = model.numbers["promotion"]
    years = years_since(data.periods, data.periods[0])
    levels = fit_levels(known, filled, promotion, years[: data.test_from])
    return levels.told(data, filled, promotion, years)


def _elasticity_rows(name: str, data: Dataset, elasticity: Floats, error: Floats) -> list[MetricRow]:
    rows = []
    for segment, here in [
        ("all", np.ones(len(elasticity), bool)),
        *((g, data.group == n) for n, g in enumerate(data.groups)),
    ]:
        there = here & np.isfinite(elasticity) & np.isfinite(error)
        if there.any():
            rows += [
                MetricRow(name, "mean elasticity", float(elasticity[there].mean()), "% / %", segment),
                MetricRow(name, "median standard error", float(np.median(error[there])), "% / %", segment),
                MetricRow(
                    name, "dearer sells less", float((elasticity[there] > 0).mean()), "fraction of series", segment
                ),
            ]
    return rows


def _truth_rows(name: str, elasticity: Floats, error: Floats, true: Floats, confidence: float) -> list[MetricRow]:
    there = np.isfinite(true) & np.isfinite(elasticity) & np.isfinite(error)
    if not there.any():
        return []
    away = elasticity[there] - true[there]
    inside = np.abs(away) <= NormalDist().inv_cdf(0.5 + confidence / 2) * error[there]
    return [
        MetricRow(name, "error of elasticity", float(np.sqrt(np.mean(away**2))), "% / %"),
        MetricRow(name, "bias of elasticity", float(away.mean()), "% / %"),
        MetricRow(name, f"coverage at {confidence:.0%}", float(inside.mean()), "fraction of series"),
    ]


def _notes(model: Predictor, data: Dataset) -> tuple[str, ...]:
    cut = data.periods[data.test_from]
    return (
        f"Fitted on {data.test_from} periods, judged on {len(data.periods) - data.test_from} from {cut}, at the prices that came.",
        f"Levels look back with a half-life of {model.spec.half_life:g} periods, {model.spec.trend_share:.0%} of a trend goes on; "
        "log-log regressions have a trend and months instead.",
        "Log error is the root mean squared error of log units where something was sold.",
    )
