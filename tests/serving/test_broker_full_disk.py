"""A broker whose disk is full: nobody is billed twice or forgotten, and all goes on once there is room."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka_broker import KafkaBroker
from ledger_case import KEY, ORIGIN, PUBLIC, WHEN, store_at
from till_shop import LIST, SHOP, entered, left, moved

from serving.settlement.audit import audit
from serving.settlement.books import SCHEMA, Books
from serving.settlement.database import SqliteDatabase
from serving.settlement.ledger import Ledger
from serving.settlement.processor import Processor
from serving.settlement.till import ENTRIES, MOVEMENTS, REFUSED, REVIEWS
from serving.settlement.transport import Message, Topics, TransportError
from serving.settlement.transport_kafka import KafkaConsumer, KafkaProducer

pytestmark = [pytest.mark.streams, pytest.mark.slow]
LARGEST_FILE, NOISE = 4 << 20, b"~" * 400_000  # bytes
VISITS = 12


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    broker = KafkaBroker(tmp_path / "kafka")
    broker.start()
    yield broker
    broker.stop()


def told(number: int) -> list[Message]:
    name, second = f"v{number}", 60.0 * number
    events = [LIST, entered(name, second), moved("take", "milk", second + 5, visit=name), left(name, second + 30)]
    return [Message(Topics().events, SHOP, each.model_dump_json().encode()) for each in events]


def wait_for(place: str, entries: int) -> None:
    until = time.monotonic() + 120
    while store_at(place).size() < entries and time.monotonic() < until:
        time.sleep(0.1)
    assert store_at(place).size() == entries


def test_a_full_disk_of_the_broker_loses_and_repeats_nothing(broker: KafkaBroker, tmp_path: Path) -> None:
    """What cannot be read is told between the visits, until a file of the log may grow no more."""
    topics = Topics()
    broker.make_topics(topics.events, *map(topics.of, (ENTRIES, MOVEMENTS, REVIEWS, REFUSED)))
    place, stop = str(tmp_path / "ledger.sqlite"), threading.Event()
    processor = Processor(
        KafkaConsumer(broker.config, "till", topics.events),
        Books(SqliteDatabase(tmp_path / "books.sqlite", SCHEMA)),
        Ledger(store_at(place), KEY, origin=ORIGIN, clock=lambda: WHEN),
        topics=topics,
    )
    settling = threading.Thread(target=processor.run, args=(stop,))
    settling.start()
    producer, refused = KafkaProducer(broker.config), 0
    producer.send(told(0))
    wait_for(place, 1)
    broker.fill(LARGEST_FILE)
    noise = Message(topics.events, SHOP, NOISE)
    for number in range(VISITS):
        while True:
            try:
                producer.send([*told(number), noise])
                break
            except TransportError:
                refused += 1
                broker.stop()
                broker.start()  # there is room
    assert refused, "the disk was never full"
    wait_for(place, VISITS)
    stop.set()
    settling.join(60)
    assert audit(store_at(place), PUBLIC, origin=ORIGIN).entries == VISITS
    reader, sent = KafkaConsumer(broker.config, "look", topics.of(ENTRIES)), []
    while records := reader.poll(1_000, 5.0):
        sent += [json.loads(each.value)["entry"]["id"] for each in records]
    assert sorted(sent) == sorted(f"bill:{SHOP}:v{number}" for number in range(VISITS))
