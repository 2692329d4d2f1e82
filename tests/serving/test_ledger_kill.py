"""The ledger in bad weather: SIGKILL of writer and database while entries come in, and disks that are full."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from ledger_case import ORIGIN, PUBLIC, bill, bills, opened, store_at
from postgres_server import Postgres, postgres_server

from serving.settlement.audit import audit
from serving.settlement.ledger_store import LedgerStoreError
from serving.settlement.notes import open_head

APPENDER = Path(__file__).with_name("ledger_appender.py")


@pytest.fixture
def server() -> Iterator[Postgres]:
    with postgres_server() as running:
        yield running


class Load:
    """Appends to a store from another process, and remembers what it was answered."""

    def __init__(self, place: str, told: Path) -> None:
        self.place, self.told = place, told
        self.numbers: dict[str, int] = {}

    def run(self, moments: Random, disturb: Callable[[], None] | None = None) -> None:
        """Some answers, what disturbs, some answers more, and SIGKILL a moment later. Goes on behind what was answered, so what was
        sent and not answered is sent again."""
        command = [sys.executable, str(APPENDER), self.place, str(self.told), str(len(self.numbers))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for disturbance in (disturb, None):
                for _ in range(moments.randint(1, 20)):
                    self._answered(child.stdout.readline())
                time.sleep(moments.uniform(0, 0.02))
                if disturbance is not None:
                    disturbance()
            child.kill()
            for line in child.stdout:
                self._answered(line)

    def _answered(self, line: str) -> None:
        if line.endswith("\n"):  # else it was killed while it spoke
            first, numbers = json.loads(line)
            self.numbers |= {f"bill-{first + k}": number for k, number in enumerate(numbers)}

    def check(self) -> None:
        """Nothing lost, nothing twice, every number as answered, every head that was told still the beginning of the ledger."""
        store = store_at(self.place)
        told = [json.loads(line) for line in self.told.read_text(encoding="utf-8").splitlines() if line.endswith('"')]
        report = audit(store, PUBLIC, origin=ORIGIN, witnessed=told)
        assert report.clean, report.problems
        found = {row.entry_id: row.number for row in store.rows()}
        assert found == {f"bill-{number - 1}": number for number in range(1, store.size() + 1)}
        assert self.numbers.items() <= found.items()
        assert len(self.numbers) > 100 and 0 <= len(found) - len(self.numbers) <= 40, (
            "at most one batch was not answered"
        )
        assert max(open_head(note, PUBLIC).size for note in told) >= max(self.numbers.values())


def test_a_writer_killed_in_sqlite_loses_and_repeats_nothing(tmp_path: Path) -> None:
    load, moments = Load(str(tmp_path / "ledger.sqlite"), tmp_path / "told"), Random(1)
    for _ in range(10):
        load.run(moments)
        load.check()


@pytest.mark.services
def test_a_writer_killed_in_postgres_loses_and_repeats_nothing(server: Postgres, tmp_path: Path) -> None:
    load, moments = Load(server.database(), tmp_path / "told"), Random(2)
    for _ in range(6):
        load.run(moments)
        load.check()


@pytest.mark.services
def test_a_database_killed_loses_and_repeats_nothing(server: Postgres, tmp_path: Path) -> None:
    """The writer sends again until the database is back."""
    load, moments = Load(server.database(), tmp_path / "told"), Random(3)

    def fall() -> None:
        server.kill()
        server.start()

    for _ in range(6):
        load.run(moments, disturb=fall)
        load.check()


FULL = """
import resource, sys
sys.path[:0] = [sys.argv[2], sys.argv[3]]
from pathlib import Path
from ledger_case import ORIGIN, PUBLIC, bills, opened
from serving.settlement.audit import audit
from serving.settlement.ledger_sqlite import SqliteLedger
from serving.settlement.ledger_store import LedgerStoreError
store = SqliteLedger(Path(sys.argv[1]))
ledger, taken = opened(store), 0
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))  # no file grows beyond
try:
    while True:
        taken = ledger.append(bills(taken, taken + 50))[-1]
except LedgerStoreError as error:
    print(error)
assert 100 < taken == store.size() < 5_000, (taken, store.size())
assert audit(store, PUBLIC, origin=ORIGIN).clean
try:
    ledger.append(bills(taken, taken + 50))
    raise SystemExit("there was no room")
except LedgerStoreError:
    pass
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert ledger.append(bills(taken, taken + 50))[-1] == taken + 50
report = audit(store, PUBLIC, origin=ORIGIN)
assert report.clean and report.entries == taken + 50
"""


def test_a_full_disk_keeps_nothing_of_a_batch(tmp_path: Path) -> None:
    """SQLite's own writes fail, by a bound on the size of files."""
    rooms = [str(APPENDER.parent), str(APPENDER.parents[2])]
    command = [sys.executable, "-c", FULL, str(tmp_path / "ledger.sqlite"), *rooms]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "nothing of a change under way was kept, send it again" in done.stdout


@pytest.mark.services
def test_a_full_disk_of_postgres_keeps_nothing_of_a_batch(server: Postgres) -> None:
    """Its tables cannot grow: its log has files of a fixed size."""
    place, taken = server.database(), 0
    ledger = opened(store_at(place))
    server.stop()
    server.start(largest_file=2 << 20)
    with pytest.raises(LedgerStoreError, match="send it again"):
        ledger.append([bill(0)])  # over the connection that was cut
    with pytest.raises(LedgerStoreError, match="nothing of a change under way was kept, send it again"):
        while taken < 50_000:
            taken = ledger.append(bills(taken, taken + 1_000))[-1]
    assert 0 < taken == store_at(place).size() < 50_000
    assert audit(store_at(place), PUBLIC, origin=ORIGIN).clean
    server.stop()
    server.start()
    assert opened(store_at(place)).append(bills(taken, taken + 1_000))[-1] == taken + 1_000
    report = audit(store_at(place), PUBLIC, origin=ORIGIN)
    assert report.clean and report.entries == taken + 1_000
