"""`storeloop run`: a job or a selection of assets, with progress."""

import json
from pathlib import Path
from typing import Annotated

import typer

from orchestration.commands.options import (
    SourceOption,
    TwinParamsOption,
    TwinSeedOption,
    TwinSizeOption,
    settings_with,
)
from orchestration.commands.progress import StepPrinter

app = typer.Typer(add_completion=False)

TARGETS = (
    "A job (full, daily, retrain) or assets: `group:features`, `clean/sales`, `+clean/sales` (with what it needs), "
    "several with commas between them."
)


@app.command()
def run(
    target: Annotated[str, typer.Argument(help=TARGETS)] = "full",
    source: SourceOption = None,
    twin_size: TwinSizeOption = None,
    twin_seed: TwinSeedOption = None,
    twin_params: TwinParamsOption = None,
    metrics: Annotated[Path | None, typer.Option(help="Write the numbers of each asset here, for DVC.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Write the report's pictures into this folder, for DVC.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Run a job or assets on the workspace of the source; exit 1 when a gate refused or a step failed."""
    from orchestration.aside import second_interpreter
    from orchestration.runner import run as run_target
    from orchestration.workspace import Workspace

    settings = settings_with(source, twin_size, twin_seed, twin_params)
    with second_interpreter(), StepPrinter(f"{target} on {settings.source}", quiet=as_json) as printer:
        outcome = run_target(settings, target, on_step=printer, on_message=printer.message)
    if outcome.success:
        from orchestration.dvc_outputs import write_metrics, write_plots

        if metrics is not None:
            write_metrics(outcome, metrics)
        if plots is not None:
            write_plots(Workspace(settings), outcome, plots)
    if as_json:
        typer.echo(json.dumps(outcome.to_json(), indent=2, default=str))
    raise typer.Exit(0 if outcome.success else 1)
