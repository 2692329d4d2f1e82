"""`storeloop models`, `promote` and `rollback`: what is registered, what serves, and who moved it."""

import json
from typing import Annotated

import typer

from orchestration.settings import Settings
from orchestration.workspace import Workspace

models_app = typer.Typer(add_completion=False)
promote_app = typer.Typer(add_completion=False)
rollback_app = typer.Typer(add_completion=False)

ModelArgument = Annotated[str, typer.Argument(help="Name of the model, such as `forecaster`.")]
WhoOption = Annotated[str, typer.Option("--as", help="Who acts; recorded.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; recorded.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@models_app.command()
def models(model: ModelArgument = "forecaster", as_json: JsonOption = False) -> None:
    """Versions of a model, newest first, and every promotion and roll-back."""
    registry = Workspace(Settings()).registry
    versions, movements = registry.versions(model), registry.movements(model)
    if as_json:
        body = {"versions": [v.to_json() for v in versions], "movements": [vars(m) for m in movements]}
        typer.echo(json.dumps(body, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{model}: versions")
    for column in ("version", "aliases", "artifact", "trained until", "run"):
        table.add_column(column)
    for v in versions:
        table.add_row(str(v.version), ", ".join(v.aliases), v.artifact_id[:12], v.trained_until, v.run_id[:8])
    moved = Table(title=f"{model}: promotions and roll-backs")
    for column in ("when", "action", "version", "instead of", "who", "reason"):
        moved.add_column(column)
    for m in movements:
        moved.add_row(m.when, m.action, str(m.version), str(m.previous or "-"), m.who, m.reason)
    console = Console()
    console.print(table)
    console.print(moved)


@promote_app.command()
def promote(
    version: Annotated[int, typer.Option(min=1, help="Version to promote.")],
    reason: ReasonOption,
    who: WhoOption,
    model: ModelArgument = "forecaster",
    override: Annotated[bool, typer.Option(help="Promote although the gate says no; recorded as such.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Judge a version beside the champion on data neither saw, and promote it if it wins."""
    from orchestration.releases import promote_and_publish

    workspace = Workspace(Settings())
    with workspace.exclusive():
        moved = promote_and_publish(workspace, model, version, who=who, reason=reason, override=override)
    _say(moved.to_json(), f"{model} version {version} is the champion", as_json)


@rollback_app.command()
def rollback(
    reason: ReasonOption, who: WhoOption, model: ModelArgument = "forecaster", as_json: JsonOption = False
) -> None:
    """Give the champion's place back to the version before it; running services follow within seconds."""
    from orchestration.releases import rollback_and_publish

    workspace = Workspace(Settings())
    with workspace.exclusive():
        moved = rollback_and_publish(workspace, model, who=who, reason=reason)
    _say(moved.to_json(), f"{model} version {moved.version} is the champion again", as_json)


def _say(body: dict[str, object], sentence: str, as_json: bool) -> None:
    typer.echo(json.dumps(body, indent=2) if as_json else sentence)
