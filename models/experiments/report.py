"""The report of an experiment: figures beside their baseline, pictures, and sentences a product manager can act on."""

import numpy as np

from models.common.report import MetricRow, Report
from models.experiments.analyse import Analysis, Comparison, Track
from models.experiments.plots import cuped_plot, effect_plot
from models.experiments.sequential import Interval

CHAMPION = "adjusted, always valid"
BASELINE = "plain, fixed horizon"
RATIO_CHECK = "sample ratio"


def report(analysis: Analysis) -> Report:
    """Rows by arm (`segment` is "B vs A"), notes in plain words, plots of the effect over time and of the covariates' gain.

    The champion is the always-valid interval of the adjusted effect; its baseline is the textbook's: the plain difference
    with an interval that holds at one look alone.
    """
    cfg = analysis.cfg
    rows = list(_ratio_rows(analysis))
    plots: dict[str, bytes] = {}
    for comparison in analysis.comparisons:
        rows.extend(_rows(comparison, cfg.metric_unit))
        title = f"{cfg.metric_name}: {comparison.arm} minus {comparison.control}"
        plots[f"effect_{comparison.arm}"] = effect_plot(
            comparison, analysis.look_days, title=title, unit=cfg.metric_unit
        )
    if analysis.covariates:
        plots["cuped"] = cuped_plot(analysis.comparisons, unit=cfg.metric_unit)
    notes = (*_warnings(analysis), *(verdict(each, analysis) for each in analysis.comparisons), *_how(analysis))
    return Report(champion=CHAMPION, rows=tuple(rows), plots=plots, notes=notes)


def segment(comparison: Comparison) -> str:
    """Name of a comparison in the report."""
    return f"{comparison.arm} vs {comparison.control}"


def verdict(comparison: Comparison, analysis: Analysis) -> str:
    """One sentence: which arm is better, by how much, how sure; or that it cannot be told yet."""
    cfg, track = analysis.cfg, comparison.adjusted
    size = _size(track, cfg.metric_unit)
    low, high = float(track.always.low[-1]), float(track.always.high[-1])
    if low > 0 or high < 0:
        better = (low > 0) == cfg.higher_is_better
        word = "better" if better else "worse"
        day = analysis.look_days[comparison.decided] if comparison.decided is not None else analysis.look_days[-1]
        return (
            f"{comparison.arm} is {word} than {comparison.control} on {cfg.metric_name} by {size}, always valid; "
            f"sure since {day}."
        )
    if comparison.decided is not None:
        return (
            f"{comparison.arm} and {comparison.control} on {cfg.metric_name}: {size} now, though they differed surely on "
            f"{analysis.look_days[comparison.decided]}: the effect seems to fade or to change; look at the picture over time."
        )
    return (
        f"{comparison.arm} and {comparison.control} cannot be told apart yet on {cfg.metric_name}: {size}, always valid. "
        "What lies outside the interval is ruled out."
    )


def _size(track: Track, unit: str) -> str:
    """The effect in percent of the control where that is defined and the level positive, else in the metric's unit."""
    relative, interval = track.effect.relative[-1], track.relative_always
    low, high = interval.low[-1], interval.high[-1]
    if np.isfinite([relative, low, high]).all() and track.effect.control[-1] > 0:
        return f"{100 * relative:+.1f} % [{100 * low:+.1f}, {100 * high:+.1f}]"
    estimate = track.effect.estimate[-1]
    return f"{estimate:+.4g} [{track.always.low[-1]:+.4g}, {track.always.high[-1]:+.4g}] {unit}"


def _warnings(analysis: Analysis) -> list[str]:
    cfg, ratio = analysis.cfg, analysis.ratio
    notes = []
    if ratio.alarm(cfg.ratio_alpha):
        expected = ", ".join(f"{count:,.0f}" for count in ratio.expected)
        found = ", ".join(f"{arm} {count:,.0f}" for arm, count in zip(analysis.arms, ratio.counts, strict=True))
        notes.append(
            f"DO NOT READ THE EFFECT: the arms hold {found} units where {expected} were planned "
            f"(always-valid p = {ratio.p_always[-1]:.2g}). Something other than chance sorted the units: find it, then restart."
        )
    if analysis.counts.before_assignment:
        notes.append(
            f"{analysis.counts.before_assignment:,} of {analysis.counts.outcome_rows:,} outcome rows lie before their "
            "unit's assignment and were left out."
        )
    if analysis.counts.units_capped:
        notes.append(
            f"{analysis.counts.units_capped:,} units were counted with the cap of {cfg.cap:g} instead of more."
        )
    placebo = analysis.placebo
    if placebo is not None and placebo.always > cfg.alpha + 3 * np.sqrt(cfg.alpha * (1 - cfg.alpha) / placebo.runs):
        notes.append(
            f"With the arms dealt anew at random the test called them different in {placebo.always:.0%} of "
            f"{placebo.runs} runs, more than {cfg.alpha:.0%}: the metric is too skewed for so few units; set a cap before "
            "the next start, or a larger min_units."
        )
    return notes


def _how(analysis: Analysis) -> list[str]:
    cfg, counts = analysis.cfg, analysis.counts
    notes = [
        f"{int(analysis.complete.sum()):,} units whose {cfg.window_days} days are over, {counts.units_pending:,} still "
        f"running; {analysis.look_days.size} looks from {analysis.look_days[0]} to {analysis.look_days[-1]}."
    ]
    if analysis.covariates:
        saved = analysis.comparisons[0].adjusted.effect.variance_reduction[-1]
        notes.append(
            f"What was known before the start ({', '.join(analysis.covariates)}) takes {saved:.0%} off the variance: as good "
            f"as {1 / (1 - saved):.2g} times the units."
            if saved < 1
            else "What was known before the start explains the metric entirely."
        )
    if analysis.placebo is not None:
        p = analysis.placebo
        notes.append(
            f"Arms dealt anew at random, {p.runs} times: called different by the fixed-horizon test {p.fixed:.1%} at the last "
            f"look, {p.peeking:.1%} if one stops at the first of {p.looks} looks that seems to differ; by the always-valid "
            f"test {p.always:.1%} at any look."
        )
    return notes


def _rows(comparison: Comparison, unit: str) -> list[MetricRow]:
    name = segment(comparison)
    ways = (
        (CHAMPION, comparison.adjusted, comparison.adjusted.always, comparison.adjusted.relative_always),
        ("adjusted, fixed horizon", comparison.adjusted, comparison.adjusted.fixed, comparison.adjusted.relative_fixed),
        ("plain, always valid", comparison.plain, comparison.plain.always, comparison.plain.relative_always),
        (BASELINE, comparison.plain, comparison.plain.fixed, comparison.plain.relative_fixed),
    )
    return [
        row
        for model, track, interval, relative in ways
        for row in _way(model, track, interval, relative, unit=unit, name=name)
    ]


def _way(model: str, track: Track, interval: Interval, relative: Interval, *, unit: str, name: str) -> list[MetricRow]:
    effect = track.effect
    figures = {
        "control": (effect.control, unit),
        "effect": (effect.estimate, unit),
        "effect_low": (interval.low, unit),
        "effect_high": (interval.high, unit),
        "relative_effect": (100 * effect.relative, "%"),
        "relative_low": (100 * relative.low, "%"),
        "relative_high": (100 * relative.high, "%"),
        "standard_error": (effect.standard_error, unit),
        "variance_reduction": (effect.variance_reduction, "share"),
        "p": (interval.p, "probability"),
        "units": (effect.units, "units"),
    }
    return [MetricRow(model, metric, float(values[-1]), of, name) for metric, (values, of) in figures.items()]


def _ratio_rows(analysis: Analysis) -> list[MetricRow]:
    ratio = analysis.ratio
    rows = [
        MetricRow(RATIO_CHECK, "p_always", float(ratio.p_always[-1]), "probability"),
        MetricRow(RATIO_CHECK, "p_fixed", ratio.p_fixed, "probability"),
        MetricRow(RATIO_CHECK, "chi_square", ratio.chi_square, "statistic"),
    ]
    if analysis.placebo is not None:
        shares = (
            ("always", analysis.placebo.always),
            ("fixed", analysis.placebo.fixed),
            ("peeking", analysis.placebo.peeking),
        )
        rows.extend(MetricRow("placebo", f"false_alarms_{name}", share, "share") for name, share in shares)
    return rows
