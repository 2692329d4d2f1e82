"""Tables a person reads at the end of a run."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from models.common.report import Report


def report_table(report: "Report", *, console: Console | None = None) -> None:
    """Metrics down, models across, the judged model first."""
    models = sorted(report.models(), key=lambda name: name != report.champion)
    table = Table(title="held-out periods, all series")
    table.add_column("metric")
    for model in models:
        table.add_column(model, justify="right", style="bold" if model == report.champion else None)
    for metric in report.metrics():
        figures = {row.model: row.value for row in report.rows if row.metric == metric and row.segment == "all"}
        table.add_row(metric, *(_figure(figures.get(model)) for model in models))
    shown = console or Console()
    shown.print(table)
    for note in report.notes:
        shown.print(f"- {escape(note)}")


def verdict_table(verdict: Mapping[str, Any], *, console: Console | None = None) -> None:
    """Every criterion of the promotion gate with its bound."""
    table = Table(title=f"promotion gate, {verdict['window_start']} to {verdict['window_end']}")
    for column in ("criterion", "value", "bound", "verdict"):
        table.add_column(column)
    for row in verdict["criteria"]:
        mark = "[green]holds[/]" if row["passed"] else "[bold red]fails[/]"
        table.add_row(row["name"], _figure(row["value"]), row["bound"], mark)
    (console or Console()).print(table)


def demo_tables(report: "Report", summary: Mapping[str, Any], cost: Mapping[str, float]) -> None:
    """The end of `storeloop demo`: metrics, verdict, where to look, what it cost."""
    console = Console()
    report_table(report, console=console)
    verdict_table(summary["verdict"], console=console)
    champion = summary["champion"]
    console.print(
        f"champion: version {champion['version']}" if champion else "no champion: the gate refused every version"
    )
    where = Table(title="where to look", show_header=False)
    for what, place in summary["where"].items():
        where.add_row(what, str(place))
    console.print(where)
    console.print(f"{cost['seconds']:.0f} s, peak memory {cost['peak_gb']:.1f} GB")


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if math.isfinite(value) else "n/a"
