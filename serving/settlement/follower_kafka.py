"""Looking on at the logs in Apache Kafka: partitions are assigned by hand, so that no group knows of it."""

from collections.abc import Sequence
from uuid import uuid4

from confluent_kafka import Consumer as Reader
from confluent_kafka import TopicPartition

from serving.settlement.transport import Followed, TransportError
from serving.settlement.transport_kafka import KafkaConfig, asked, record_of

_WAIT_S = 0.05  # for a first record, each time


class KafkaFollower:
    """See `Follower`. TransportError where a topic is not there."""

    def __init__(self, config: KafkaConfig, topics: Sequence[str], back: int) -> None:
        self._config = config
        self._reader = Reader(
            config.common()
            | {
                "group.id": f"looking-on-{uuid4().hex}",  # asked for by the library; nothing is ever committed under it
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 20,
            }
        )
        asked(lambda: self._reader.assign([place for topic in topics for place in self._places(topic, back)]))

    def read(self, most: int) -> Sequence[Followed]:
        """Of any topics and partitions."""
        messages = asked(lambda: self._reader.consume(most, _WAIT_S))
        return [Followed(each.topic() or "", record_of(each)) for each in messages]

    def _places(self, topic: str, back: int) -> list[TopicPartition]:
        wait_s = self._config.timeout_s
        partitions = self._reader.list_topics(topic, wait_s).topics[topic].partitions
        if not partitions:
            raise TransportError(f"{self._config.servers} has no topic {topic!r}: make it first")
        found = []
        for number in sorted(partitions):
            low, high = self._reader.get_watermark_offsets(TopicPartition(topic, number), wait_s)
            found.append(TopicPartition(topic, number, max(high - back, low)))
        return found
