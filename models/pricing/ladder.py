"""The answer that is always there: the last approved price ladder of each market, within the rules; see
fresh_ladder.py for fresh goods. No network is asked.

A ladder is by the periods left of the oldest units, as shops mark down. It lies in a release beside the artifact and carries
its own hash, so that it answers also where the rest of the release is broken.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from models.pricing.fresh_ladder import FreshLadders
from models.pricing.guardrails import Limits, Ruled, Rules, limits
from models.pricing.instances import Price
from models.pricing.market import Floats, Ints
from models.pricing.shelf import oldest

LADDERS_FILE = "ladders.json"
FORMAT = 2
MOST_BYTES = 16 * 1024**2
NAME = "fallback:approved_ladder"


class FallbackError(ValueError):
    """Stored ladders that cannot be trusted; the message names file, value and remedy."""


class ApprovedLadder(BaseModel):
    """`steps`: the price while the oldest units have 1, 2, ... or more periods left; the last one without stock."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    market: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    list_price: Price
    unit_cost: float = Field(ge=0, le=1e6)
    steps: tuple[Price, ...] = Field(min_length=1, max_length=60)
    rules: Rules = Field(description="those of the market, its own largest change included")
    made_by: str = Field(max_length=200, description="which simple rule it is and how it was chosen")

    def bounds(self, before: Floats) -> Limits:
        """What the rules leave of N prices, (N,) each."""
        count = len(before)
        return limits(
            self.rules,
            list_price=np.full(count, self.list_price),
            unit_cost=np.full(count, self.unit_cost),
            before=before,
        )

    def answer(self, stock: Ints, before: Floats) -> Ruled:
        """Prices of N shelves: stock (N, W) units by periods left, those that expire first come first; `before` (N,)."""
        last = len(self.steps) - 1
        wanted = np.asarray(self.steps, dtype=np.float64)[np.minimum(oldest(stock, last), last)]
        return self.bounds(before).within(wanted)


@dataclass(frozen=True)
class Ladders:
    """All that a release falls back to: a ladder of each market by name, those of fresh goods; one of them or both."""

    markets: Mapping[str, ApprovedLadder]
    fresh: FreshLadders | None = None


def write_ladders(folder: Path, ladders: Ladders) -> None:
    """Write the file of a fallback folder; FallbackError where there is none to write."""
    _some(folder, ladders)
    told = {
        "ladders": [each.model_dump(mode="json") for each in ladders.markets.values()],
        "fresh": None if ladders.fresh is None else ladders.fresh.model_dump(mode="json"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": FORMAT, "sha256": _digest(told), **told}, ensure_ascii=False)
    (folder / LADDERS_FILE).write_text(text, encoding="utf-8")


def read_ladders(folder: Path) -> Ladders:
    """The ladders of a fallback folder; FallbackError when the file lacks or is not what was written."""
    file = folder / LADDERS_FILE
    try:
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise FallbackError(f"{file}: no readable ladders ({type(error).__name__}): build the release again") from error
    return ladders_of_bytes(content, file)


def ladders_of_bytes(content: bytes, file: Path) -> Ladders:
    """The ladders that `write_ladders` wrote; FallbackError, which names `file`, when they are not what was written."""
    if len(content) > MOST_BYTES:
        raise FallbackError(f"{file} is larger than {MOST_BYTES} bytes: build the release again")
    try:
        whole = json.loads(content)
        told = {name: whole[name] for name in ("ladders", "fresh")}
        if _digest(told) != whole["sha256"]:
            raise FallbackError(f"{file} was altered (its SHA-256 is not the one it names): build the release again")
        markets = TypeAdapter(list[ApprovedLadder]).validate_python(told["ladders"])
        fresh = TypeAdapter(FreshLadders | None).validate_python(told["fresh"])
    except (KeyError, TypeError, ValidationError, RecursionError, ValueError) as error:
        if isinstance(error, FallbackError):
            raise
        raise FallbackError(f"{file}: no readable ladders ({type(error).__name__}): build the release again") from error
    ladders = Ladders({each.market: each for each in markets}, fresh)
    if len(ladders.markets) < len(markets):
        raise FallbackError(
            f"{file}: {len(markets)} ladders of {len(ladders.markets)} markets: build the release again"
        )
    _some(file.parent, ladders)
    return ladders


def _some(folder: Path, ladders: Ladders) -> None:
    if not ladders.markets and ladders.fresh is None:
        raise FallbackError(f"{folder}: no ladders: give those of a market or of fresh goods, at least one")


def _digest(told: Any) -> str:
    return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
