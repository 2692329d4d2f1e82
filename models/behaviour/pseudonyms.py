"""Names of devices that cannot be followed from day to day, nor led back to a device once a day's salt is destroyed.

A pseudonym is HMAC-SHA256 (RFC 2104) of the device's address under the shop's secret and the day's salt. Addresses are few enough
to try them all, so that the secret protects those whose salt still lives, and the end of its salt all that came before.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

SALT_BYTES = 32
SECRET_BYTES_MIN = 16
_OWNER_ONLY = 0o600
_LENGTH = 32  # hexadecimal digits of a pseudonym: 128 bits


class PseudonymError(ValueError):
    """A pseudonym that may not or can no longer be made; the message names the day or the bound, and the remedy."""


@dataclass(frozen=True)
class Salts:
    """Daily salts in `file`, for its owner alone; each is drawn on its own day and destroyed `keep_days` later, by which names of
    late events can still be made. Back-ups must leave the file out: a copy of a salt is the salt."""

    file: Path
    keep_days: int
    draw: Callable[[int], bytes] = secrets.token_bytes

    def of(self, day: date, *, today: date) -> bytes:
        """The salt of a day, and no salt older than `keep_days` any more. PseudonymError for a day without one."""
        kept = self.destroy(today=today)
        if day == today and day not in kept:
            kept[day] = self.draw(SALT_BYTES)
            self._write(kept)
        if day not in kept:
            raise PseudonymError(
                f"{day}: no salt on {today}: salts live {self.keep_days} days and are drawn on their own day alone; "
                "drop the events"
            )
        return kept[day]

    def destroy(self, *, today: date) -> dict[date, bytes]:
        """Destroy the salts of days more than `keep_days` ago, and return those that live."""
        if self.keep_days < 0:
            raise PseudonymError(f"keep_days {self.keep_days}: expected at least 0")
        salts = self._read()
        kept = {day: salt for day, salt in salts.items() if day >= today - timedelta(days=self.keep_days)}
        if len(kept) < len(salts):
            self._write(kept)
        return kept

    def days(self) -> list[date]:
        """Days whose salts there are, in order."""
        return sorted(self._read())

    def _read(self) -> dict[date, bytes]:
        told = json.loads(self.file.read_text(encoding="ascii")) if self.file.is_file() else {}
        return {date.fromisoformat(day): bytes.fromhex(salt) for day, salt in told.items()}

    def _write(self, salts: dict[date, bytes]) -> None:
        text = json.dumps({day.isoformat(): salt.hex() for day, salt in sorted(salts.items())})
        self.file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.file.with_suffix(".part")
        unfinished.unlink(missing_ok=True)
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(self.file)


def pseudonyms(devices: Sequence[str], *, secret: bytes, salt: bytes) -> list[str]:
    """Names (N,) of devices (N,) on the day of a salt. PseudonymError for a secret that is too short to be one."""
    if len(secret) < SECRET_BYTES_MIN:
        raise PseudonymError(
            f"a secret of {len(secret)} bytes: expected at least {SECRET_BYTES_MIN}: draw a longer one"
        )
    key = hmac.digest(secret, salt, hashlib.sha256)
    return [hmac.new(key, device.encode(), hashlib.sha256).hexdigest()[:_LENGTH] for device in devices]
