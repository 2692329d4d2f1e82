"""`storeloop backfill`: chosen days made anew, all in one run."""

import json
from datetime import datetime
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
from orchestration.commands.run import TARGETS

app = typer.Typer(add_completion=False)

DAY = ["%Y-%m-%d"]


@app.command()
def backfill(
    target: Annotated[str, typer.Argument(help=TARGETS)],
    first: Annotated[datetime, typer.Option("--from", formats=DAY, help="First day to make anew.")],
    last: Annotated[
        datetime | None, typer.Option("--to", formats=DAY, help="Last day to make anew; default: the first.")
    ] = None,
    source: SourceOption = None,
    twin_size: TwinSizeOption = None,
    twin_seed: TwinSeedOption = None,
    twin_params: TwinParamsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Make days anew whatever they were made from, in one run; exit 1 when a gate refused or a step failed."""
    from orchestration.aside import second_interpreter
    from orchestration.runner import run

    settings = settings_with(source, twin_size, twin_seed, twin_params)
    days = (first.date(), (last or first).date())
    title = f"{target} of {days[0]} to {days[1]} on {settings.source}"
    with second_interpreter(), StepPrinter(title, quiet=as_json) as printer:
        outcome = run(settings, target, days=days, on_step=printer, on_message=printer.message)
    if as_json:
        typer.echo(json.dumps(outcome.to_json(), indent=2, default=str))
    raise typer.Exit(0 if outcome.success else 1)
