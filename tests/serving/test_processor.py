"""Exactly once on files: killed at any point, twice the same event, two processors, a full disk."""

import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from till_shop import LIST, entered, left, moved, passed

from serving.settlement.books import BooksError, Overtaken
from serving.settlement.books_sqlite import SqliteBooks
from serving.settlement.entries import Entry
from serving.settlement.ledger import Ledger
from serving.settlement.ledger_sqlite import SqliteLedger
from serving.settlement.processor import Processor
from serving.settlement.queue_sqlite import SqliteConsumer, SqliteQueue
from serving.settlement.receipts import Receipt
from serving.settlement.shop_events import ShopEvent
from serving.settlement.transport import ENTRIES, EVENTS, REFUSED, Fenced, Message

KEY = Ed25519PrivateKey.generate()


class Shop:
    """Queue, books and ledger in files under a folder; processors that may be killed."""

    def __init__(self, home: Path) -> None:
        self.home, self.queue = home, SqliteQueue(home / "queue.sqlite")

    def ledger(self) -> Ledger:
        store = SqliteLedger(self.home / "ledger.sqlite")
        return Ledger(store, KEY, origin="test.example", clock=lambda: "2026-11-30T12:00:00Z")

    def processor(self) -> Processor:
        return Processor(self.queue.consumer("till", EVENTS), SqliteBooks(self.home / "books.sqlite"), self.ledger())

    def tell(self, *events: ShopEvent) -> None:
        self.queue.send([Message(EVENTS, each.shop, each.model_dump_json().encode()) for each in events])

    def sent(self, topic: str = ENTRIES) -> list[dict[str, Any]]:
        return [json.loads(each.value) for each in self.queue.read(topic, 0, 10_000)]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


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
    while processor.step(0.0, most):
        pass


def due(shop: Shop) -> dict[str, list[int]]:
    """By visit, what its entries say is due, in the ledger."""
    found: dict[str, list[int]] = {}
    for _, entry in shop.ledger().entries(1, 10_000):
        found.setdefault(entry.body["visit"], []).append(entry.body["due_cents"])
    return found


def expected(count: int) -> dict[str, list[int]]:
    return {f"v{number}": [119 * (1 + number % 3)] for number in range(count)}


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
        (SqliteBooks, "keep"), (SqliteBooks, "sent"), (SqliteConsumer, "commit"), (SqliteConsumer, "poll"), (Ledger, "append"),
        (Ledger, "receipt"),
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


@pytest.mark.parametrize("seed", range(8))
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


def test_what_cannot_be_read_is_set_aside_and_holds_nothing_up(shop: Shop) -> None:
    shop.queue.send([Message(EVENTS, "s1", b"{}"), Message(EVENTS, "s1", b"\xff")])
    shop.tell(*visits(1))
    processor = shop.processor()
    run_out(processor)
    assert due(shop) == expected(1) and processor.done.refused == 2
    first, second = shop.sent(REFUSED)
    assert "kind" in first["error"] and first["event"] == "{}" and second["event"] == "\ufffd"


def test_of_two_processors_the_later_goes_on_alone(shop: Shop) -> None:
    shop.tell(*visits(3))
    old = shop.processor()
    old.step(0.0, 4)
    new = shop.processor()
    with pytest.raises(Overtaken, match="this one ends"):
        old.step(0.0, 4)
    new.step(0.0, 3)
    old.begin()
    with pytest.raises(Overtaken, match="this one ends"):
        old.step(0.0, 1)
    with pytest.raises(Fenced, match="another consumer 'till'"):
        old._send()
    run_out(new)
    assert due(shop) == expected(3) and len(shop.sent()) == 3


def test_a_full_disk_keeps_nothing_half_and_goes_on_once_there_is_room(shop: Shop) -> None:
    shop.tell(*visits(40))
    books = SqliteBooks(shop.home / "books.sqlite")
    processor = Processor(shop.queue.consumer("till", EVENTS), books, shop.ledger())
    processor.step(0.0, 10)
    before = books.positions()
    books._connection().execute("PRAGMA max_page_count = 12")
    with pytest.raises(BooksError, match="full; nothing of this was kept"):
        run_out(processor)
    assert books.positions()[0] >= before[0] and processor._positions == books.positions()
    books._connection().execute("PRAGMA max_page_count = 1000000")
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
    assert sqlite3.sqlite_version_info > (3, 35)
