"""The report on labels: how many are suspicious, beside a plain rule; where they are; and the table that the gate reads."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from models.common.figures import CHAMPION as COLOUR
from models.common.figures import OTHER, figure, png
from models.common.report import MetricRow, Report
from models.label_quality.analyse import Analysis, Judged

CHAMPION = "cleanlab"
BASELINE = "every disagreement"
_PARTS = {"whole": "whole pictures", "boxed": "boxes"}
_WORST = 5


def report(analysis: Analysis) -> Report:
    """Suspicious labels by kind, beside the plain rule that a label is suspicious wherever the model prefers another class."""
    rows: list[MetricRow] = []
    everything = [getattr(analysis, part) for part in _PARTS]
    for segment, judged in (("all", everything), *((name, [getattr(analysis, part)]) for part, name in _PARTS.items())):
        total = sum(len(one.label_ids) for one in judged)
        if not total:
            continue
        for model, field in ((CHAMPION, "suspicious"), (BASELINE, "disagrees")):
            flagged = int(sum(getattr(one, field).sum() for one in judged))
            rows += [
                MetricRow(model, "labels", total, "count", segment),
                MetricRow(model, "suspicious labels", flagged, "count", segment),
                MetricRow(model, "suspicious share", flagged / total, "fraction", segment),
            ]
    rows.append(MetricRow(CHAMPION, "overlooked items", len(analysis.overlooked), "count"))
    return Report(CHAMPION, tuple(rows), {"quality": _plot(everything)}, tuple(_notes(analysis, everything)))


def issues(analysis: Analysis) -> Any:
    """Every judged label as a pyarrow table in the columns of the contract `label_issues`, by label_id."""
    import pyarrow as pa

    parts = (analysis.whole, analysis.boxed)
    columns = {
        "label_id": pa.array([one for judged in parts for one in judged.label_ids], pa.string()),
        "quality": pa.array(np.concatenate([judged.quality for judged in parts]), pa.float64()),
        "is_suspicious": pa.array(np.concatenate([judged.suspicious for judged in parts]), pa.bool_()),
        "suggested_label": pa.array([one for judged in parts for one in judged.suggested], pa.string()),
        "reason": pa.array([one for judged in parts for one in judged.reason], pa.string()),
    }
    return pa.table(columns).sort_by("label_id")


def _notes(analysis: Analysis, parts: list[Judged]) -> Iterator[str]:
    labels = sum(len(one.label_ids) for one in parts)
    flagged = int(sum(one.suspicious.sum() for one in parts))
    share = flagged / labels if labels else 0.0
    yield f"{flagged:,} of {labels:,} labels are suspicious ({share:.2%}); look at the lowest quality first."
    pairs = Counter(
        (given, suggested)
        for one in parts
        for given, suggested, flag in zip(one.given, one.suggested, one.suspicious, strict=True)
        if flag and suggested is not None
    )
    for (given, suggested), count in pairs.most_common(_WORST):
        yield f"{count:,} labelled {given} look like {suggested}."
    if analysis.overlooked:
        yield f"{len(analysis.overlooked):,} items that the model is sure of have no label."
    if analysis.unasked:
        yield f"{analysis.unasked:,} labels of whole pictures were not judged: the predictions are boxes alone."
    yield "A model that is wrong accuses right labels: predictions must come from one that did not learn from the picture."


def _plot(parts: list[Judged]) -> bytes:
    drawn = figure(7, 3.5)
    axes = drawn.add_subplot()
    quality = np.concatenate([one.quality for one in parts])
    flagged = np.concatenate([one.suspicious for one in parts])
    edges = np.linspace(0, 1, 41)
    axes.hist(
        [quality[~flagged], quality[flagged]],
        edges,
        color=[COLOUR, OTHER],
        label=["plausible", "suspicious"],
    )
    axes.set_yscale("symlog")
    axes.set_xlabel("quality of a label (1 best)")
    axes.set_ylabel("labels")
    axes.legend()
    return png(drawn)
