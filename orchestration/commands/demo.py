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

    reports = {model: read_report(workspace, model) for model, said in summary["models"].items() if "verdict" in said}
    demo_tables(reports, summary, cost)


def summarise(workspace: Workspace) -> dict[str, Any]:
    """Of each model its metrics beside baseline, peers and oracle, the verdict and the champion; and where things lie."""
    from orchestration.tenants import TENANTS

    where = {"validation site": workspace.site / "index.html"}
    models = {}
    for model in TENANTS:
        models[model] = _summary(workspace, model)
        if "verdict" in models[model]:
            where[f"evidence page of the {model}"] = workspace.root / "evidence" / model / "index.html"
        if models[model].get("champion"):
            where[f"release of the {model}"] = workspace.releases / model
    if workspace.lake.version("gold", "shop_sales") is not None:
        where["books of the shop"] = "storeloop shop reconcile"
    return {"models": models, "where": {**where, "everything": "make ui"}}


def _summary(workspace: Workspace, model: str) -> dict[str, Any]:
    from orchestration.absence import not_provided
    from orchestration.challengers import read_report
    from orchestration.judging import read_verdict
    from orchestration.tenants import tenant

    if remedy := tenant(model).absence(workspace):
        return not_provided(remedy)
    champion = workspace.registry.champion(model)
    return {
        "metrics": json.loads(read_report(workspace, model).to_json())["rows"],
        "verdict": read_verdict(workspace, model).to_json(),
        "champion": None if champion is None else champion.to_json(),
    }


def _peak_gb() -> float:
    """Peak resident memory of this process or of its largest child, GB."""
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(peaks) * 1024 / 1e9
