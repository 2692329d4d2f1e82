"""A PostgreSQL for one test or one measurement."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import psycopg

SEGMENT_MB = 1  # of the log: little is written ahead of time
_LOCALE = ("--locale-provider=icu", "--icu-locale=en-US", "--locale=C")  # texts are ordered as people do, not by bytes


class Postgres:
    """A cluster on a free loopback port; `kill` is SIGKILL to all of its processes, after which `start` recovers it."""

    def __init__(self, folder: Path, user: str | None) -> None:
        self._folder, self._user, self._named = folder, user, count(1)
        binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: int(each.parent.name))[-1]
        self._binary = binaries / "postgres"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        asked = ("--username=shop", "--auth=trust", "--encoding=UTF8", f"--wal-segsize={SEGMENT_MB}", *_LOCALE)
        command = [binaries / "initdb", "-D", folder / "data", *asked]
        subprocess.run(command, user=user, cwd=folder, check=True, capture_output=True)
        self.start()

    def start(self, *, largest_file: int | None = None) -> None:
        """Start it, and wait until it answers. largest_file: bytes beyond which no file of it grows, as if the disk were full."""
        settings = {"port": self._port, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        bound = [] if largest_file is None else ["prlimit", f"--fsize={largest_file}"]
        command = [
            *bound,
            self._binary,
            "-D",
            self._folder / "data",
            *(f"--{name}={told}" for name, told in settings.items()),
        ]
        with (self._folder / "log").open("ab") as log:
            for _ in range(20):  # whoever was killed lets go of the shared memory a moment later
                self._process = subprocess.Popen(
                    command, user=self._user, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
                )
                if self._answers():
                    return
                time.sleep(0.2)
        raise RuntimeError(f"PostgreSQL did not start: {(self._folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """SIGKILL, as the machine's own end would be."""
        children = self._children()
        os.kill(self._process.pid, signal.SIGKILL)
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._process.wait()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT writes all down in order, SIGQUIT leaves that to the next start."""
        self._process.send_signal(how)
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()

    def database(self) -> str:
        """The address of a new database."""
        name = f"ledger{next(self._named)}"
        with psycopg.connect(self._at("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self._at(name)

    def _at(self, name: str) -> str:
        return f"postgresql://shop@127.0.0.1:{self._port}/{name}"

    def _answers(self) -> bool:
        for _ in range(200):
            if self._process.poll() is not None:
                return False
            with suppress(psycopg.OperationalError), psycopg.connect(self._at("postgres"), connect_timeout=2):
                return True
            time.sleep(0.05)
        return False

    def _children(self) -> list[int]:
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        return [int(child) for each in tasks for child in each.read_text().split()]


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """A cluster of its own, by an unprivileged user as it refuses root; IndexError where none is installed."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as named:
        folder, user = Path(named), None
        if os.geteuid() == 0:
            known = {each.pw_name for each in pwd.getpwall()}
            user = "postgres" if "postgres" in known else "nobody"
            shutil.chown(folder, user)
        server = Postgres(folder, user)
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)
