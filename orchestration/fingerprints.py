"""What an asset was made from, as one hash: unchanged inputs, code and knobs mean that the work can be skipped."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from data_checks.durable import replace_file

ROOT = Path(__file__).resolve().parent.parent


@cache
def code_fingerprint(*rooms: str) -> str:
    """SHA-256 over the Python, YAML and template files of rooms or modules, such as `features` or `models/common`."""
    digest = hashlib.sha256()
    for room in sorted(rooms):
        path = ROOT / room
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in {".py", ".yaml"})
        if not files:
            raise ValueError(f"{room!r} holds no code below {ROOT}; name a room, a package or a file of this project")
        for file in files:
            digest.update(str(file.relative_to(ROOT)).encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def fingerprint(*, code: Iterable[str], inputs: Mapping[str, Any]) -> str:
    """SHA-256 of code and inputs; inputs must be JSON-able (hashes of upstream tables, knobs)."""
    text = json.dumps(inputs, sort_keys=True, default=str)
    return hashlib.sha256((code_fingerprint(*code) + text).encode()).hexdigest()


@dataclass(frozen=True)
class Stamp:
    """A file that says from what a piece of work outside the lake was last made; written when the work is done."""

    path: Path

    def says(self, made_from: str) -> bool:
        """Whether the work was done from exactly this."""
        return self.path.is_file() and json.loads(self.path.read_text(encoding="utf-8")) == made_from

    def write(self, made_from: str) -> None:
        """Record it, whole or not at all."""
        replace_file(self.path, lambda draft: draft.write_text(json.dumps(made_from), encoding="utf-8"))
