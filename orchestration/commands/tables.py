"""Tables a person reads at the end of a run."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from models.common.report import Report

# The rest is in the report: `storeloop evaluate ... --json`, MLflow, the evidence page.
SHOWN = (
    *("rmse", "wape", "rmsse", "rmspe", "rmse_expected", "coverage80"),
    *("hr@10", "ndcg@10", "recall@20", "coverage@10"),
    *("ari", "silhouette", "bootstrap ari", "conversions", "lift over random"),
    *("log error", "log chance", "mean elasticity", "median standard error", "price coefficient", "its standard error"),
    *("share of the optimum", "least share of the optimum"),
    *("gross margin", "waste", "mean price"),
    *("AUROC", "miss rate", "human share", "false rejection", "right decisions"),
    *("mAP50", "mAP50-95", "right name of matched boxes", "items found and rightly named"),
    *("from the log", "low", "high", "gain, low", "effective", "promised"),
    *("seconds of training a problem", "seconds"),
)
HELD_OUT = "held out, all segments together"


def report_table(report: "Report", *, title: str = HELD_OUT, console: Console | None = None) -> None:
    """Models down, the judged model first; the metrics that people compare across."""
    shown = console or Console()
    table = Table(title=title)
    table.add_column("model")
    metrics = [metric for metric in SHOWN if metric in report.metrics()]
    for metric in metrics:
        table.add_column(metric, justify="right")
    for model in sorted(report.models(), key=lambda name: name != report.champion):
        figures = {row.metric: row.value for row in report.rows if row.model == model and row.segment == "all"}
        if figures:
            style = "bold" if model == report.champion else None
            table.add_row(model, *(_figure(figures.get(metric)) for metric in metrics), style=style)
    shown.print(table)
    for note in report.notes:
        shown.print(f"- {escape(note)}")


def verdict_table(verdict: Mapping[str, Any], *, console: Console | None = None) -> None:
    """Every criterion of the promotion gate with its bound."""
    start, end = verdict["window_start"], verdict["window_end"]
    table = Table(title=f"{verdict['model']}: promotion gate" + (f", {start} to {end}" if start else ""))
    for column in ("criterion", "value", "bound", "verdict"):
        table.add_column(column)
    for row in verdict["criteria"]:
        mark = "[green]holds[/]" if row["passed"] else "[bold red]fails[/]"
        table.add_row(row["name"], _figure(row["value"]), row["bound"], mark)
    (console or Console()).print(table)


def demo_tables(reports: "Mapping[str, Report]", summary: Mapping[str, Any], cost: Mapping[str, float]) -> None:
    """The end of `storeloop demo`: of each model metrics and verdict, then where to look and what it cost."""
    console = Console()
    for model, said in summary["models"].items():
        if model not in reports:
            console.print(f"{model}: {said['remedy']}")
            continue
        report_table(reports[model], title=f"{model}: {HELD_OUT}", console=console)
        verdict_table(said["verdict"], console=console)
        champion = said["champion"]
        console.print(
            f"{model}: version {champion['version']} is the champion"
            if champion
            else f"{model}: no champion, the gate refused every version"
        )
    console.print("where to look")
    for what, place in summary["where"].items():
        console.print(f"  {what}: {place}", soft_wrap=True)
    console.print(f"{cost['seconds']:.0f} s, peak memory {cost['peak_gb']:.1f} GB")


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if math.isfinite(value) else "n/a"
