"""The bench itself: resumes, reports what broke, and shows no figure that the present code did not give."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).parent / "runner.py"
ROWS = """
from pathlib import Path
from bench_row import BenchResult, BenchRow

def half(context):
    log = Path({log!r})
    log.write_text(log.read_text() + "x")
    return BenchResult(2.0, "s", peer="plain", peer_value=4.0, bound="<= 3 s", met=True)

def broken(context):
    raise ValueError("no | such table")

def real(context):
    return BenchResult(float(len(list(context.real_data.iterdir()))), "files")

ROWS = [
    BenchRow("half", "gate", "time", half, rooms=()),
    BenchRow("broken", "gate", "rows", broken, rooms=()),
    BenchRow("real", "folder", "files", real, needs_real_data=True, rooms=()),
]
"""


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.out = folder, folder / "log.txt", folder / "results.md"
        (folder / "rows").mkdir()
        self.log.write_text("")
        self.module = folder / "rows" / "mine.py"
        self.module.write_text(ROWS.format(log=str(self.log)))

    def run(self, *options: str, real: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if k != "STORELOOP_REAL_DATA"}
        if real:
            environment["STORELOOP_REAL_DATA"] = str(real)
        where = ["--rows", str(self.folder / "rows"), "--out", str(self.out), "--cache", str(self.folder / "cache")]
        command = [sys.executable, str(RUNNER), *where, *options]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    def line(self, system: str, what: str) -> list[str]:
        start = f"| {system} | {what} |"
        row = next(line for line in self.out.read_text().splitlines() if line.startswith(start))
        return [cell.strip() for cell in row.strip("|").split("|")][2:]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_rows_are_measured_once_and_shown_beside_their_peer(bench: Bench) -> None:
    assert bench.run("--only", "half").returncode == 0
    assert bench.line("gate", "time") == ["2 s", "plain: 4 s", "0.5", "<= 3 s: yes", ""]
    assert bench.line("gate", "rows")[0] == "not run"
    bench.run("--only", "half")
    assert bench.log.read_text() == "x"
    bench.run("--only", "half", "--fresh")
    assert bench.log.read_text() == "xx"


def test_changed_code_makes_a_figure_not_run(bench: Bench) -> None:
    bench.run("--only", "half")
    bench.module.write_text(bench.module.read_text() + "\n# changed\n")
    bench.run("--only", "broken")
    assert bench.line("gate", "time")[0] == "not run"


def test_a_broken_row_is_named_and_the_others_go_on(bench: Bench) -> None:
    done = bench.run()
    assert done.returncode == 1
    assert bench.line("gate", "time")[0] == "2 s"
    assert bench.line("gate", "rows") == ["failed", "", "", "**no**", "ValueError: no / such table"]
    assert bench.line("folder", "files") == ["not run", "", "", "", "needs STORELOOP_REAL_DATA"]


def test_real_data_rows_run_where_the_data_is(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").touch()
    assert bench.run("--only", "real", real=tmp_path / "data").returncode == 0
    assert bench.line("folder", "files")[0] == "1 files"


def test_unknown_row_is_an_error(bench: Bench) -> None:
    done = bench.run("--only", "nothing")
    assert done.returncode != 0
    assert "no rows named ['nothing']" in done.stderr
