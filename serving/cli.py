"""`storeloop serve` and `storeloop package`: serve a bot, build its bento and container, try it under load."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from serving.packaging import BOTS, Bento, PackagingError, build, containerize
from serving.process import command, environment
from serving.release import ReleaseError
from serving.settings import DEFAULT_PORT, ServeSettings

BotName = Annotated[str, typer.Argument(help=f"Which bot: {', '.join(BOTS)}.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Folder = Callable[[], Path]


def build_serve_app(releases: Folder) -> typer.Typer:
    """`serve BOT`; `releases()` gives the releases folder when the settings of this room name none."""
    app = typer.Typer(help="Serve a bot on loopback.")

    @app.command()
    def serve(
        bot: BotName = "forecaster",
        host: Annotated[str | None, typer.Option(help="Address to bind; default 127.0.0.1, this machine only.")] = None,
        port: Annotated[int | None, typer.Option(help=f"TCP port; default {DEFAULT_PORT}.")] = None,
    ) -> None:
        """Serve a bot until Ctrl+C; promotions are picked up while it runs. Replaces this process."""
        try:
            settings = _settings(releases, host=host, port=port)
            line = command(bot, settings)
        except (PackagingError, ValidationError) as error:
            raise _told(error) from error
        typer.echo(f"{bot}: http://{settings.host}:{settings.port}/ (Ctrl+C stops it)", err=True)
        os.execve(line[0], line, dict(environment(settings)))  # noqa: S606 (no shell; signals go straight to the server)

    return app


def build_package_app(releases: Folder) -> typer.Typer:
    """`package build|containerize|load`; bentos are kept beside the releases folder."""
    app = typer.Typer(no_args_is_help=True, help="Build and containerise a bot's bento, and try it under load.")

    @app.command("build")
    def build_bento(bot: BotName = "forecaster", as_json: AsJson = False) -> None:
        """Pack the champion and the code that serves it into a bento."""
        folder = _settings(releases).releases
        try:
            bento = build(bot, folder, folder.parent / "bentos")
        except (PackagingError, ReleaseError) as error:
            raise _told(error) from error
        _show({"tag": bento.tag, "folder": str(bento.folder)}, as_json=as_json)

    @app.command("containerize")
    def build_image(
        tag: Annotated[str, typer.Argument(help="Bento tag, as `build` prints it.")],
        image: Annotated[str, typer.Option(help="Name of the image.")] = "localhost/storeloop-forecaster:latest",
        backend: Annotated[str, typer.Option(help="docker, podman or buildah.")] = "docker",
        ca_bundle: Annotated[Path | None, typer.Option(help="Extra certificates for installing packages.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Put a bento into a container image that does not run as root."""
        store = _settings(releases).releases.parent / "bentos"
        try:
            containerize(Bento(tag, store), image, backend=backend, ca_bundle=ca_bundle)
        except PackagingError as error:
            raise _told(error) from error
        _show({"image": image, "bento": tag}, as_json=as_json)

    app.command()(load)
    return app


def load(
    url: Annotated[str, typer.Argument(help="Where the service answers.")] = f"http://127.0.0.1:{DEFAULT_PORT}",
    requests: Annotated[int, typer.Option(min=1, max=1_000_000, help="Requests to send.")] = 1_000,
    connections: Annotated[int, typer.Option(min=1, max=256, help="Connections at once.")] = 4,
    horizon: Annotated[int, typer.Option(min=1, max=42, help="Periods a forecast.")] = 42,
    as_json: AsJson = False,
) -> None:
    """Ask for forecasts as fast as the service gives them; prints rate, latencies, and who answered."""
    from serving.load import LoadError, run_load

    try:
        result = run_load(url, requests=requests, connections=connections, horizon=horizon)
    except LoadError as error:
        raise _told(error) from error
    _show(result, as_json=as_json)


def _settings(releases: Folder, **given: object) -> ServeSettings:
    settings = ServeSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    named = "releases" in settings.model_fields_set
    return settings.model_copy(update={"releases": (settings.releases if named else releases()).resolve()})


def _told(error: Exception) -> typer.Exit:
    typer.echo(f"error: {error}", err=True)
    return typer.Exit(1)


def _show(result: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result))
        return
    for name, value in result.items():
        typer.echo(f"{name}: {value}")
