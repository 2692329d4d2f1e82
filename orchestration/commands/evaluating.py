"""What every `storeloop evaluate` has in common: a workspace of its own, progress, and the report shown or written."""

import json
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.commands.progress import StepPrinter
from orchestration.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.common.report import Report

JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the report here; `-` prints it.")]
SeedOption = Annotated[int | None, typer.Option(min=0, help="Seed of training.")]


def told(title: str, json_file: Path | None, make: "Callable[[Callable[[str], None]], Report]") -> "Report":
    """What `make` reports, its progress shown; what is wrong with the input in one line."""
    with StepPrinter(title, quiet=to_stdout(json_file)) as printer:
        try:
            return make(printer.message)
        except ValueError as error:
            typer.secho(str(error), fg="red", err=True)
            raise typer.Exit(1) from error


def home_of(question: list[Any]) -> Path:
    """A workspace of its own a question, so that an evaluation never touches what serves."""
    return Settings().home / "evaluations" / sha256(json.dumps(question).encode()).hexdigest()[:12]


def evaluate_model(
    model: str, settings: Settings, json_file: Path | None, *, plots: Path | None = None, source: str | None = None
) -> None:
    """Run all that the model's challenger stands on, then show or write its report, and its pictures where that is asked."""
    from orchestration.challengers import read_report
    from orchestration.dvc_outputs import write_plots
    from orchestration.runner import run
    from orchestration.workspace import Workspace

    source = source or settings.source
    with StepPrinter(f"evaluate {model} on {source}", quiet=to_stdout(json_file)) as printer:
        outcome = run(settings, f"+{model}/challenger", on_step=printer, on_message=printer.message)
    if not outcome.success:
        for step, message in outcome.failures.items():
            typer.secho(f"{step.replace('__', '/')}: {message}", fg="red", err=True)
        raise typer.Exit(1)
    said = outcome.metadata.get(f"{model}/challenger", {})
    if said.get("provided") is False:
        typer.secho(f"{source} has nothing to evaluate a {model} on: {said['remedy']}", fg="red", err=True)
        raise typer.Exit(1)
    if plots is not None:
        write_plots(Workspace(settings), outcome, plots)
    show(read_report(Workspace(settings), model), json_file)


def to_stdout(json_file: Path | None) -> bool:
    return json_file is not None and str(json_file) == "-"


def show(report: "Report", json_file: Path | None, *, title: str | None = None) -> None:
    """Print the report as JSON where that is asked, else write it and show a table."""
    from orchestration.commands.tables import HELD_OUT, report_table

    if to_stdout(json_file):
        typer.echo(report.to_json())
        return
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(report.to_json(), encoding="utf-8")
    report_table(report, title=title or HELD_OUT)
