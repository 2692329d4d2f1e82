"""What a shopper takes home: an entry, and the proof that the ledger holds it, to be checked with the public key alone.

The proof is a text in the format C2SP tlog-proof, so that any tool of transparency logs can check it too.
"""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving.settlement.entries import Entry
from serving.settlement.notes import Head, TrustedKey, decoded, open_head
from serving.settlement.tree import HASH_BYTES, ProofError, check_inclusion, leaf_hash

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_FIRST_LINE = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,14})")
LONGEST_PATH = 64


@dataclass(frozen=True)
class Receipt:
    """`content` of the entry as hashed, its `number` from 1, its audit `path` and the signed head `note` that it leads to."""

    content: bytes
    number: int
    path: tuple[bytes, ...]
    note: str

    @property
    def entry(self) -> Entry:
        """The entry in the ledger."""
        return Entry.of(self.content)

    def proof(self) -> str:
        """The proof as a text."""
        hashes = "".join(f"{base64.b64encode(step).decode()}\n" for step in self.path)
        return f"{_FIRST_LINE}\nindex {self.number - 1}\n{hashes}\n{self.note}"

    def to_json(self) -> str:
        """All of it, as it is handed out: entry and proof."""
        return json.dumps({"entry": json.loads(self.content), "proof": self.proof()}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Receipt":
        """Reads what `to_json` wrote; ProofError, NoteError or EntryError where it is none."""
        try:
            told = json.loads(text)
            entry, proof = told["entry"], told["proof"]
            content = Entry(entry["id"], entry["kind"], entry["body"]).content()
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ProofError(
                f"this is no receipt ({type(error).__name__}: {error}): it has an entry and a proof"
            ) from error
        if set(told) != {"entry", "proof"} or set(entry) != {"id", "kind", "body"} or not isinstance(proof, str):
            raise ProofError("this is no receipt: it has an entry and a proof, and nothing else")
        number, path, note = _parts(proof)
        return cls(content, number, path, note)

    def check(self, keys: "Ed25519PublicKey | Sequence[TrustedKey]", origin: str | None = None) -> Head:
        """The head under which the ledger holds this entry; ProofError or NoteError where that is not proved."""
        head = open_head(self.note, keys, origin)
        check_inclusion(leaf_hash(self.content), self.number, head.size, self.path, head.root)
        return head


def _parts(proof: str) -> tuple[int, tuple[bytes, ...], str]:
    top, gap, note = proof.partition("\n\n")
    lines = top.split("\n")
    index = _INDEX.fullmatch(lines[1]) if len(lines) > 1 else None
    if not gap or lines[0] != _FIRST_LINE or index is None or len(lines) > LONGEST_PATH + 2:
        raise ProofError(
            f"this is no proof: it begins with {_FIRST_LINE!r}, an index, and at most {LONGEST_PATH} hashes"
        )
    path = tuple(decoded(line) for line in lines[2:])
    if any(len(step) != HASH_BYTES for step in path):
        raise ProofError(f"a hash of the proof has not {HASH_BYTES} bytes")
    return int(index[1]) + 1, path, note
