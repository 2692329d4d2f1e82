"""`storeloop demo`: tables to a gated, registered, packaged champion, and a table that says where to look."""

import json
import resource
import time
from typing import Annotated, Any

import typer

from orchestration.commands.options import (
    SourceOption,
    TwinParamsOption,
    TwinSeedOption,
    TwinSizeOption,
    settings_with,
)
from orchestration.commands.progress import StepPrinter
from orchestration.workspace import Workspace

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    source: SourceOption = None,
    twin_size: TwinSizeOption = None,
    twin_seed: TwinSeedOption = None,
    twin_params: TwinParamsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Run the whole loop on the source at hand (the twin, unless told otherwise)."""
    from orchestration.aside import second_interpreter
    from orchestration.challengers import read_report
    from orchestration.forecasting import MODEL
    from orchestration.runner import run

    settings = settings_with(source, twin_size, twin_seed, twin_params)
    started = time.monotonic()
    with second_interpreter(), StepPrinter(f"demo on {settings.source}", quiet=as_json) as printer:
        outcome = run(settings, "full", on_step=printer, on_message=printer.message)
    if not outcome.success:
        for step, message in outcome.failures.items():
            typer.secho(f"{step.replace('__', '/')}: {message}", fg="red", err=True)
        raise typer.Exit(1)
    workspace = Workspace(settings)
    cost = {"seconds": round(time.monotonic() - started, 1), "peak_gb": round(_peak_gb(), 2)}
    summary = summarise(workspace)
    if as_json:
        typer.echo(json.dumps({**summary, **cost}, indent=2, default=str))
        return
    from orchestration.commands.tables import demo_tables

    demo_tables(read_report(workspace, MODEL), summary, cost)


def summarise(workspace: Workspace) -> dict[str, Any]:
    """The champion's metrics beside baseline, peer and oracle, the verdict, and where each thing lies."""
    from orchestration.challengers import read_report
    from orchestration.forecasting import MODEL
    from orchestration.judging import read_verdict

    report, verdict = read_report(workspace, MODEL), read_verdict(workspace)
    champion = workspace.registry.champion("forecaster")
    return {
        "metrics": json.loads(report.to_json())["rows"],
        "verdict": verdict.to_json(),
        "champion": None if champion is None else champion.to_json(),
        "where": {
            "validation site": workspace.site / "index.html",
            "evidence page": workspace.root / "evidence" / "forecaster" / "index.html",
            "release": workspace.releases / "forecaster",
            "everything": "make ui",
        },
    }


def _peak_gb() -> float:
    """Peak resident memory of this process or of its largest child, GB."""
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(peaks) * 1024 / 1e9
