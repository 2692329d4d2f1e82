"""`storeloop twin`: let the digital twin live on, so that a new day can be seen to pass through the loop."""

from typing import Annotated

import typer

from orchestration.commands.options import TwinParamsOption, TwinSeedOption, TwinSizeOption, settings_with

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def twin() -> None:
    """The digital twin of a retailer, the default source."""


@app.command()
def advance(
    days: Annotated[int, typer.Option(min=1, max=3650, help="How many days the twin lives on.")] = 1,
    twin_size: TwinSizeOption = None,
    twin_seed: TwinSeedOption = None,
    twin_params: TwinParamsOption = None,
) -> None:
    """Let the twin live on; the next run, or the `new_day` sensor, carries the new days through the loop."""
    from orchestration.workspace import Workspace
    from sources.twin.source import TwinSource

    workspace = Workspace(settings_with(None, twin_size, twin_seed, twin_params))
    if not isinstance(workspace.source, TwinSource):
        raise ValueError(f"source {workspace.settings.source!r} is no twin: its days come from outside")
    if workspace.settings.twin_days is not None:
        raise ValueError("STORELOOP_TWIN_DAYS holds the twin at a day: unset it to let the twin live on")
    params = workspace.source.params
    workspace.twin_clock.move(params.with_days(params.days + days).days)
    last = Workspace(workspace.settings).source.params.last_day  # type: ignore[attr-defined]
    typer.echo(f"the twin has lived until {last}; now `storeloop run daily`")
