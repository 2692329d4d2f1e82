"""The evidence page of a promotion: data, metrics, pictures, reasons and limits on one page without links outside."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.common.report import Report
    from orchestration.promotion import Verdict
    from orchestration.tenants import Explanation

TEMPLATES = Path(__file__).resolve().parent / "templates"


@dataclass(frozen=True)
class Evidence:
    """What the page shows beside report and verdict."""

    model: str
    version: int
    artifact_id: str
    trained_until: str
    code_revision: str
    data_fingerprint: str
    tables: Sequence[Mapping[str, Any]]  # table, rows, content_hash
    config: Mapping[str, Any]
    explanation: "Explanation"
    limits: Sequence[str]
    reigning: bool = False  # it serves already and its record was lost: measured again, without a rival


def render(evidence: Evidence, report: "Report", verdict: "Verdict") -> str:
    """The page as HTML; every text is escaped, pictures are embedded."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    figures = {(row.model, row.metric): row.value for row in report.rows if row.segment == "all"}
    parts = {
        segment: {(row.model, row.metric): row.value for row in report.rows if row.segment == segment}
        for segment in report.segments()
        if segment != "all"
    }
    order = {name: position for position, name in enumerate([report.champion, *report.models()][::-1])}
    pictures = {name: base64.b64encode(png).decode() for name, png in report.plots.items()}
    most = max((abs(value) for _, value in evidence.explanation.weights), default=1.0) or 1.0
    return environment.get_template("evidence.html").render(
        evidence=evidence,
        report=report,
        verdict=verdict,
        models=sorted({name for name, _ in figures}, key=order.__getitem__),
        figures=figures,
        parts=parts,
        pictures=pictures,
        most=most,
    )
