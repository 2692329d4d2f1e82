"""Signed notes: a text and under it signatures, each by a name and its key; how logs publish their heads.

Format: C2SP signed-note and tlog-checkpoint. A head of the ledger reads the same to any tool of transparency logs.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"  # type of a signature in the format
_NAME = re.compile(r"[^\s+]{1,120}")
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
LONGEST_NOTE = 10_000


class NoteError(ValueError):
    """A note that cannot be read, or that nobody we trust has signed; the message says what is wrong with it."""


@dataclass(frozen=True)
class Head:
    """A tree of `size` entries with root hash `root` (32 bytes), as `origin` has seen it; `when` is ISO 8601 in UTC."""

    origin: str
    size: int
    root: bytes
    when: str

    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n{self.when}\n"


def check_name(name: str) -> str:
    """The name of a ledger as it stands in its notes; NoteError where it cannot."""
    if not _NAME.fullmatch(name):
        raise NoteError(
            f"ledger name {name!r}: use 1 to 120 characters without spaces and '+', such as shop-12.example"
        )
    return name


def sign_head(head: Head, key: "Ed25519PrivateKey") -> str:
    """The head as a note signed by its origin."""
    text = head.text()
    told = _key_hash(head.origin, key.public_key().public_bytes_raw()) + key.sign(text.encode())
    return f"{text}\n— {head.origin} {base64.b64encode(told).decode()}\n"


def open_head(note: str, key: "Ed25519PublicKey", origin: str | None = None) -> Head:
    """The head in a note that the holder of `key` has signed; `origin`: the ledger it must be of. Other signatures are ignored."""
    from cryptography.exceptions import InvalidSignature

    if len(note) > LONGEST_NOTE:
        raise NoteError(f"the note has {len(note):,} characters: a head has at most {LONGEST_NOTE:,}")
    text, gap, signatures = note.rpartition("\n\n")
    lines = text.split("\n")
    if not gap or len(lines) != 4:
        raise NoteError("this is no signed head: it has four lines, an empty one, and a signature")
    name, size, root, when = lines
    if origin is not None and name != origin:
        raise NoteError(f"the head is of ledger {name!r}, {origin!r} is asked")
    head = Head(name, _size(size), _root(root), when)
    expected = _key_hash(name, key.public_bytes_raw())
    for line in signatures.splitlines():
        found = _SIGNATURE.fullmatch(line)
        if found is None or found[1] != name:
            continue
        told = _decoded(found[2])
        if told[:4] != expected:
            continue
        try:
            key.verify(told[4:], f"{text}\n".encode())
        except InvalidSignature as error:
            raise NoteError(
                f"the signature under the head of {size} entries is not of this text: it was changed"
            ) from error
        return head
    raise NoteError(f"nobody holding this key has signed the head of {size} entries: take the ledger's own public key")


def _size(text: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,14}", text):
        raise NoteError(f"{text!r} is no number of entries")
    return int(text)


def _root(text: str) -> bytes:
    root = _decoded(text)
    if len(root) != hashlib.sha256().digest_size:
        raise NoteError(f"the root {text!r} has {len(root)} bytes, SHA-256 has 32")
    return root


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError(f"{text[:60]!r} is no base64: {error}") from error


def _key_hash(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]
