"""Entries of the ledger and the one way they are written, so that equal entries have equal bytes and equal hashes."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_ENTRY = 1 << 16  # bytes
LARGEST_NUMBER = 1 << 53  # beyond it some readers of JSON round
DEEPEST = 16
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_ID = re.compile(r"[\x21-\x7e]{1,256}")


class EntryError(ValueError):
    """An entry that the ledger cannot hold; the message names value, bound and remedy."""


@dataclass(frozen=True)
class Entry:
    """Something that happened: `entry_id` names it for ever, `kind` says what it is, `body` holds whole numbers, texts, truth values,
    lists and objects of them. Money is in the smallest unit of its currency."""

    entry_id: str
    kind: str
    body: Mapping[str, Any]

    def content(self) -> bytes:
        """Canonical JSON (UTF-8, sorted keys, no spaces, no fractions), as hashed. EntryError where there is none."""
        for what, name in (("id", self.entry_id), ("kind", self.kind)):
            if not _ID.fullmatch(name):
                raise EntryError(
                    f"{what} {name[:80]!r} of an entry: use 1 to 256 printable ASCII characters without spaces"
                )
        body = dict(self.body)
        _check(body, 0)
        told = {"id": self.entry_id, "kind": self.kind, "body": body}
        try:
            content = _CANONICAL.encode(told).encode()
        except UnicodeEncodeError as error:
            raise EntryError(f"entry {self.entry_id!r} holds no valid text ({error.reason}): send UTF-8") from error
        if len(content) > LONGEST_ENTRY:
            raise EntryError(
                f"entry {self.entry_id!r} has {len(content):,} bytes: at most {LONGEST_ENTRY:,} fit in one"
            )
        return content

    @classmethod
    def of(cls, content: bytes) -> "Entry":
        """Reads what `content` wrote; EntryError for any bytes that it would not have written."""
        try:
            told = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise EntryError(f"{content[:60]!r} is no entry: {error}") from error
        if not isinstance(told, dict) or set(told) != {"id", "kind", "body"} or not isinstance(told["body"], dict):
            raise EntryError(f"{content[:60]!r} is no entry: it has an id, a kind and a body")
        if not isinstance(told["id"], str) or not isinstance(told["kind"], str):
            raise EntryError(f"{content[:60]!r} is no entry: its id and kind are texts")
        entry = cls(told["id"], told["kind"], told["body"])
        if entry.content() != content:
            raise EntryError(f"entry {entry.entry_id!r} is not written canonically")
        return entry


def _check(value: object, depth: int) -> None:
    if value is None or isinstance(value, str):
        return
    if isinstance(value, int):
        if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
            raise EntryError(
                f"{value} lies outside +-{LARGEST_NUMBER}, what every reader of JSON holds: give it as text"
            )
    elif depth > DEEPEST:
        raise EntryError(f"the body is nested deeper than {DEEPEST}: flatten it")
    elif isinstance(value, dict):
        for name, part in value.items():
            if not isinstance(name, str):
                raise EntryError(f"{name!r} names a part of the body: names are texts")
            _check(part, depth + 1)
    elif isinstance(value, list | tuple):
        for part in value:
            _check(part, depth + 1)
    elif isinstance(value, float):
        raise EntryError(
            f"{value!r} is a fraction, which writers round differently: give whole numbers, money in cents"
        )
    else:
        raise EntryError(
            f"{value!r} is a {type(value).__name__}: use whole numbers, texts, truth values, lists and objects"
        )
