"""Impression ids: what must be known of a shown item to learn from a click on it, sealed into the id itself.

No request waits for a disk because of them, and they are known again after a restart and by every replica that has the
key. A seal is not a secret: an id says which numbers the service gave out, and nobody else can give out one.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

VERSION = 1
KEY_BYTES, SEAL_BYTES, NONCE_BYTES = 32, 8, 8
KEY_FILE = "impressions.key"
MAX_LENGTH = 200

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class UnknownImpressionError(ValueError):
    """Not an id that a holder of this key gave out; the message names it."""


@dataclass(frozen=True)
class Impressions:
    """N shown items: short `names` for the journal, `shown_us` (N,) microseconds since 1970, `codes` (N, C), `offset` in
    log-odds and `propensity` (N,) in (0, 1], `position` (N,) from 0."""

    names: tuple[str, ...]
    shown_us: Ints
    codes: Ints
    offset: Floats
    propensity: Floats
    position: Ints

    def take(self, rows: Ints) -> "Impressions":
        """Some of them, in the order of `rows`."""
        names = tuple(self.names[row] for row in rows.tolist())
        return Impressions(
            names, self.shown_us[rows], self.codes[rows], self.offset[rows], self.propensity[rows], self.position[rows]
        )


class ImpressionIds:
    """Gives out ids and reads them again."""

    def __init__(self, key: bytes, columns: int) -> None:
        """columns: numbers in a row of codes; ids made for another number are not known."""
        self._key = key
        self._row = np.dtype(
            [
                ("version", "u1"),
                ("nonce", f"V{NONCE_BYTES}"),
                ("position", "u1"),
                ("shown_us", "<i8"),
                ("offset", "<f8"),
                ("propensity", "<f8"),
                ("codes", "<i8", (columns,)),
            ]
        )

    def give(self, shown_us: int, codes: Ints, offset: Floats, propensity: Floats) -> list[str]:
        """Ids of one slate, the first position first: codes (K, C), offset and propensity (K,), K at most 256."""
        rows = np.zeros(len(codes), dtype=self._row)
        rows["version"], rows["shown_us"], rows["position"] = VERSION, shown_us, np.arange(len(codes))
        rows["nonce"] = np.void(secrets.token_bytes(NONCE_BYTES))
        rows["codes"], rows["offset"], rows["propensity"] = codes, offset, propensity
        return [_text(row.tobytes() + self._seal(row.tobytes())) for row in rows]

    def read(self, ids: Sequence[str]) -> Impressions:
        """What the ids say; UnknownImpressionError names the first that was not given out by this key."""
        size = self._row.itemsize
        packed = []
        for name in ids:
            data = _bytes(name)
            if len(data) != size + SEAL_BYTES or not hmac.compare_digest(data[size:], self._seal(data[:size])):
                raise UnknownImpressionError(
                    f"impression {name[:24]!r} was not given out by this service: send ids as `recommend` replied them"
                )
            packed.append(data[:size])
        rows = np.frombuffer(b"".join(packed), dtype=self._row)
        return Impressions(
            tuple(_text(data[1 : 2 + NONCE_BYTES]) for data in packed),
            rows["shown_us"].astype(np.int64),
            rows["codes"].astype(np.int64),
            rows["offset"].astype(np.float64),
            rows["propensity"].astype(np.float64),
            rows["position"].astype(np.int64),
        )

    def _seal(self, data: bytes) -> bytes:
        return hashlib.blake2b(data, key=self._key, digest_size=SEAL_BYTES).digest()


def read_key(folder: Path, name: str = KEY_FILE) -> bytes:
    """A key of the folder, made where there is none: whoever shares the folder knows each other's ids."""
    file = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        handle, draft = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(draft, file)  # the first of several that begin at once wins
        except FileExistsError:
            pass
        finally:
            Path(draft).unlink()
    key = file.read_bytes()
    if len(key) != KEY_BYTES:
        raise ValueError(f"{file}: {len(key)} bytes, expected {KEY_BYTES}: remove it, and ids given out are forgotten")
    return key


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """The bytes of an id; nothing where it is none."""
    try:
        return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return b""
