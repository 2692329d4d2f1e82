"""The logs in Apache Kafka: what is consumed and what is produced for it lie in one transaction of the broker.

A transaction that is in doubt when the broker goes away is ended by the next `rewind`, which then asks what was committed.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Consumer as Reader
from confluent_kafka import Producer as Writer
from pydantic import BaseModel, ConfigDict, Field

from serving.settlement.queue_sqlite import check
from serving.settlement.transport import LARGEST_MESSAGE, Fenced, Message, Record, TransportError

_FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
_ROOM = 1 << 16  # bytes beside a message: headers of the batch


class KafkaConfig(BaseModel):
    """Where the broker is and how long it is waited for. What else librdkafka takes (TLS, SASL) comes in `more`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    servers: str = Field(min_length=1, max_length=1_000, description="host:port, several by commas")
    timeout_s: float = Field(default=15.0, gt=0, le=300, description="of each answer")
    more: Mapping[str, str] = Field(default_factory=dict)

    def common(self) -> dict[str, Any]:
        """Settings of every client."""
        return {
            **self.more,
            "bootstrap.servers": self.servers,
            "socket.timeout.ms": int(1_000 * self.timeout_s),
            "reconnect.backoff.max.ms": 1_000,
            "message.max.bytes": LARGEST_MESSAGE + _ROOM,
            "log_level": 2,  # what goes wrong is raised; a line for each try to connect would fill the log
        }


class KafkaProducer:
    """See `Producer`: a producer of many, none of which sends anything twice."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._writer = Writer(
            config.common()
            | {"enable.idempotence": True, "linger.ms": 0, "delivery.timeout.ms": int(1_000 * config.timeout_s)}
        )

    def send(self, messages: Sequence[Message]) -> None:
        """All on the broker's disk, or TransportError: some may lie there then, and come twice when they are sent again."""
        check(messages)
        _produce(self._writer, messages, self._config.timeout_s)


class KafkaConsumer:
    """See `Consumer`: the one reader of all partitions of a topic under `name`, by which a later one fences off this one."""

    def __init__(self, config: KafkaConfig, name: str, topic: str) -> None:
        self._config, self._name, self._topic = config, name, topic
        self._reader = Reader(
            config.common()
            | {
                "group.id": name,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 20,
            }
        )
        self._writer: Writer | None = None
        self.rewind()

    def committed(self) -> Mapping[int, int]:
        """Of all partitions."""
        found = asked(lambda: self._reader.committed(self._partitions(), self._config.timeout_s))
        return {each.partition: max(each.offset, 0) for each in found}

    def ends(self) -> Mapping[int, int]:
        """Of all partitions, as far as transactions have ended."""
        wait_s = self._config.timeout_s
        return {
            each.partition: int(asked(partial(self._reader.get_watermark_offsets, each, wait_s))[1])
            for each in self._partitions()
        }

    def poll(self, most: int, wait_s: float) -> Sequence[Record]:
        """Records of any partitions."""
        first = asked(lambda: self._reader.poll(wait_s))
        # `consume` would wait until there are `most`: the first that comes goes on at once, with what is there beside it.
        rest = asked(lambda: self._reader.consume(most - 1, 0.0)) if first is not None and most > 1 else []
        return [record_of(each) for each in ([first, *rest] if first is not None else [])]

    def commit(self, consumed: Mapping[int, int], messages: Sequence[Message]) -> None:
        """In one transaction."""
        check(messages)
        writer, wait_s = self._writer, self._config.timeout_s
        if writer is None:
            raise TransportError(f"{self._topic}: rewind first, the last transaction failed")
        offsets = [TopicPartition(self._topic, partition, offset) for partition, offset in consumed.items()]
        try:
            asked(writer.begin_transaction)
            _produce(writer, messages, wait_s)
            asked(lambda: writer.send_offsets_to_transaction(offsets, self._reader.consumer_group_metadata(), wait_s))
            asked(lambda: writer.commit_transaction(wait_s))
        except TransportError:
            self._writer = None
            with suppress(KafkaException):
                writer.abort_transaction(1.0)
            raise

    def rewind(self) -> None:
        """Back to what was committed, once no transaction is under way any more."""
        if self._writer is None:
            writer = Writer(self._config.common() | {"transactional.id": self._name, "linger.ms": 0})
            asked(lambda: writer.init_transactions(self._config.timeout_s))
            self._writer = writer
        asked(
            lambda: self._reader.assign(
                [
                    TopicPartition(self._topic, partition, offset or OFFSET_BEGINNING)
                    for partition, offset in self.committed().items()
                ]
            )
        )

    def close(self) -> None:
        """Leave the broker."""
        self._reader.close()

    def _partitions(self) -> list[TopicPartition]:
        topics = asked(lambda: self._reader.list_topics(self._topic, self._config.timeout_s)).topics
        partitions = topics[self._topic].partitions
        if not partitions:
            raise TransportError(f"{self._config.servers} has no topic {self._topic!r}: make it first")
        return [TopicPartition(self._topic, number) for number in sorted(partitions)]


def _produce(writer: Writer, messages: Sequence[Message], wait_s: float) -> None:
    failed: list[str] = []

    def told(error: KafkaError | None, _: Any) -> None:
        if error is not None:
            failed.append(error.str())

    for each in messages:
        try:
            writer.produce(each.topic, each.value, each.key.encode(), on_delivery=told)
        except BufferError:
            raise TransportError(
                f"{len(messages)} messages in one step overflow what waits for the broker: read fewer"
            ) from None
        except KafkaException as error:
            raise _of(error) from error
    left = asked(lambda: writer.flush(wait_s))
    if left or failed:
        raise TransportError(
            f"{left + len(failed)} of {len(messages)} messages were not taken: {(failed or ['no answer'])[0]}"
        )


def record_of(message: Any) -> Record:
    """What librdkafka read; TransportError where it is the news of a failure."""
    if message.error() is not None:
        raise TransportError(f"{message.topic()}: {message.error().str()}")
    key = (message.key() or b"").decode(errors="replace")
    return Record(message.partition(), message.offset(), key, message.value() or b"")


def asked(call: Callable[[], Any]) -> Any:
    """What a call of librdkafka gives; TransportError where it fails, Fenced where another has begun."""
    try:
        return call()
    except KafkaException as error:
        raise _of(error) from error


def _of(error: KafkaException) -> TransportError:
    told = error.args[0]
    if told.code() in _FENCED or (told.fatal() and told.code() == KafkaError._FATAL and "fenced" in told.str().lower()):
        return Fenced(f"another consumer has begun: this one ends ({told.str()})")
    return TransportError(f"Kafka: {told.str()}; nothing of this counts, try it again")
