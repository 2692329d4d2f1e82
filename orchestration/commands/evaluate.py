"""`storeloop evaluate`: train on what lies before a cutoff, score what lies after it, beside baselines."""

import json
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from orchestration.commands.options import TwinParamsOption, TwinSeedOption, TwinSizeOption, settings_with
from orchestration.commands.progress import StepPrinter
from orchestration.settings import HORIZON_MAX, Settings

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def evaluate() -> None:
    """Evaluate a model on any source, in a workspace of its own."""


@app.command()
def forecaster(
    source: Annotated[str, typer.Option(help="twin | folder:PATH | rossmann:PATH | online_retail:PATH")],
    cutoff: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="First period scored; the model sees only what lies before.")
    ],
    horizon: Annotated[int, typer.Option(min=1, max=HORIZON_MAX, help="Periods (days or weeks) scored.")] = HORIZON_MAX,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report here; `-` prints it.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of training.")] = None,
    peer_minutes: Annotated[
        float | None,
        typer.Option(
            help="Give peers that fit series one by one all of them where that takes fewer minutes than this."
        ),
    ] = None,
    twin_size: TwinSizeOption = None,
    twin_seed: TwinSeedOption = None,
    twin_params: TwinParamsOption = None,
) -> None:
    """Every table passes the gate, as ever: a refused batch ends the evaluation with its reason."""
    from orchestration.forecasting import read_report
    from orchestration.runner import run
    from orchestration.workspace import Workspace

    # A workspace of its own a question, so that an evaluation never touches what serves.
    question = json.dumps([source, cutoff.date().isoformat(), horizon, seed])
    asked = {"cutoff": cutoff.date(), "horizon": horizon, "seed": seed, "peer_minutes": peer_minutes}
    home = Settings().home / "evaluations" / sha256(question.encode()).hexdigest()[:12]
    settings = settings_with(source, twin_size, twin_seed, twin_params, home=home, **asked)
    to_stdout = json_file is not None and str(json_file) == "-"
    with StepPrinter(f"evaluate forecaster on {source}", quiet=to_stdout) as printer:
        outcome = run(settings, "+forecaster/challenger", on_step=printer, on_message=printer.message)
    if not outcome.success:
        for step, message in outcome.failures.items():
            typer.secho(f"{step.replace('__', '/')}: {message}", fg="red", err=True)
        raise typer.Exit(1)
    report = read_report(Workspace(settings))
    if to_stdout:
        typer.echo(report.to_json())
        return
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(report.to_json(), encoding="utf-8")
    from orchestration.commands.tables import report_table

    report_table(report)
