"""Where a shop's logs and books lie, and what its till waits for: `STORELOOP_SHOP_<NAME>`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from serving.settlement.books import SCHEMA, Books
from serving.settlement.database import PostgresDatabase, SqliteDatabase
from serving.settlement.ledger import Ledger
from serving.settlement.processor import Processor
from serving.settlement.queue_sqlite import SqliteQueue
from serving.settlement.till import TillConfig
from serving.settlement.transport import Consumer, Follower, Producer, Topics

if TYPE_CHECKING:
    from serving.settlement.transport_kafka import KafkaConfig

FOLDER, QUEUE, BOOKS = "shop", "queue.sqlite", "books.sqlite"
_CONSUMER = "till"


class ShopSettings(BaseSettings):
    """Every knob of checkout; what is not named lies in the folder `shop` of Storeloop's home."""

    model_config = SettingsConfigDict(env_prefix="STORELOOP_SHOP_", frozen=True, extra="ignore")

    kafka: str = Field(default="", description="Brokers as host:port, several by commas; none: a queue in a file.")
    kafka_user: str = Field(default="", description="Name at the brokers (SASL over TLS); none: neither.")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="Password at the brokers.")
    books: SecretStr = Field(default=SecretStr(""), description="A SQLite file, or postgresql://...")
    topics: str = Field(
        default="shop", pattern=r"^[A-Za-z0-9._-]{1,100}$", description="What the names of the logs begin with."
    )
    sources: str = Field(default="", description="Sources whose word a bill waits for, by commas.")
    patience_s: float = Field(default=10.0, ge=0, le=86_400, description="Seconds that they are waited for.")
    least_confidence: float = Field(default=0.95, gt=0, le=1, description="Below it a person is asked.")

    def till(self) -> TillConfig:
        """What a till needs to know of these."""
        return TillConfig(
            sources=tuple(each.strip() for each in self.sources.split(",") if each.strip()),
            patience_s=self.patience_s,
            least_confidence=self.least_confidence,
        )

    def names(self) -> Topics:
        """Of the logs."""
        return Topics(self.topics)


def open_consumer(settings: ShopSettings, home: Path, name: str = _CONSUMER, topic: str = "") -> Consumer:
    """The reader of a topic, of events where none is named; one that was there before under `name` is fenced off."""
    topic = topic or settings.names().events
    if not settings.kafka:
        return open_queue(home).consumer(name, topic)
    from serving.settlement.transport_kafka import KafkaConsumer

    return KafkaConsumer(_kafka(settings), f"{settings.topics}-{name}", topic)


def open_processor(
    settings: ShopSettings,
    home: Path,
    ledger: Ledger,
    config: TillConfig | None = None,
    configs: Mapping[str, TillConfig] | None = None,
) -> Processor:
    """Who settles; one that did before ends. `config` where it is not that of the settings, `configs` by shop as for `Processor`."""
    books = open_books(settings, home)
    epoch = books.enter()  # first: one that still runs writes nothing down while the log changes hands
    consumer = open_consumer(settings, home)
    return Processor(consumer, books, ledger, config or settings.till(), configs, settings.names(), epoch)


def has_log(settings: ShopSettings, home: Path) -> bool:
    """Whether anything can be read: a broker is named, or the queue's file is there."""
    return bool(settings.kafka) or (home / FOLDER / QUEUE).is_file()


def open_follower(settings: ShopSettings, home: Path, topics: Sequence[str], back: int) -> Follower:
    """Who looks on: it begins `back` records before the end of each partition, and what it reads counts as before."""
    if not settings.kafka:
        from serving.settlement.followers import SqliteFollower

        return SqliteFollower(open_queue(home), topics, back)
    from serving.settlement.follower_kafka import KafkaFollower

    return KafkaFollower(_kafka(settings), topics, back)


def open_producer(settings: ShopSettings, home: Path) -> Producer:
    """A writer of events."""
    if not settings.kafka:
        return open_queue(home)
    from serving.settlement.transport_kafka import KafkaProducer

    return KafkaProducer(_kafka(settings))


def open_books(settings: ShopSettings, home: Path) -> Books:
    """What the tills have written down."""
    place = settings.books.get_secret_value()
    if place.startswith(("postgresql://", "postgres://")):
        return Books(PostgresDatabase(place, SCHEMA))
    return Books(SqliteDatabase(Path(place) if place else home / FOLDER / BOOKS, SCHEMA))


def open_queue(home: Path) -> SqliteQueue:
    """The logs in a file."""
    return SqliteQueue(home / FOLDER / QUEUE)


def _kafka(settings: ShopSettings) -> "KafkaConfig":
    from serving.settlement.transport_kafka import KafkaConfig

    secured = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": settings.kafka_user,
        "sasl.password": settings.kafka_password.get_secret_value(),
    }
    return KafkaConfig(servers=settings.kafka, more=secured if settings.kafka_user else {})
