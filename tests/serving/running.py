"""Starts a service in processes of its own and stops exactly these. Loaded by conftest and by the benchmark."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def running(
    service: str, *, folder: Path = ROOT, environment: Mapping[str, str], log: Path, patience_s: float = 60.0
) -> Iterator[int]:
    """Serve `service` from `folder` on a free loopback port; yields the port once it is ready."""
    port = free_port()
    process = start(service, port, folder=folder, environment=environment, log=log)
    try:
        wait_ready(port, process, log, patience_s)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def start(
    service: str, port: int, *, folder: Path = ROOT, environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """The service in a process group of its own, not waited for."""
    command = [sys.executable, "-m", "bentoml", "serve", service, "--host", "127.0.0.1", "--port", str(port)]
    with log.open("ab") as stream:
        return subprocess.Popen(
            [*command, "--working-dir", str(folder)],
            cwd=folder,
            env={**os.environ, "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(ROOT), **environment},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


def wait_ready(port: int, process: subprocess.Popen | None, log: Path | None, patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if process is not None and process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as reply:
                if reply.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    said = log.read_text()[-3000:] if log is not None else ""
    raise RuntimeError(f"nothing ready on port {port} after {patience_s} s:\n{said}")
