"""The report of an evaluation: metric rows beside their baselines, pictures, notes; to and from JSON, and Markdown."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


class ReportError(ValueError):
    """A report that lacks what was asked of it; the message names what it holds."""


@dataclass(frozen=True)
class MetricRow:
    """One figure: which model, which metric, its value and unit, and the segment of the data it was taken on."""

    model: str
    metric: str
    value: float
    unit: str
    segment: str = "all"


@dataclass(frozen=True)
class Report:
    """Metric rows, plots {name: PNG bytes} and notes of one evaluation. `champion` names the model under judgement."""

    champion: str
    rows: tuple[MetricRow, ...]
    plots: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def value(self, model: str, metric: str, segment: str = "all") -> float:
        """Return one figure; ReportError names the figures there are."""
        for row in self.rows:
            if (row.model, row.metric, row.segment) == (model, metric, segment):
                return row.value
        raise ReportError(
            f"no row {(model, metric, segment)}: there are models {self.models()} "
            f"and, in {segment!r}, metrics {self.metrics(segment)}"
        )

    def models(self, segment: str | None = None) -> list[str]:
        """Names of the models in the order in which they were scored; those of one segment, if it is given."""
        return list(dict.fromkeys(row.model for row in self.rows if segment in {None, row.segment}))

    def metrics(self, segment: str = "all") -> list[str]:
        """Names of the metrics of a segment."""
        return list(dict.fromkeys(row.metric for row in self.rows if row.segment == segment))

    def segments(self) -> list[str]:
        """Names of the segments, "all" first if it is there."""
        return list(dict.fromkeys(row.segment for row in self.rows))

    def metric_dicts(self, *, timings: bool = False) -> tuple[dict[str, Any], ...]:
        """Rows as dictionaries for a manifest; seconds are left out by default, for they differ from run to run."""
        kept = [row for row in self.rows if math.isfinite(row.value) and (timings or row.unit != "s")]
        return tuple(asdict(row) for row in kept)

    def to_json(self) -> str:
        """Serialise, pictures as base64 and undefined values as null."""
        rows = [{**asdict(row), "value": row.value if math.isfinite(row.value) else None} for row in self.rows]
        plots = {name: base64.b64encode(png).decode() for name, png in sorted(self.plots.items())}
        body = {"champion": self.champion, "rows": rows, "plots": plots, "notes": list(self.notes)}
        return json.dumps(body, indent=1, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Read what `to_json` wrote."""
        body = json.loads(text)
        rows = [
            MetricRow(**{**row, "value": float("nan") if row["value"] is None else row["value"]})
            for row in body["rows"]
        ]
        plots = {name: base64.b64decode(data) for name, data in body["plots"].items()}
        return cls(body["champion"], tuple(rows), plots, tuple(body["notes"]))

    def to_markdown(self, segments: Sequence[str] = ("all",)) -> str:
        """One table a segment (models down, metrics across), then the notes."""
        parts: list[str] = []
        for segment in segments:
            rows = [row for row in self.rows if row.segment == segment]
            metrics = list(dict.fromkeys(row.metric for row in rows))
            units = {row.metric: row.unit for row in rows}
            values = {(row.model, row.metric): row.value for row in rows}
            header = ["model", *(f"{metric} ({units[metric]})" if units[metric] else metric for metric in metrics)]
            lines = [f"### {segment}", "", _line(header), _line(["---"] * len(header))]
            for model in dict.fromkeys(row.model for row in rows):
                name = f"**{model}**" if model == self.champion else model
                lines.append(_line([name, *(_figure(values.get((model, metric))) for metric in metrics)]))
            parts.append("\n".join(lines))
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _figure(value: float | None) -> str:
    return "" if value is None else "n/a" if not math.isfinite(value) else f"{value:.4g}"
