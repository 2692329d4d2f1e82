"""Signed notes: a text and under it signatures, each by a name and its key; how logs publish their heads.

Format: C2SP signed-note and tlog-checkpoint. A head of the ledger reads the same to any tool of transparency logs.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.common.keys import key_id

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


@dataclass(frozen=True)
class TrustedKey:
    """A public key and the heads that it may sign: of `first` to `last` entries (None: of any more).

    A key that is retired keeps the range it has signed, so receipts of its time stay good. Whoever steals it afterwards cannot
    sign what came later, and cannot rewrite what it has signed: each head of a later key covers all earlier entries too.
    """

    key: "Ed25519PublicKey"
    first: int = 1
    last: int | None = None

    def may_sign(self, size: int) -> bool:
        """Whether heads of `size` entries are in its range."""
        return self.first <= size and (self.last is None or size <= self.last)

    def __str__(self) -> str:
        return f"key {key_id(self.key)}, for heads of {self.first} to {self.last or 'any more'} entries,"


def as_trusted(keys: "Ed25519PublicKey | Sequence[TrustedKey]") -> Sequence[TrustedKey]:
    """A single key may sign heads of any size."""
    return keys if isinstance(keys, Sequence) else (TrustedKey(keys),)


def check_name(name: str) -> str:
    """The name of a ledger as it stands in its notes; NoteError where it cannot."""
    if not _NAME.fullmatch(name):
        raise NoteError(
            f"ledger name {name!r}: use 1 to 120 characters without spaces and '+', such as shop-12.example"
        )
    return name


def sign_head(head: Head, key: "Ed25519PrivateKey") -> str:
    """The head as a note signed by its origin."""
    named = _key_hash(head.origin, key.public_key().public_bytes_raw())
    return head_note(head, named + key.sign(head.text().encode()))


def head_note(head: Head, signature: bytes) -> str:
    """The head as a note under a signature, which begins with the four bytes that name its key."""
    return f"{head.text()}\n— {head.origin} {base64.b64encode(signature).decode()}\n"


def open_head(note: str, keys: "Ed25519PublicKey | Sequence[TrustedKey]", origin: str | None = None) -> Head:
    """The head in a note that the holder of one of `keys` has signed, within that key's range; NoteError where there is none.

    origin: the ledger it must be of. Each signature names its key; those of others, such as witnesses, are ignored.
    """
    from cryptography.exceptions import InvalidSignature

    head, signatures = _parted(note)
    if origin is not None and head.origin != origin:
        raise NoteError(f"the head is of ledger {head.origin!r}, {origin!r} is asked")
    trusted = {_key_hash(head.origin, each.key.public_bytes_raw()): each for each in as_trusted(keys)}
    for signature in signatures:
        signer = trusted.get(signature[:4])
        if signer is None:
            continue
        try:
            signer.key.verify(signature[4:], head.text().encode())
        except InvalidSignature as error:
            raise NoteError(
                f"the signature under the head of {head.size} entries is not of this text: it was changed"
            ) from error
        if not signer.may_sign(head.size):
            raise NoteError(f"{signer} has signed the head of {head.size}: it is not to be trusted")
        return head
    raise NoteError(
        f"nobody holding a trusted key has signed the head of {head.size} entries: take the ledger's own public key"
    )


def signature_of(note: str) -> tuple[Head, bytes]:
    """The head in a note and its ledger's own first signature, both unchecked; NoteError where it has none."""
    head, signatures = _parted(note)
    for signature in signatures:
        return head, signature
    raise NoteError(f"ledger {head.origin!r} has not signed its head of {head.size} entries")


def _parted(note: str) -> tuple[Head, list[bytes]]:
    """The head, and the signatures that go by the name of its ledger."""
    if len(note) > LONGEST_NOTE:
        raise NoteError(f"the note has {len(note):,} characters: a head has at most {LONGEST_NOTE:,}")
    text, gap, rest = note.rpartition("\n\n")
    lines = text.split("\n")
    if not gap or len(lines) != 4:
        raise NoteError("this is no signed head: it has four lines, an empty one, and a signature")
    name, size, root, when = lines
    found = (_SIGNATURE.fullmatch(line) for line in rest.split("\n"))
    signatures = [decoded(each[2]) for each in found if each is not None and each[1] == name]
    return Head(name, _size(size), _root(root), when), signatures


def _size(text: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,14}", text):
        raise NoteError(f"{text!r} is no number of entries")
    return int(text)


def _root(text: str) -> bytes:
    root = decoded(text)
    if len(root) != hashlib.sha256().digest_size:
        raise NoteError(f"the root {text!r} has {len(root)} bytes, SHA-256 has 32")
    return root


def decoded(text: str) -> bytes:
    """What base64 says; NoteError where `text` is not the one way to write it."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError(f"{text[:60]!r} is no base64: {error}") from error
    if base64.b64encode(found).decode() != text:
        raise NoteError(f"{text[:60]!r} ends in bits that say nothing: it was changed")
    return found


def _key_hash(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]
