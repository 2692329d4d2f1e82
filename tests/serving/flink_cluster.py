"""A real local Flink, one manager and one worker, from its Python package in an environment of its own. Not a test."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from kafka_broker import free_ports
from maven_jars import STREAMS, fetched, jars

SUBMIT = Path(__file__).parents[2] / "serving" / "deploy" / "streams" / "submit.py"


def flink_home() -> Path:
    """Flink's folder, installed once."""

    def install(folder: Path) -> None:
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True, timeout=600)
        command = [uv, "pip", "install", "-q", "--python", folder / "bin" / "python", "-r", STREAMS / "flink.txt"]
        subprocess.run(command, check=True, timeout=900)

    return next(fetched(STREAMS / "flink.txt", install).glob("lib/python*/site-packages/pyflink"))


class FlinkCluster:
    """Manager and worker on loopback: `start`, `submit`, `kill` (SIGKILL of both), `stop`."""

    def __init__(self, home: Path) -> None:
        self._home, self._flink = home, flink_home()
        (home / "conf").mkdir(parents=True)
        for name in ("log4j.properties", "log4j-console.properties", "log4j-cli.properties", "masters", "workers"):
            shutil.copy(self._flink / "conf" / name, home / "conf" / name)
        rpc, self._rest, data, worker = free_ports(4)
        told = {
            "jobmanager.rpc.address": "127.0.0.1",
            "jobmanager.rpc.port": rpc,
            "jobmanager.bind-host": "127.0.0.1",
            "jobmanager.memory.process.size": "1000m",
            "taskmanager.host": "127.0.0.1",
            "taskmanager.bind-host": "127.0.0.1",
            "taskmanager.rpc.port": worker,
            "taskmanager.data.port": data,
            "taskmanager.memory.process.size": "1200m",
            "taskmanager.memory.managed.size": "128m",
            "taskmanager.numberOfTaskSlots": "2",
            "rest.address": "127.0.0.1",
            "rest.bind-address": "127.0.0.1",
            "rest.port": self._rest,
            "io.tmp.dirs": home / "tmp",
            "env.java.opts.all": self._opened(),
        }
        (home / "tmp").mkdir()
        (home / "conf" / "config.yaml").write_text("".join(f"{name}: {value}\n" for name, value in told.items()))
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self._running = [
            self._run("jobmanager.sh", "start-foreground"),
            self._run("taskmanager.sh", "start-foreground"),
        ]
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                if b'"slots-total":2' in self.ask("/overview"):
                    return
            except OSError:
                pass
            time.sleep(0.3)
        raise RuntimeError((self._home / "flink.log").read_text()[-3_000:])

    def submit(self, statements: str) -> None:
        file = self._home / "job.sql"
        file.write_text(statements)
        jar = next(jars("flink-pom.xml").glob("*.jar"))
        done = self._popen(
            [
                self._flink.parents[3] / "bin" / "python",
                SUBMIT,
                file,
                "--jar",
                jar,
                "--cluster",
                f"127.0.0.1:{self._rest}",
            ]
        )
        assert done.wait(240) == 0 and b"RUNNING" in self._running_within(60), (self._home / "flink.log").read_text()[
            -4_000:
        ]

    def ask(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._rest}{path}", timeout=5) as reply:
            return bytes(reply.read())

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _opened(self) -> str:
        """What Flink's own settings open of Java's modules."""
        (line,) = (
            each for each in (self._flink / "conf" / "config.yaml").read_text().splitlines() if "--add-opens" in each
        )
        return line.partition(":")[2].strip()

    def _running_within(self, seconds: float) -> bytes:
        until = time.monotonic() + seconds
        while b"RUNNING" not in (told := self.ask("/jobs")) and time.monotonic() < until:
            time.sleep(0.3)
        return told

    def _end(self, how: signal.Signals) -> None:
        for each in self._running:
            os.killpg(each.pid, how)
            each.wait(60)
        self._running = []

    def _run(self, script: str, *arguments: str) -> subprocess.Popen[bytes]:
        return self._popen(["bash", self._flink / "bin" / script, *arguments])

    def _popen(self, command: list[str | Path]) -> subprocess.Popen[bytes]:
        with (self._home / "flink.log").open("ab") as log:
            return subprocess.Popen(
                command,
                env=os.environ | {"FLINK_CONF_DIR": str(self._home / "conf"), "FLINK_LOG_DIR": str(self._home)},
                stdout=log, stderr=log, start_new_session=True, cwd=self._home,
            )  # fmt: skip


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint under a local folder of checkpoints; None where there is none."""
    whole = [each.parent for each in folder.glob("*/chk-*/_metadata")]
    return max(whole, key=lambda each: (each / "_metadata").stat().st_mtime_ns, default=None)
