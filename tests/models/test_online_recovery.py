"""The online learner's journal and snapshots: twice, late, out of order, torn, broken, full, killed; one state all the same."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from models.common.protocols import DataError, InputError
from models.recommender import online_snapshots
from models.recommender.online import State
from models.recommender.online_config import FeedbackConfig, FtrlConfig
from models.recommender.online_learner import OnlineLearner
from models.recommender.online_log import FeedbackLog, Impressions
from models.recommender.online_snapshots import listed

ROOT = Path(__file__).parents[2]
SECOND = 1_000_000
WAIT = FeedbackConfig(label_wait_s=60, remember_s=1_000)


def as_bytes(state: State) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in state.items()}


@pytest.fixture(scope="module")
def case(model_cases: dict[str, ModuleType]) -> ModuleType:
    return model_cases["online"]


@pytest.fixture(scope="module")
def uninterrupted(case: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """State after the whole stream, learned minute by minute without a stop."""
    made = case.learner(tmp_path_factory.mktemp("whole"))
    case.run(made)
    assert made.position > case.BATCHES * case.SIZE  # every impression once, and the late clicks
    found = as_bytes(made.state())
    made.close()
    return found


def shown(*rows: tuple[str, int]) -> Impressions:
    """Impressions by id and second, of code 1."""
    count = len(rows)
    times = np.array([second * SECOND for _, second in rows], dtype=np.int64)
    return Impressions(
        [name for name, _ in rows], times, np.ones((count, 1), np.int64), np.zeros(count), np.ones(count)
    )


def examples(journal: FeedbackLog) -> list[tuple[str, int]]:
    with sqlite3.connect(journal.path) as db:
        return db.execute("SELECT id, label FROM journal ORDER BY position").fetchall()


def test_labels_by_the_wait(tmp_path: Path) -> None:
    journal = FeedbackLog(tmp_path / "j.sqlite", WAIT)
    journal.accept_clicks(["b"], np.array([70 * SECOND]))  # before its impression; exactly at the end of the wait
    journal.accept_impressions(shown(("a", 0), ("b", 10), ("c", 20), ("d", 30)))
    journal.accept_clicks(["c"], np.array([81 * SECOND]))  # a second after the wait, which ends at 80
    assert journal.settle(59 * SECOND).examples == 0
    assert journal.settle(60 * SECOND).examples == 1  # a, not clicked
    first = journal.settle(100 * SECOND)
    assert (first.examples, first.corrections) == (4, 1)  # b, c, then c's click, then d at 90
    assert examples(journal) == [("a", 0), ("b", 1), ("c", 0), ("c", 1), ("d", 0)]
    journal.accept_clicks(["a"], np.array([5 * SECOND]))  # within the wait, but told too late
    assert journal.settle(100 * SECOND).corrections == 1
    journal.accept_clicks(["a", "b", "c"], np.array([5, 6, 7]) * SECOND)  # all learned already
    assert journal.settle(200 * SECOND).examples == 0
    assert examples(journal)[-1] == ("a", 1)
    journal.accept_impressions(shown(("e", 1)))  # out of order: learned once, behind the others
    assert journal.settle(200 * SECOND).position == 7


def test_what_comes_twice_counts_once_and_what_is_forgotten_is_refused(tmp_path: Path) -> None:
    journal = FeedbackLog(tmp_path / "j.sqlite", WAIT)
    assert journal.accept_impressions(shown(("a", 0), ("b", 0), ("a", 0))).known == 1
    again = journal.accept_impressions(shown(("a", 0), ("b", 0), ("n", 500)))
    assert (again.new, again.known, again.too_old) == (1, 2, 0)
    with pytest.raises(DataError, match="'a' came before with other content"):
        journal.accept_impressions(shown(("m", 1), ("a", 1)))
    assert journal.settle(1_100 * SECOND).examples == 3  # and m, of the refused delivery, is not there
    journal.compact(2)
    late = journal.accept_impressions(shown(("a", 0), ("n", 500), ("x", 100)))  # 1,100 - 1,000: up to second 100
    assert (late.new, late.known, late.too_old) == (0, 1, 2)
    assert journal.settle(3_000 * SECOND).examples == 0
    assert [name for name, _ in examples(journal)] == ["n"]
    journal.compact(3)
    journal.accept_impressions(shown(("z", 2_950)))
    assert journal.settle(3_100 * SECOND).position == 4  # a position is never given twice


def test_bad_feedback_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="remember_s 10: expected at least label_wait_s 60"):
        FeedbackLog(tmp_path / "x.sqlite", FeedbackConfig(label_wait_s=60, remember_s=10))
    journal = FeedbackLog(tmp_path / "j.sqlite", WAIT)
    with pytest.raises(InputError, match="impression id ''"):
        journal.accept_impressions(shown(("", 0)))
    with pytest.raises(InputError, match=r"offset nan: expected log-odds from -30 to 30"):
        batch = shown(("a", 0))
        journal.accept_impressions(
            Impressions(batch.ids, batch.shown_us, batch.codes, np.array([np.nan]), batch.weight)
        )
    (tmp_path / "text.sqlite").write_text("no journal " * 100)
    with pytest.raises(DataError, match="expected a journal of feedback"):
        FeedbackLog(tmp_path / "text.sqlite", WAIT)


def test_neither_order_nor_repetition_nor_grouping_moves_the_state(
    case: ModuleType, uninterrupted: dict[str, bytes], tmp_path: Path
) -> None:
    rng = np.random.default_rng(7)
    parts = case.deliveries() * 2
    made = case.learner(tmp_path)
    for number in rng.permutation(len(parts)):
        order = rng.permutation(case.SIZE)
        part = parts[number].shown
        mixed = Impressions(
            [part.ids[at] for at in order],
            part.shown_us[order],
            part.codes[order],
            part.offset[order],
            part.weight[order],
        )
        made.journal.accept_clicks(parts[number].clicked, parts[number].clicked_us)
        made.journal.accept_impressions(mixed)
    made.journal.settle(case.END)
    made.catch_up()
    assert as_bytes(made.state()) == uninterrupted


def test_killed_at_ten_moments_it_ends_as_if_it_had_not_been(
    case: ModuleType, uninterrupted: dict[str, bytes], tmp_path: Path
) -> None:
    rng = np.random.default_rng(11)
    command = [sys.executable, str(case.__file__), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    recovered = []
    for _ in range(10):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
            recovered.append(int(process.stdout.readline().split()[1]))
            time.sleep(rng.uniform(0.0, 0.4))
            os.kill(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    assert recovered == sorted(recovered)
    assert len(set(recovered)) > 2  # kills met a learner at work
    made = case.learner(tmp_path)
    case.run(made)
    assert as_bytes(made.state()) == uninterrupted
    made.save()
    assert not (made.snapshots / online_snapshots.DRAFT).exists()
    assert len(listed(made.snapshots)) == case.FEEDBACK.snapshots_kept


def test_a_torn_end_of_the_journal_is_dropped(
    case: ModuleType, uninterrupted: dict[str, bytes], tmp_path: Path
) -> None:
    """As a kill between two pages of a commit would leave it: the last transaction has half of its pages."""
    stream, whole, torn = case.deliveries(), tmp_path / "whole", tmp_path / "torn"
    made = case.learner(whole)
    for delivery in stream[:3]:
        case.deliver(made, delivery)
    made.journal.settle(2 * case.MINUTE)
    before = made.journal.position
    assert made.journal.settle(3 * case.MINUTE).position > before
    torn.mkdir()
    for name in ("feedback.sqlite", "feedback.sqlite-wal"):
        (torn / name).write_bytes((whole / name).read_bytes())
    with (torn / "feedback.sqlite-wal").open("r+b") as wal:
        wal.truncate((torn / "feedback.sqlite-wal").stat().st_size - 100)
    again = case.learner(torn)
    assert again.position == before
    case.run(again)
    assert as_bytes(again.state()) == uninterrupted


def test_a_broken_snapshot_falls_back_to_the_one_before(
    case: ModuleType, uninterrupted: dict[str, bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = case.learner(tmp_path)
    case.run(made)
    made.close()
    _, *newer = listed(made.snapshots)
    assert len(newer) == 2
    newer[1].write_bytes(newer[1].read_bytes()[:-5])
    data = bytearray(newer[0].read_bytes())
    data[len(data) // 2] ^= 1
    newer[0].write_bytes(data)
    again = case.learner(tmp_path)
    assert as_bytes(again.state()) == uninterrupted
    assert caplog.text.count("going back to the snapshot before it") == 2
    again.close()
    for path in listed(made.snapshots):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"none of \d snapshots is whole and the journal's beginning is dropped"):
        case.learner(tmp_path)


def test_a_snapshot_of_another_config_is_refused(case: ModuleType, tmp_path: Path) -> None:
    made = case.learner(tmp_path)
    made.save()
    with pytest.raises(DataError, match="another learner has this folder"):
        case.learner(tmp_path)
    made.close()
    with pytest.raises(DataError, match="go back to that config, or give the learner an empty folder"):
        OnlineLearner(tmp_path, case.FEATURES, FtrlConfig(bits=12, alpha=0.2), case.FEEDBACK)
    case.learner(tmp_path)  # the refused one let go of the folder


def test_a_full_disk_leaves_what_was_there(
    case: ModuleType, uninterrupted: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = case.learner(tmp_path)
    for delivery in case.deliveries()[:3]:
        case.deliver(made, delivery)
    made.journal.settle(2 * case.MINUTE)
    made.catch_up()
    made.save()
    kept = {path.name: path.read_bytes() for path in listed(made.snapshots)}
    with monkeypatch.context() as full:

        def no_space(handle: int) -> None:
            raise OSError(28, "No space left on device")

        full.setattr(online_snapshots.os, "fsync", no_space)
        case.deliver(made, case.deliveries()[3])
        made.journal.settle(3 * case.MINUTE)
        made.catch_up()
        with pytest.raises(OSError, match="No space left"):
            made.save()
    assert {path.name: path.read_bytes() for path in made.snapshots.iterdir()} == kept
    pages = made.journal._db.execute("PRAGMA page_count").fetchone()[0]
    made.journal._db.execute(f"PRAGMA max_page_count = {pages}")  # SQLite itself finds the disk full
    with pytest.raises(sqlite3.OperationalError, match="full"):
        for delivery in case.deliveries()[4:]:
            case.deliver(made, delivery)
    made.journal._db.execute("PRAGMA max_page_count = 1000000")
    case.run(made)
    assert as_bytes(made.state()) == uninterrupted


def test_a_journal_that_is_not_the_snapshots_is_refused(case: ModuleType, tmp_path: Path) -> None:
    made = case.learner(tmp_path)
    case.run(made)
    made.close()
    for path in tmp_path.glob("feedback.sqlite*"):
        path.unlink()
    with pytest.raises(DataError, match=r"found an end at 0: journal and snapshots do not belong together"):
        case.learner(tmp_path)


def test_feedback_may_come_through_another_connection(
    case: ModuleType, uninterrupted: dict[str, bytes], tmp_path: Path
) -> None:
    made = case.learner(tmp_path)
    shop = FeedbackLog(made.journal.path, case.FEEDBACK)
    for delivery in case.deliveries():
        shop.accept_impressions(delivery.shown)
        shop.accept_clicks(delivery.clicked, delivery.clicked_us)
    assert shop.settle(case.END).position == made.catch_up()
    assert made.catch_up() == 0
    assert as_bytes(made.state()) == uninterrupted


def test_the_journal_stays_bounded(case: ModuleType, tmp_path: Path) -> None:
    made = case.learner(tmp_path)
    case.run(made)
    made.save()
    rows = made.journal._db.execute("SELECT count(*) FROM journal").fetchone()[0]
    assert rows <= made.position - int(listed(made.snapshots)[0].name[:15]) < made.position / 2
