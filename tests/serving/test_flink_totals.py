"""Totals by Flink on a real broker, across a kill and a restart from its checkpoint, beside DuckDB over all entries."""

import json
import random
import time
import uuid
from pathlib import Path
from typing import Any

import duckdb
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flink_cluster import FlinkCluster, newest_checkpoint
from kafka_broker import KafkaBroker
from pydantic import ValidationError
from test_settlement_kills import story

from serving.settlement.books import SCHEMA, Books
from serving.settlement.database import SqliteDatabase
from serving.settlement.flink_job import FlinkJobConfig, job
from serving.settlement.ledger import Ledger
from serving.settlement.ledger_sqlite import SqliteLedger
from serving.settlement.processor import Processor
from serving.settlement.shop_events import ShopEvent
from serving.settlement.till import TillConfig
from serving.settlement.transport import Message, Topics
from serving.settlement.transport_kafka import KafkaConsumer, KafkaProducer


class Chain:
    """A broker, a till, and what lies in the logs."""

    def __init__(self, home: Path, broker: KafkaBroker) -> None:
        self.config, self.topics = broker.config, Topics()
        names = ("entries", "movements", "reviews", "refused", "totals", "suspicious")
        broker.make_topics(self.topics.events, *map(self.topics.of, names))
        ledger = Ledger(
            SqliteLedger(home / "ledger.sqlite"),
            Ed25519PrivateKey.generate(),
            origin="test.example",
            clock=lambda: "2026-11-30T12:00:00Z",
        )
        books = Books(SqliteDatabase(home / "books.sqlite", SCHEMA))
        self.producer = KafkaProducer(broker.config)
        self._till = Processor(
            KafkaConsumer(broker.config, "till", self.topics.events), books, ledger, TillConfig(sources=("boxes",))
        )

    def settle(self, events: list[ShopEvent]) -> None:
        told = [Message(self.topics.events, each.shop, each.model_dump_json().encode()) for each in events]
        for first in range(0, len(told), 500):
            self.producer.send(told[first : first + 500])
        while self._till.step(2.0):
            pass

    def read(self, topic: str) -> list[tuple[str, bytes]]:
        reader = KafkaConsumer(self.config, f"look-{uuid.uuid4().hex}", self.topics.of(topic))
        found: list[tuple[str, bytes]] = []
        while records := reader.poll(10_000, 2.0):
            found += [(each.key, each.value) for each in records]
        reader.close()
        return found

    def upserted(self, topic: str) -> dict[str, dict[str, Any]]:
        """The last value of each key; none where it was taken back."""
        last = dict(self.read(topic))
        return {key: json.loads(value) for key, value in last.items() if value}


def by_duckdb(chain: Chain) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    rows = []
    for _, value in chain.read("entries"):
        entry = json.loads(value)["entry"]
        body = entry["body"]
        left, asked = body["left"], len(body["asked"])
        rows.append(
            (entry["kind"], body["shop"], body["account"] or "", left[:16], left[:13], body["due_cents"], asked)
        )
    database = duckdb.connect()
    database.execute(
        "CREATE TABLE e (kind TEXT, shop TEXT, account TEXT, left_minute TEXT, left_hour TEXT, due BIGINT, asked BIGINT)"
    )
    database.executemany("INSERT INTO e VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    totals = database.execute(
        "SELECT shop, left_minute, count(*) FILTER (kind = 'bill'), count(*) FILTER (kind <> 'bill'), sum(due)::BIGINT "
        "FROM e GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    suspicious = database.execute(
        "SELECT account, left_hour, count(*) FILTER (due < 0) AS refunds, sum(greatest(-due, 0))::BIGINT AS back, "
        "(sum(asked) FILTER (kind = 'bill'))::BIGINT FROM e WHERE account <> '' GROUP BY ALL HAVING refunds >= 3 OR back >= 5000 "
        "ORDER BY ALL"
    ).fetchall()
    return totals, suspicious


def agrees(chain: Chain, within_s: float = 120) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Both recomputations, once Flink tells the same."""
    expected, until = by_duckdb(chain), time.monotonic() + within_s
    while True:
        found = tuple(
            sorted(tuple(each.values()) for each in chain.upserted(topic).values())
            for topic in ("totals", "suspicious")
        )
        if found == expected or time.monotonic() > until:
            assert found == expected
            return expected
        time.sleep(1.0)


@pytest.mark.slow
@pytest.mark.streams
@pytest.mark.timeout(900)
def test_totals_equal_a_recomputation_across_a_restart(tmp_path: Path) -> None:
    broker, flink, checkpoints = (
        KafkaBroker(tmp_path / "kafka"),
        FlinkCluster(tmp_path / "flink"),
        tmp_path / "checkpoints",
    )
    broker.start()
    chain = Chain(tmp_path, broker)
    events, _ = story(random.Random(3))
    half = len(events) // 2
    told = FlinkJobConfig(servers=chain.config.servers, checkpoints=checkpoints.as_uri(), checkpoint_interval="500 ms")
    flink.start()
    try:
        flink.submit(job(told))
        chain.settle(events[:half])
        before, _ = agrees(chain)
        time.sleep(2.0)
        flink.kill()
        chain.settle(events[half:])
        newest = newest_checkpoint(checkpoints)
        assert newest is not None
        seen = len(chain.read("totals"))
        flink.start()
        flink.submit(job(told.model_copy(update={"recover": newest.as_uri()})))
        totals, suspicious = agrees(chain)
        assert len(totals) > len(before) and suspicious
        late = set(dict.fromkeys(totals)) - set(before)
        assert any(row[1] == other[1] and row != other for row in late for other in before), (
            "a minute told before has changed"
        )
        keys = [key for key, _ in chain.read("totals")[seen:]]
        assert json.loads(keys[0])["left_minute"] > before[0][1], "it went on, it did not begin again"
    finally:
        flink.stop()
        broker.stop()


def test_the_job_is_told_where_and_refuses_what_would_end_a_text() -> None:
    told = job(
        FlinkJobConfig(servers="127.0.0.1:9092", checkpoints="file:///c", topics="chain", recover="file:///c/chk-7")
    )
    assert "'topic' = 'chain-entries'" in told and ">= 3\n" in told and "${" not in told
    assert told.startswith("SET 'execution.state-recovery.path' = 'file:///c/chk-7';\nSET")
    assert "recovery" not in job(FlinkJobConfig(servers="a:1", checkpoints="file:///c"))
    with pytest.raises(ValidationError, match="servers"):
        FlinkJobConfig(servers="a'; DROP", checkpoints="file:///c")
