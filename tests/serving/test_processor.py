"""Exactly once on files: killed at any point, twice the same event, two processors, a full disk."""

import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from kafka_broker import KafkaBroker
from till_shop import LIST, entered, left, moved, passed

from serving.settlement.books import SCHEMA, Books, Overtaken
from serving.settlement.database import DatabaseError, SqliteDatabase
from serving.settlement.entries import Entry
from serving.settlement.follower_kafka import KafkaFollower
from serving.settlement.followers import SqliteFollower
from serving.settlement.ledger import Ledger
from serving.settlement.ledger_sqlite import SqliteLedger
from serving.settlement.processor import Processor
from serving.settlement.queue_sqlite import SqliteConsumer, SqliteQueue
from serving.settlement.receipts import Receipt
from serving.settlement.shop_events import ShopEvent
from serving.settlement.till import ENTRIES, MOVEMENTS, REFUSED, REVIEWS
from serving.settlement.transport import Fenced, Followed, Follower, LogLost, Message, Topics
from serving.settlement.transport_kafka import KafkaConsumer, KafkaProducer

KEY = Ed25519PrivateKey.generate()


class Shop:
    """Books and ledger in files under a folder, logs in a file or in Kafka; processors that may be killed."""

    def __init__(self, home: Path, broker: KafkaBroker | None = None) -> None:
        self.home, self.broker, self.topics = home, broker, Topics(f"shop.{uuid.uuid4().hex[:8]}")
        self.queue: Any = SqliteQueue(home / "queue.sqlite") if broker is None else KafkaProducer(broker.config)
        self.make_topics()

    def make_topics(self) -> None:
        if self.broker is not None:
            self.broker.make_topics(self.topics.events, *map(self.topics.of, (ENTRIES, MOVEMENTS, REVIEWS, REFUSED)))

    def consumer(self) -> Any:
        if self.broker is None:
            return self.queue.consumer("till", self.topics.events)
        return KafkaConsumer(self.broker.config, f"till-{self.topics.prefix}", self.topics.events)

    def ledger(self) -> Ledger:
        store = SqliteLedger(self.home / "ledger.sqlite")
        return Ledger(store, KEY, origin="test.example", clock=lambda: "2026-11-30T12:00:00Z")

    def processor(self) -> Processor:
        return Processor(
            self.consumer(),
            Books(SqliteDatabase(self.home / "books.sqlite", SCHEMA)),
            self.ledger(),
            topics=self.topics,
        )

    def tell(self, *events: ShopEvent) -> None:
        self.queue.send([Message(self.topics.events, each.shop, each.model_dump_json().encode()) for each in events])

    def sent(self, topic: str = ENTRIES) -> list[dict[str, Any]]:
        if self.broker is None:
            return [json.loads(each.value) for each in self.queue.read(self.topics.of(topic), 0, 10_000)]
        reader = KafkaConsumer(self.broker.config, f"look-{uuid.uuid4().hex}", self.topics.of(topic))
        return [json.loads(each.value) for each in read_all(reader)]


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    made = KafkaBroker(tmp_path_factory.mktemp("kafka") / "home")
    made.start()
    yield made
    made.stop()


@pytest.fixture(params=["files", pytest.param("kafka", marks=pytest.mark.streams)])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    return Shop(tmp_path, request.getfixturevalue("broker") if request.param == "kafka" else None)


def visits(count: int) -> Iterator[ShopEvent]:
    yield LIST
    for number in range(count):
        name, second = f"v{number}", 10.0 * number
        yield entered(name, second)
        yield moved("take", "milk", second + 1, 1 + number % 3, visit=name)
        yield moved("take", "tea", second + 2, visit=name)
        yield moved("put", "tea", second + 3, visit=name)
        yield passed(*["milk"] * (1 + number % 3), second=second + 8, visit=name)
        yield left(name, second + 9)


def run_out(processor: Processor, most: int = 50) -> None:
    """Until nothing comes any more; a broker takes a moment to answer the first time."""
    wait_s = 0.0 if isinstance(processor._consumer, SqliteConsumer) else 1.5
    while processor.step(wait_s, most):
        pass


def due(shop: Shop) -> dict[str, list[int]]:
    """By visit, what its entries say is due, in the ledger."""
    found: dict[str, list[int]] = {}
    for _, entry in shop.ledger().entries(1, 10_000):
        found.setdefault(entry.body["visit"], []).append(entry.body["due_cents"])
    return found


def expected(count: int) -> dict[str, list[int]]:
    return {f"v{number}": [119 * (1 + number % 3)] for number in range(count)}


def follower(shop: Shop, back: int) -> Follower:
    topics = [shop.topics.events, shop.topics.of(ENTRIES)]
    if shop.broker is None:
        return SqliteFollower(shop.queue, topics, back)
    return KafkaFollower(shop.broker.config, topics, back)


def read(onlooker: Follower, count: int) -> list[Followed]:
    found, until = list[Followed](), time.monotonic() + 20
    while len(found) < count and time.monotonic() < until:
        found += onlooker.read(100)
    return found


def test_who_looks_on_sees_the_end_of_each_log_and_takes_nothing_away(shop: Shop) -> None:
    shop.tell(*visits(2))
    onlooker = follower(shop, 5)
    before = read(onlooker, 5)
    assert [each.record.offset for each in before] == [8, 9, 10, 11, 12]
    run_out(shop.processor())
    shop.tell(entered("late"))
    found = read(onlooker, 3)
    by_topic = Counter(each.topic for each in found)
    assert by_topic == {shop.topics.events: 1, shop.topics.of(ENTRIES): 2}
    assert due(shop) == expected(2) and onlooker.read(100) == []


def test_a_log_may_be_read_again_from_its_beginning(shop: Shop) -> None:
    shop.tell(LIST, *visits(3))
    reader = shop.consumer()
    first = read_all(reader)
    reader.commit({first[-1].partition: first[-1].offset + 1}, [])
    assert read_all(shop.consumer()) == []
    reader = shop.consumer()
    reader.commit(dict.fromkeys(reader.committed(), 0), [])
    reader.rewind()
    assert [each.value for each in read_all(reader)] == [each.value for each in first] and len(first) > 3


def read_all(reader: Any) -> list[Any]:
    return [each for records in takewhile(bool, (reader.poll(1_000, 4.0) for _ in range(1_000))) for each in records]


def test_every_visit_is_billed_with_a_receipt_that_proves_it(shop: Shop) -> None:
    shop.tell(*visits(7))
    run_out(shop.processor())
    assert due(shop) == expected(7)
    receipts = [Receipt.from_json(json.dumps(each)) for each in shop.sent()]
    assert [each.entry.body["visit"] for each in receipts] == list(expected(7))
    for each in receipts:
        each.check(KEY.public_key(), "test.example")


class Killed(BaseException):
    """As a SIGKILL between two calls: nothing after it runs."""


def killing(monkeypatch: pytest.MonkeyPatch, rng: random.Random, share: float) -> Callable[[], None]:
    """Calls that touch a disk end the process now and then, before they did it or after."""
    places = [
        (Books, "keep"), (Books, "sent"), (Ledger, "append"), (Ledger, "receipt"),
        *((owner, name) for owner in (SqliteConsumer, KafkaConsumer) for name in ("commit", "poll")),
    ]  # fmt: skip
    for owner, name in places:
        whole = getattr(owner, name)

        def called(self: Any, *given: Any, whole: Any = whole) -> Any:
            if rng.random() < share:
                raise Killed
            answer = whole(self, *given)
            if rng.random() < share:
                raise Killed
            return answer

        monkeypatch.setattr(owner, name, called)
    return monkeypatch.undo


@pytest.mark.parametrize(
    ("shop", "seed"),
    [("files", seed) for seed in range(8)]
    + [pytest.param("kafka", seed, marks=pytest.mark.streams) for seed in (0, 1)],
    indirect=["shop"],
)
def test_killed_anywhere_each_bill_comes_once(shop: Shop, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rng = random.Random(seed)
    events = list(visits(20))
    events += rng.sample(events, 20)
    shop.tell(*events)
    undo, kills = killing(monkeypatch, rng, 0.08), 0
    while True:
        try:
            processor = shop.processor()
            run_out(processor, rng.randint(1, 9))
            break
        except Killed:
            kills += 1
    undo()
    assert kills > 5
    assert due(shop) == expected(20)
    assert sorted(each["entry"]["body"]["visit"] for each in shop.sent()) == sorted(expected(20)), "told once"
    moved = {each["visit"]: [row["value_cents"] for row in each["movements"]] for each in shop.sent(MOVEMENTS)}
    assert moved == expected(20) and len(shop.sent(MOVEMENTS)) == 20, "goods moved once, worth what was due"


def test_what_cannot_be_read_is_set_aside_and_holds_nothing_up(shop: Shop) -> None:
    shop.queue.send([Message(shop.topics.events, "s1", each) for each in (b"{}", b"\xff")])
    shop.tell(*visits(1))
    processor = shop.processor()
    run_out(processor)
    assert due(shop) == expected(1) and processor.done.refused == 2
    first, second = shop.sent(REFUSED)
    assert "kind" in first["error"] and first["event"] == "{}" and second["event"] == "\ufffd"


def test_a_huge_message_that_is_no_text_holds_nothing_up(shop: Shop) -> None:
    """Quoted whole it would be three times as long, and no message any more."""
    shop.queue.send([Message(shop.topics.events, "s1", b"\xff" * (3 << 20))])
    shop.tell(*visits(2))
    run_out(shop.processor())
    assert due(shop) == expected(2)


def test_of_two_processors_the_later_goes_on_alone(shop: Shop) -> None:
    shop.tell(*visits(3))
    old = shop.processor()
    old.step(0.0, 4)
    new = shop.processor()
    with pytest.raises(Overtaken, match="this one ends"):
        old.step(0.0, 4)
    new.step(0.0, 3)
    with pytest.raises(Overtaken, match="this one ends"):
        old.begin()
    with pytest.raises(Fenced, match=r"another consumer .*this one ends"):
        old._send()
    run_out(new)
    assert due(shop) == expected(3) and len(shop.sent()) == 3


def test_one_that_was_overtaken_forgets_nothing_of_its_follower(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.tell(*visits(1))
    old, held = shop.processor(), list[tuple[int, int]]()
    with monkeypatch.context() as stalled:
        stalled.setattr(old._books, "sent", lambda *told: held.append(told))
        run_out(old)
    new = shop.processor()
    shop.tell(*list(visits(2))[7:])
    with monkeypatch.context() as killed, pytest.raises(Killed):
        killed.setattr(new._ledger, "append", kill)
        run_out(new)
    with pytest.raises(Overtaken, match="this one ends"):
        old._books.sent(*held[-1])
    run_out(shop.processor())
    assert due(shop) == expected(2) and len(shop.sent()) == 2


def kill(*_: Any) -> None:
    raise Killed


def test_a_log_that_began_anew_is_not_taken_for_the_one_that_was_read(shop: Shop) -> None:
    shop.tell(*visits(3))
    run_out(shop.processor())
    shop.processor()  # whose log ends where it was read up to
    shop.topics = Topics(f"{shop.topics.prefix}.anew")
    shop.make_topics()
    shop.tell(*visits(2))
    with pytest.raises(
        LogLost, match=r"partition 0 of the log ends at 13, but was read up to 19: .* Bring the log back"
    ):
        shop.processor()


def test_a_full_disk_keeps_nothing_half_and_goes_on_once_there_is_room(shop: Shop) -> None:
    shop.tell(*visits(40))
    database = SqliteDatabase(shop.home / "books.sqlite", SCHEMA)
    books = Books(database)
    processor = Processor(shop.consumer(), books, shop.ledger(), topics=shop.topics)
    processor.step(0.0, 10)
    before = books.positions()
    database._connection().execute("PRAGMA max_page_count = 12")
    with pytest.raises(DatabaseError, match="full; nothing of this was kept"):
        run_out(processor)
    assert books.positions()[0] >= before[0] and processor._positions == books.positions()
    database._connection().execute("PRAGMA max_page_count = 1000000")
    processor.begin()
    run_out(processor)
    assert due(shop) == expected(40) and len(shop.sent()) == 40


def test_a_ledger_that_disagrees_stops_it(shop: Shop) -> None:
    shop.ledger().append([Entry("bill:s1:v0", "bill", {"visit": "v0", "due_cents": 1})])
    shop.tell(*visits(1))
    with pytest.raises(ValueError, match="says something else"):
        run_out(shop.processor())


def test_a_queue_that_is_no_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "queue.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(RuntimeError, match="not a database; nothing of this was kept"):
        SqliteQueue(tmp_path / "queue.sqlite")
