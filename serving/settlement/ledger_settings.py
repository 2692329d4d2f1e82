"""Where a ledger lies and whose keys it trusts: `STORELOOP_LEDGER_<NAME>`."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.common.keys import generate_keys, read_private_key, read_public_key
from serving.settlement.ledger import Ledger, Publish
from serving.settlement.ledger_postgres import PostgresLedger
from serving.settlement.ledger_reader import LedgerError
from serving.settlement.ledger_sqlite import SqliteLedger
from serving.settlement.ledger_store import LedgerStore
from serving.settlement.notes import TrustedKey

FOLDER, STORE, PRIVATE, PUBLIC = "ledger", "ledger.sqlite", "private.pem", "public.pem"
_RANGE = re.compile(r"(.+):(\d+)-(\d*)")


class LedgerSettings(BaseSettings):
    """Every knob of a ledger; what is not named lies in the folder `ledger` of Storeloop's home."""

    model_config = SettingsConfigDict(env_prefix="STORELOOP_LEDGER_", frozen=True, extra="ignore")

    store: SecretStr = Field(
        default=SecretStr(""), description="A SQLite file, or postgresql://...; best left to the environment."
    )
    origin: str = Field(default="shop-1.storeloop", description="Name of the ledger, which stands in every head.")
    key: Path | None = Field(default=None, description="Private key (PEM, for its owner alone) that signs heads.")
    keys: str = Field(
        default="",
        description="Public keys of all who have signed heads or may, FILE or FILE:FIRST-LAST (entries of the heads that it may "
        "sign; no LAST: any more), several by commas: `old.pem:1-5000,new.pem:5001-`.",
    )
    tsa: str = Field(default="", description="Address of a time-stamping authority (RFC 3161); none: no stamps.")
    tsa_root: Path | None = Field(default=None, description="Certificates (PEM) of that authority.")
    tsa_timeout_s: float = Field(default=10.0, gt=0, le=120, description="Seconds that the authority may take.")


def open_store(settings: LedgerSettings, home: Path, *, read_only: bool) -> LedgerStore:
    """The store that the settings name; LedgerStoreError where it is not there, and is not to be made."""
    place = _place(settings, home)
    return (
        PostgresLedger(place, read_only=read_only)
        if isinstance(place, str)
        else SqliteLedger(place, read_only=read_only)
    )


def has_store(settings: LedgerSettings, home: Path) -> bool:
    """Whether anything can be read: a database is named, or the file is there."""
    place = _place(settings, home)
    return isinstance(place, str) or place.is_file()


def _place(settings: LedgerSettings, home: Path) -> str | Path:
    """The address of a database, or a SQLite file."""
    place = settings.store.get_secret_value()
    if place.startswith(("postgresql://", "postgres://")):
        return place
    return Path(place) if place else home / FOLDER / STORE


def read_keys(named: Sequence[str]) -> list[TrustedKey]:
    """Public keys as `LedgerSettings.keys` has them, one each."""
    found = []
    for each in named:
        ranged = _RANGE.fullmatch(each)
        if ranged is None:
            found.append(TrustedKey(read_public_key(Path(each))))
            continue
        first, last = int(ranged[2]), int(ranged[3]) if ranged[3] else None
        if first < 1 or (last is not None and last < first):
            raise LedgerError(f"{each!r}: a key signs heads of at least 1 entry, and of FIRST to LAST")
        found.append(TrustedKey(read_public_key(Path(ranged[1])), first, last))
    return found


def trusted_keys(settings: LedgerSettings, home: Path) -> list[TrustedKey]:
    """The keys that the settings name; the public key in the ledger's folder where they name none."""
    named = [each.strip() for each in settings.keys.split(",") if each.strip()]
    return read_keys(named or [str(home / FOLDER / PUBLIC)])


def open_ledger(settings: LedgerSettings, home: Path, *, publish: Publish | None = None) -> Ledger:
    """The ledger to append to. A first ledger gets a key pair of its own where no key is named."""
    folder = home / FOLDER
    if settings.key is None and not settings.keys and not any((folder / name).exists() for name in (PRIVATE, STORE)):
        generate_keys(folder / PRIVATE, folder / PUBLIC)
    return Ledger(
        open_store(settings, home, read_only=False),
        read_private_key(settings.key or folder / PRIVATE),
        origin=settings.origin,
        clock=utc_now,
        publish=publish,
        keys=trusted_keys(settings, home) if settings.keys else (),
    )


def utc_now() -> str:
    """The time as heads state it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
