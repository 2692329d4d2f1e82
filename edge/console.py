"""What the commands of a box share: options, and results and errors as a person or a program reads them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
PublicKey = Annotated[Path, typer.Option("--key", help="Public key that the box trusts (PEM).")]
Token = Annotated[
    str,
    typer.Option(
        envvar="STORELOOP_EDGE_TOKEN",
        show_envvar=True,
        show_default=False,
        help="Token that the service knows this box by; best left to the environment, where no list of processes shows it.",
    ),
]
Home = Annotated[Path, typer.Option("--home", help="Folder of the box: its bundles and which one runs.")]


def show(result: Mapping[str, Any], as_json: bool) -> None:
    """A line for each part of the result, parts of parts set in below it; or all in one line of JSON."""
    if as_json:
        typer.echo(json.dumps(result, default=str))
        return
    for line in _lines(result):
        typer.echo(line)


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    width = max(map(len, told), default=0)
    for name, value in told.items():
        if isinstance(value, dict) and value:
            yield name
            yield from (f"  {line}" for line in _lines(value))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield name
            for each in value:
                first, *rest = _lines(each)
                yield f"  - {first}"
                yield from (f"    {line}" for line in rest)
        else:
            shown = json.dumps(value, default=str) if isinstance(value, list) else value
            yield f"{name:<{width}}  {'none' if value in (None, [], {}) else shown}".rstrip()


@contextmanager
def errors(as_json: bool) -> Iterator[None]:
    """An error of ours is one line and exit code 1, not a traceback."""
    try:
        yield
    except (ValueError, RuntimeError, KeyError, OSError) as error:
        if isinstance(error, typer.Exit | typer.Abort):
            raise
        if as_json:
            typer.echo(json.dumps({"error": str(error)}))
        else:
            typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
