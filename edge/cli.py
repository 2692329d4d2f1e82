"""`storeloop edge`: keys, bundles and what a box does with them. Imports neither Dagster nor a training library.

On a box that has the extra `edge` alone, `python -m edge.cli` is the same command.
"""

import json
import os
import re
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from edge.console import AsJson, Home, PublicKey, Token, errors, show
from edge.label_cli import app as labels
from edge.outbox_cli import app as outbox
from models.common.telemetry import switch_off

app = typer.Typer(no_args_is_help=True, help="Build, verify, run, update and roll back edge bundles.")
app.add_typer(labels, name="labels")
app.add_typer(outbox)


@app.command()
def keygen(
    private: Annotated[Path, typer.Option(help="Where the signing key goes; stays where models are promoted.")],
    public: Annotated[Path, typer.Option(help="Where the key for the boxes goes.")],
    as_json: AsJson = False,
) -> None:
    """Make an Ed25519 key pair; the private file is readable by its owner alone."""
    from models.common.keys import generate_keys

    with errors(as_json):
        name = generate_keys(private, public)
        show({"key_id": name, "private": str(private), "public": str(public)}, as_json)


@app.command()
def build(
    release: Annotated[Path, typer.Argument(help="A release folder, or the champion.json that names one.")],
    out: Annotated[Path, typer.Argument(help="Bundle file to write.")],
    *,
    key: Annotated[Path, typer.Option("--key", help="Private signing key (PEM).")],
    revision: Annotated[
        int | None, typer.Option(help="Grows with every bundle; the registry version of champion.json by default.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="fp32, or int8 where the graph has products of matrices or convolutions.")
    ] = "fp32",
    pictures: Annotated[
        Path | None,
        typer.Option(help="Folder of what cameras see, to learn 8 bits on; the release's own `pictures` by default."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Sign a release into one bundle file, with a self-test that every box runs before it takes the bundle over."""
    from edge.export import build_bundle
    from models.common.keys import read_private_key

    with errors(as_json):
        folder, found = _release(release)
        number = found if revision is None else revision
        if number is None:
            raise ValueError(
                f"{release} does not say which revision it is: give --revision N, larger than the last one"
            )
        chosen: Literal["fp32", "int8"] = "int8" if precision == "int8" else "fp32"
        if precision != chosen:
            raise ValueError(f"precision {precision!r}: choose fp32 or int8")
        signing = read_private_key(key)
        manifest, reports = build_bundle(folder, out, signing, revision=number, precision=chosen, pictures=pictures)
        summary = {
            "bundle": str(out),
            "bot": manifest.bot,
            "revision": manifest.revision,
            "artifact_id": manifest.artifact_id,
            "files": len(manifest.files),
            "bytes": out.stat().st_size,
            "onnx": [report.model_dump(mode="json") for report in reports],
        }
        show(summary, as_json)


@app.command()
def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle file or an installed bundle folder.")],
    key: PublicKey,
    as_json: AsJson = False,
) -> None:
    """Check signature, names, sizes and hashes, to the last byte."""
    from edge.bundle import verify as verify_bundle
    from models.common.keys import key_id, read_public_key

    with errors(as_json):
        public = read_public_key(key)
        manifest = verify_bundle(bundle, public)
        trusted = {"verified": True, "key_id": key_id(public), "files": len(manifest.files)}
        show(trusted | manifest.model_dump(include={"bot", "revision", "artifact_id"}), as_json)


@app.command()
def update(
    bundle: Annotated[Path, typer.Argument(help="Bundle file to install.")],
    home: Home,
    key: PublicKey,
    allow_older: Annotated[bool, typer.Option(help="Take a bundle that is older than the running one.")] = False,
    as_json: AsJson = False,
) -> None:
    """Verify, self-test and take over a bundle in one step; on any failure the running one stays (exit code 1)."""
    from edge.runtime import tester
    from edge.update import update as update_box
    from models.common.keys import read_public_key

    with errors(as_json):
        public = read_public_key(key)
        report = update_box(home, bundle, public, self_test=tester(public), allow_older=allow_older)
        show(report.model_dump(), as_json)
        if report.outcome == "kept":
            raise typer.Exit(1)


@app.command()
def rollback(
    home: Home,
    key: PublicKey,
    reason: Annotated[str, typer.Option(help="Why, for the status page.")],
    as_json: AsJson = False,
) -> None:
    """Run the former bundle again."""
    from edge.update import rollback as roll_back
    from models.common.keys import read_public_key

    with errors(as_json):
        show(roll_back(home, read_public_key(key), reason=reason).model_dump(), as_json)


@app.command()
def run(
    home: Home,
    key: PublicKey,
    *,
    series: Annotated[list[str] | None, typer.Option(help="A series to forecast (repeatable); all by default.")] = None,
    horizon: Annotated[int | None, typer.Option(help="Periods ahead; the model's reach by default.")] = None,
    taken: Annotated[
        list[str] | None, typer.Option(help="An item that the customer took, oldest first (repeatable).")
    ] = None,
    count: Annotated[int | None, typer.Option(help="Items to recommend; 10 by default.")] = None,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Answer JSON requests from standard input, one a line.")
    ] = False,
    camera: Annotated[
        list[str] | None,
        typer.Option(help="NAME=ADDRESS of a camera to look at (repeatable): a folder, a video, or rtsp://..."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="Where events of cameras go: http://HOST:PORT of a service, or mqtt://HOST:PORT, with the login in "
            "STORELOOP_EDGE_MQTT_USER and STORELOOP_EDGE_MQTT_PASSWORD."
        ),
    ] = None,
    token: Token = "",
    shelf: Annotated[
        Path | None,
        typer.Option(help="JSON of a shelf that cameras, scales and antennas watch together: their events are fused."),
    ] = None,
    health_port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Loopback port of the health page of cameras.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer with the installed bundle: one request from the options, many from standard input, or cameras until they end."""
    from edge.runtime import open_box
    from models.common.keys import read_public_key

    with errors(as_json):
        if camera:
            from edge.eyes.cameras import run_cameras
            from edge.eyes.mqtt import MqttLogin

            public = read_public_key(key)
            say = partial(typer.echo, err=True)
            login = MqttLogin.of(os.environ)
            told = run_cameras(
                home, public, camera, to=to, token=token, login=login, health_port=health_port, shelf=shelf, say=say
            )
            show(told, as_json)
            return
        runtime = open_box(home, read_public_key(key))
        try:
            if stdin:
                for line in sys.stdin:
                    typer.echo(json.dumps(_answered(runtime.answer, line)))
                return
            asked = {"series_ids": series, "horizon": horizon, "history": taken, "k": count}
            show(runtime.answer({name: value for name, value in asked.items() if value is not None}), as_json)
        finally:
            runtime.close()


@app.command()
def status(home: Home, key: PublicKey, as_json: AsJson = False) -> None:
    """What is installed, whether it is whole, and how old its knowledge is."""
    from edge.eyes.cameras import camera_status
    from edge.refused import refused_status
    from edge.runtime import open_bundle
    from edge.update import BUNDLES, installed
    from models.common.keys import read_public_key

    with errors(as_json):
        state = installed(home)
        if state is None:
            raise ValueError(f"{home} holds no bundle: install one with `storeloop edge update`")
        runtime = open_bundle(home / BUNDLES / state.current, read_public_key(key))
        runtime.close()
        report = state.model_dump() | runtime.status() | camera_status(home) | refused_status(home)
        if "knows_until" in report:
            today = datetime.now(UTC).date()
            report["days_behind"] = (today - datetime.fromisoformat(report["knows_until"]).date()).days
        show(report, as_json)


def _release(path: Path) -> tuple[Path, int | None]:
    """The release folder, and the revision where a champion.json names it."""
    if path.is_dir():
        return path, None
    try:
        pointer = json.loads(path.read_bytes())
        folder, version = path.parent / pointer["release"], str(pointer["registry_version"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} is neither a release folder nor a champion.json ({error}): promote a model first"
        ) from error
    digits = re.fullmatch(r"v?(\d+)", version)
    return folder, int(digits[1]) if digits else None


def _answered(answer: Any, line: str) -> dict[str, Any]:
    """The reply to one line; what is wrong with it where it is wrong, so that the next line is answered too."""
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise ValueError(f"a request is a JSON object, found {type(request).__name__}")
        reply: dict[str, Any] = answer(request)
    except ValueError as error:
        return {"error": str(error)}
    return reply


def main() -> None:
    """Entry point on a box: telemetry off, then the command."""
    switch_off(os.environ)
    app()


if __name__ == "__main__":
    main()
