"""What the tests of the ledger share: its keys, entries that look like bills, and stores."""

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from serving.settlement.entries import Entry
from serving.settlement.ledger import Ledger
from serving.settlement.ledger_postgres import PostgresLedger
from serving.settlement.ledger_sqlite import SqliteLedger
from serving.settlement.ledger_store import LedgerStore

KEY, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
PUBLIC = KEY.public_key()
ORIGIN, WHEN = "shop-1.example", "2026-11-30T12:00:00Z"


def bill(number: int, cents: int = 199) -> Entry:
    """A bill as short as they come."""
    return Entry(f"bill-{number}", "bill", {"cents": cents, "lines": [{"product": f"P{number % 7}", "count": 1}]})


def bills(first: int, last: int) -> list[Entry]:
    """Bills from `first` to before `last`."""
    return [bill(number) for number in range(first, last)]


def opened(store: LedgerStore | Path, publish: Callable[[str], None] | None = None) -> Ledger:
    """A ledger that signs with KEY; in a SQLite file where a path is given."""
    place = SqliteLedger(store) if isinstance(store, Path) else store
    return Ledger(place, KEY, origin=ORIGIN, clock=lambda: WHEN, publish=publish)


def store_at(place: str) -> LedgerStore:
    """The store at a database's address or in a file."""
    return PostgresLedger(place) if place.startswith("postgresql:") else SqliteLedger(Path(place))


def public_pem(file: Path, key: Ed25519PrivateKey = KEY) -> Path:
    """The public half of a key, as a file."""
    file.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return file
