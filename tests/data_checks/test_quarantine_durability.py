"""The quarantine in bad weather: several stewards at once, kills, torn lines, a full disk, and 100,000 rows."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from quarantine_rows import held_back, status

from data_checks.durable import JournalError, append_entry, read_entries
from data_checks.quarantine import Quarantine

DECIDE_MANY = """
import sys
from pathlib import Path
from data_checks.quarantine import Quarantine
for number in range(int(sys.argv[3])):
    Quarantine(Path(sys.argv[1])).decide(
        "sales", row_keys=["a"], verdict="release", reason=f"{number} " + "x" * 1_900, who=sys.argv[2])
    print(number, flush=True)
"""

TIME_EACH_STEP = """
import json, sys, time
from pathlib import Path
from data_checks.quarantine import Quarantine
quarantine, seconds = Quarantine(Path(sys.argv[1])), {}
for name, step in {
    "list": quarantine.summaries,
    "rows": lambda: quarantine.rows("sales", rule="units", status="released"),
    "decide": lambda: quarantine.decide("sales", rule="price", verdict="reject", reason="no", who="Bo"),
    "verdicts": lambda: quarantine.decisions("sales"),
}.items():
    started = time.process_time()  # not the clock: other work on the machine is not ours
    step()
    seconds[name] = time.process_time() - started
print(json.dumps(seconds))
"""


def decide_in_background(root: Path, who: str, times: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", DECIDE_MANY, str(root), who, str(times)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_two_processes_deciding_at_once_lose_nothing(quarantine, tmp_path):
    workers = [decide_in_background(tmp_path, who, 25) for who in ("Ada", "Bo")]
    assert [worker.wait(120) for worker in workers] == [0, 0]
    for worker in workers:
        worker.stdout.close()
    log = quarantine.log("sales")
    assert [decision.decision_id for decision in log] == [f"sales-{number}" for number in range(1, 51)]
    for who in ("Ada", "Bo"):
        assert [int(d.reason.split()[0]) for d in log if d.who == who] == list(range(25))


def test_a_killed_steward_leaves_a_readable_log_with_all_that_was_confirmed(quarantine, tmp_path):
    for attempt in range(3):
        worker = decide_in_background(tmp_path, f"steward {attempt}", 100_000)
        worker.stdout.readline()
        time.sleep(0.03 * attempt)
        worker.send_signal(signal.SIGKILL)
        confirmed = 1 + sum(1 for _ in worker.stdout)
        worker.wait(30)
        worker.stdout.close()
        recorded = [d for d in quarantine.log("sales") if d.who == f"steward {attempt}"]
        assert len(recorded) in {confirmed, confirmed + 1}
    quarantine.decide("sales", row_keys=["a"], verdict="reject", reason="after the kill", who="Ada")
    assert quarantine.log("sales")[-1].reason == "after the kill"


def test_a_torn_last_line_gives_way_and_a_damaged_finished_line_is_reported(tmp_path):
    journal = tmp_path / "journal.jsonl"
    append_entry(journal, {"n": 1})
    with journal.open("ab") as handle:
        handle.write(b'{"n": 2, "text": "' + b"x" * 200_000)
    assert read_entries(journal) == [{"n": 1}]
    append_entry(journal, {"n": 3})
    assert read_entries(journal) == [{"n": 1}, {"n": 3}]
    with journal.open("ab") as handle:
        handle.write(b"not json\n")
    with pytest.raises(JournalError, match=r"journal\.jsonl, line 3"):
        read_entries(journal)


def test_a_kill_between_history_and_replacement_loses_and_doubles_nothing(quarantine, monkeypatch):
    def power_cut(path: Path, write: object) -> None:
        raise KeyboardInterrupt

    keep = Quarantine._keep

    def keep_then_cut(self: Quarantine, folder: Path, left: pa.Table) -> None:
        keep(self, folder, left)
        monkeypatch.setattr("data_checks.quarantine.replace_file", power_cut)

    monkeypatch.setattr(Quarantine, "_keep", keep_then_cut)
    with pytest.raises(KeyboardInterrupt):
        quarantine.write("sales", "all", held_back({"b": ["price"]}))
    assert status(quarantine) == {"a": "open", "b": "open", "c": "open"}
    monkeypatch.undo()
    quarantine.write("sales", "all", held_back({"b": ["price"]}))
    assert status(quarantine) == {"a": "gone", "b": "open", "c": "gone"}
    assert quarantine.rows("sales").num_rows == 3


def test_a_full_disk_leaves_the_old_rows(quarantine, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        quarantine.write("sales", "all", held_back({"z": ["price"]}))
    with pytest.raises(OSError, match="No space"):
        quarantine.decide("sales", every_row=True, verdict="reject", reason="x", who="Ada")
    monkeypatch.undo()
    assert status(quarantine) == {"a": "open", "b": "open", "c": "open"}
    assert quarantine.log("sales") == ()


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path):
    quarantine = Quarantine(tmp_path / "shop=north")
    quarantine.write("sales", "day=2026-03-01", held_back({"a": ["price"]}))
    assert quarantine.rows("sales").column_names == ["_row_key", "rules", "raw", "held", "status"]


def test_a_hundred_thousand_rows_are_listed_and_decided_in_two_seconds(tmp_path):
    quarantine = Quarantine(tmp_path)
    rules = {f"{number:064x}-0": ["price"] if number % 2 else ["price", "units"] for number in range(100_000)}
    quarantine.write("sales", "all", held_back(rules))
    quarantine.decide("sales", every_row=True, verdict="release", reason="first", who="Ada")
    # A steward's process is a fresh one: in this one the collector would walk what thousands of tests left behind.
    asked = [sys.executable, "-c", TIME_EACH_STEP, str(tmp_path)]
    told = subprocess.run(asked, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], check=True)
    seconds = json.loads(told.stdout)
    assert set(seconds) == {"list", "rows", "decide", "verdicts"}
    assert quarantine.summary("sales").rows["rejected"] == 100_000
    assert max(seconds.values()) < 2, seconds
