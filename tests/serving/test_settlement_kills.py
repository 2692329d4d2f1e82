"""Settling under load while its processes are killed at random moments: every bill once, the ledger whole, the sums to the cent."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kafka_broker import KafkaBroker
from ledger_case import ORIGIN, PUBLIC, store_at
from postgres_server import postgres_server
from till_shop import LIST, SHOP, decided, entered, heard, left, moved, passed

from data_checks.contracts import SHOP_TABLES
from orchestration.settings import Settings
from orchestration.shop_landing import land
from orchestration.shop_reconciling import read_ledger, reconcile
from orchestration.workspace import Workspace
from serving.settlement.audit import audit
from serving.settlement.ledger_reader import LedgerReader
from serving.settlement.notes import TrustedKey
from serving.settlement.shop_events import ShopEvent
from serving.settlement.shop_settings import ShopSettings, open_books, open_producer
from serving.settlement.transport import Message, Topics, TransportError

VISITS, KILLS = 300, 20
HERE = Path(__file__).parent


def story(rng: random.Random) -> tuple[list[ShopEvent], dict[str, int]]:
    """Visits that overlap, events now and then twice and out of turn, some settled before a late put-back or a person's word
    comes; and what each owes in the end."""
    timed: list[tuple[float, ShopEvent]] = []
    owed: dict[str, int] = {}
    for number in range(VISITS):
        name, second, milk = f"v{number}", 2.0 * number, rng.randint(1, 3)
        events = [
            entered(name, second), moved("take", "milk", second + 5, milk, visit=name),
            moved("take", "wine", second + 9, visit=name), left(name, second + 30),
        ]  # fmt: skip
        owed[name] = 119 * milk
        match rng.randrange(4):
            case 0:
                events += [
                    moved("put", "wine", second + 12, visit=name),
                    passed(*["milk"] * milk, second=second + 29, visit=name),
                ]
            case 1:
                owed[name] += 799
                events.append(passed(*["milk"] * milk, "wine", second=second + 29, visit=name))
            case 2:  # comes when the bill is out
                timed.append((second + 90, moved("put", "wine", second + 13, visit=name, sure=1.0)))
            case 3:
                owed[name] += 250
                events.append(moved("put", "wine", second + 12, visit=name, sure=1.0))
                events.append(moved("take", "tea", second + 20, sure=0.6, visit=name))
                timed.append((second + 120, decided("tea", 1, second + 200, visit=name)))
        began = LIST.time.timestamp() + 3_600
        timed += [(event.time.timestamp() - began + rng.uniform(0, 8), event) for event in events]
    timed += [(at, event) for at, event in rng.sample(timed, len(timed) // 5)]
    timed += [(second + 20.0, heard("boxes", second)) for second in range(0, 2 * VISITS + 300, 5)]
    timed.sort(key=lambda each: each[0])
    return [LIST, *(event for _, event in timed)], owed


@dataclass
class Stage:
    """What is killed, and the settings by which it is reached."""

    settings: Settings
    ledger: str
    environment: dict[str, str]
    victims: list[tuple[Callable[[], None], Callable[[], None]]] = field(default_factory=list)  # kill, start
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True)
        self.victims.append((self.kill, self.start))

    @property
    def home(self) -> Path:
        return Workspace(self.settings).root

    def start(self) -> None:
        path = os.pathsep.join([str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
        with (self.home / "settling.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, HERE / "settling.py", self.home, self.ledger],
                env=os.environ | self.environment | {"PYTHONPATH": path}, stdout=log, stderr=log, cwd=HERE.parents[1],
            )  # fmt: skip

    def kill(self) -> None:
        assert self.process is not None and self.process.poll() is None, (self.home / "settling.log").read_text()[
            -3_000:
        ]
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(60) == 0, (self.home / "settling.log").read_text()[-3_000:]


@pytest.fixture
def files(tmp_path: Path) -> Stage:
    return Stage(Settings(home=tmp_path), str(tmp_path / "ledger.sqlite"), {"STORELOOP_SHOP_SOURCES": "boxes"})


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Stage]:
    with postgres_server() as database:
        broker = KafkaBroker(tmp_path / "kafka")
        broker.start()
        topics = Topics()
        broker.make_topics(topics.events, *map(topics.of, ("entries", "movements", "reviews", "refused")))
        url = database.database()
        told = {"KAFKA": broker.config.servers, "BOOKS": url, "SOURCES": "boxes"}
        stage = Stage(Settings(home=tmp_path), url, {f"STORELOOP_SHOP_{name}": value for name, value in told.items()})
        stage.victims += [(broker.kill, broker.start), (database.kill, database.start)]
        yield stage
        broker.stop()


def feed(settings: ShopSettings, home: Path, events: Sequence[ShopEvent], pause_s: float) -> None:
    """As a box does: what was not taken is sent again, at the price of coming twice."""
    producer, waiting = open_producer(settings, home), list(events)
    while waiting:
        batch = waiting[:20]
        try:
            producer.send([Message(settings.names().events, SHOP, each.model_dump_json().encode()) for each in batch])
            del waiting[:20]
        except TransportError:
            time.sleep(0.2)
        time.sleep(pause_s)


def run(stage: Stage, monkeypatch: pytest.MonkeyPatch, seed: int, pause_s: float) -> None:
    for name, value in stage.environment.items():
        monkeypatch.setenv(name, value)
    rng, settings = random.Random(seed), ShopSettings()
    events, owed = story(rng)
    feeder = threading.Thread(target=feed, args=(settings, stage.home, events, pause_s))
    stage.start()
    feeder.start()
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.1, 1.0))
        kill, start = rng.choice(stage.victims)
        kill()
        start()
    feeder.join(300)
    assert not feeder.is_alive()
    judge(stage, settings, owed)


def judge(stage: Stage, settings: ShopSettings, owed: dict[str, int]) -> None:
    """Wait until all is settled, then hold ledger, what was sent, and books against what each visit owes."""
    reader = LedgerReader(store_at(stage.ledger), PUBLIC, origin=ORIGIN)
    until = time.monotonic() + 120
    due: dict[str, int] = {}
    while due != owed and time.monotonic() < until:
        time.sleep(1.0)
        due = {}
        for _, entry in reader.entries(1, 10_000):
            due[entry.body["visit"]] = due.get(entry.body["visit"], 0) + entry.body["due_cents"]
    assert due == owed
    time.sleep(1.0)
    stage.stop()
    entries = {entry.entry_id: entry for _, entry in reader.entries(1, 10_000)}
    names = [entry.entry_id for _, entry in reader.entries(1, 10_000)]
    assert len(names) == len(entries)
    assert audit(store_at(stage.ledger), PUBLIC, origin=ORIGIN).entries == len(entries)
    sent = [json.loads(each)["entry"]["id"] for each in read_all(stage, settings, "entries")]
    assert sorted(sent) == sorted(entries), "each entry is told once, and none that is not in the ledger"
    moved = [(each["visit"], each["version"]) for each in map(json.loads, read_all(stage, settings, "movements"))]
    assert len(moved) == len(set(moved)), "each movement is told once"
    books_balance(stage, owed)
    books = open_books(settings, stage.home)
    for visit, cents in owed.items():
        kept: dict[str, Any] = json.loads(books.find(SHOP, f"visit:{visit}") or "")
        assert kept["bill"]["total_cents"] == cents and not kept["reviews"]
    assert not books.waiting() and not books.of_kind(SHOP, "review") and not books.of_kind(SHOP, "open")


def books_balance(stage: Stage, owed: dict[str, int]) -> None:
    """What landed in the lake, through the same logs, agrees with the ledger to the cent and to the package."""
    workspace = Workspace(stage.settings)
    assert land(workspace).passed and land(workspace).made == {}
    ledger = read_ledger(store_at(stage.ledger), [TrustedKey(PUBLIC)], ORIGIN)
    found = reconcile(ledger, {table: workspace.lake.arrow("raw", table) for table in SHOP_TABLES})
    assert found.balanced, "\n".join(map(str, found.findings))
    assert sum(each.movements_cents for each in found.days) == sum(owed.values())
    assert not sum(each.in_review for each in found.days)


def read_all(stage: Stage, settings: ShopSettings, outputs: str) -> list[bytes]:
    topic = settings.names().of(outputs)
    if not settings.kafka:
        from serving.settlement.queue_sqlite import SqliteQueue

        return [each.value for each in SqliteQueue(stage.home / "shop" / "queue.sqlite").read(topic, 0, 100_000)]
    from serving.settlement.transport_kafka import KafkaConfig, KafkaConsumer

    reader, found = KafkaConsumer(KafkaConfig(servers=settings.kafka), "look", topic), []
    while records := reader.poll(5_000, 5.0):
        found += [each.value for each in records]
    return found


@pytest.mark.slow
def test_a_till_on_files_killed_under_load(files: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    run(files, monkeypatch, seed=1, pause_s=0.05)


@pytest.mark.slow
@pytest.mark.streams
@pytest.mark.services
def test_till_broker_and_database_killed_under_load(servers: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    run(servers, monkeypatch, seed=2, pause_s=0.2)
