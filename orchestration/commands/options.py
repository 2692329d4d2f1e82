"""Options that commands share: which source, and which twin where the source is one."""

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration.settings import SOURCE_FORMS, Settings

SourceOption = Annotated[str | None, typer.Option("--source", help=SOURCE_FORMS)]
TwinSizeOption = Annotated[str | None, typer.Option("--twin-size", help="tiny, demo or large.")]
TwinSeedOption = Annotated[int | None, typer.Option("--twin-seed", min=0, help="Seed of the twin's world.")]
TwinParamsOption = Annotated[
    Path | None, typer.Option("--twin-params", exists=True, dir_okay=False, help="YAML or JSON over the twin's preset.")
]


def settings_with(
    source: str | None = None,
    twin_size: str | None = None,
    twin_seed: int | None = None,
    twin_params: Path | None = None,
    **more: Any,
) -> Settings:
    """Settings of the environment, with what was given on the command line over them."""
    given = {"source": source, "twin_size": twin_size, "twin_seed": twin_seed, "twin_params": twin_params, **more}
    return Settings(**{name: value for name, value in given.items() if value is not None})
