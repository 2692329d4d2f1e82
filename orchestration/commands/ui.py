"""`storeloop ui`: Dagster, MLflow and the validation site behind loopback addresses."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import typer

from orchestration.settings import Settings
from orchestration.workspace import Workspace

app = typer.Typer(add_completion=False)

HOST = "127.0.0.1"
PortOption = Annotated[int, typer.Option(min=1024, max=65535)]


@dataclass(frozen=True)
class Server:
    """One server: what people call it, its address, how to start it."""

    title: str
    port: int
    command: tuple[str, ...]

    @property
    def address(self) -> str:
        """Where a person opens it."""
        return f"http://{HOST}:{self.port}"


@app.command()
def ui(
    dagster_port: PortOption = 3000,
    mlflow_port: PortOption = 5000,
    steward_port: PortOption = 8800,
    wait_s: Annotated[float, typer.Option(min=1, max=600, help="Seconds to wait for all three to answer.")] = 180,
) -> None:
    """Start the three sites and the Dagster daemon; Ctrl-C stops them all."""
    from orchestration.runner import open_instance

    workspace = Workspace(Settings())
    open_instance(workspace).dispose()
    servers = plan(workspace, dagster_port, mlflow_port, steward_port)
    for server in servers:
        _refuse_taken(server)
    environment = {**os.environ, "DAGSTER_HOME": str(workspace.dagster_home)}
    daemon = ("-m", "dagster._daemon", "run", "-m", "orchestration.definitions")
    commands = [*(server.command for server in servers), daemon]
    children = [_start(command, environment) for command in commands]
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        for server in servers:
            _await(server, children, wait_s)
            typer.echo(f"{server.title:<16} {server.address}")
        typer.echo("Ctrl-C stops them all.")
        while all(child.poll() is None for child in children):
            time.sleep(0.5)  # nothing to do but to notice a server that died
        raise typer.Exit(1)
    except KeyboardInterrupt:
        typer.echo("stopping")
    finally:
        _stop(children)


def plan(workspace: Workspace, dagster_port: int, mlflow_port: int, steward_port: int) -> list[Server]:
    """The servers of one workspace and how each is started."""
    registry = workspace.registry
    return [
        Server(
            "Dagster",
            dagster_port,
            ("-m", "dagster_webserver", "-h", HOST, "-p", str(dagster_port), "-m", "orchestration.definitions"),
        ),
        Server(
            "MLflow",
            mlflow_port,
            (
                *("-m", "mlflow", "server", "--host", HOST, "--port", str(mlflow_port), "--workers", "1"),
                *("--backend-store-uri", registry.tracking_uri),
                *("--default-artifact-root", registry.artifacts.as_uri()),
            ),
        ),
        Server(
            "Validation site",
            steward_port,
            ("-m", "orchestration.cli", "quarantine", "serve", "--port", str(steward_port)),
        ),
    ]


def _refuse_taken(server: Server) -> None:
    with socket.socket() as probe:
        if probe.connect_ex((HOST, server.port)) == 0:
            raise ValueError(f"port {server.port} for {server.title} is taken; choose another with the --*-port option")


def _start(arguments: tuple[str, ...], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    # A session of its own, so that stopping reaches the helpers a server started too.
    return subprocess.Popen([sys.executable, *arguments], env=environment, start_new_session=True)


def _await(server: Server, children: "list[subprocess.Popen[bytes]]", wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        if any(child.poll() is not None for child in children):
            raise ValueError(f"a server ended before {server.title} answered; its message stands above")
        with socket.socket() as probe:
            if probe.connect_ex((HOST, server.port)) == 0:
                return
        time.sleep(0.2)  # a server that is starting says nothing: ask again
    raise ValueError(f"{server.title} did not answer on port {server.port} within {wait_s:g} s; try a longer --wait-s")


def _stop(children: "list[subprocess.Popen[bytes]]") -> None:
    for child in children:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    for child in children:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
