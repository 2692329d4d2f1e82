"""The answer that is always there: the last approved price ladder of each market, within the rules. No network is asked.

A ladder is by the periods left of the oldest units, as shops mark down. It lies in a release beside the artifact and carries
its own hash, so that it answers also where the rest of the release is broken.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from models.pricing.guardrails import Limits, Rules, limits, rule_names
from models.pricing.instances import Price
from models.pricing.market import Bools, Floats, Ints

LADDERS_FILE = "ladders.json"
MOST_BYTES = 16 * 1024**2
NAME = "fallback:approved_ladder"


class FallbackError(ValueError):
    """Stored ladders that cannot be trusted; the message names file, value and remedy."""


@dataclass(frozen=True)
class Ruled:
    """Prices (N,) in whole cents, within the rules; `wanted` (N,) before them; `rule` (N,) that moved it, "" for none;
    `yielded` (N, R) rules that could not hold."""

    price: Floats
    wanted: Floats
    rule: npt.NDArray[np.str_]
    yielded: Bools


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
        some = stock > 0
        last = len(self.steps) - 1
        left = np.where(some.any(axis=1), some.argmax(axis=1), last)
        wanted = np.asarray(self.steps, dtype=np.float64)[np.minimum(left, last)]
        return self.within(wanted, before)

    def within(self, wanted: Floats, before: Floats) -> Ruled:
        """Prices `wanted` (N,) by whoever, within the rules."""
        bounds = self.bounds(before)
        price, rule = bounds.clip(wanted)
        return Ruled(price, wanted, rule_names(rule), bounds.yielded)


def write_ladders(folder: Path, ladders: Sequence[ApprovedLadder]) -> None:
    """Write the file of a fallback folder; FallbackError where a market is there twice or none is there."""
    told = [each.model_dump(mode="json") for each in ladders]
    _by_market(folder, ladders)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": 1, "sha256": _digest(told), "ladders": told}, indent=1, ensure_ascii=False)
    (folder / LADDERS_FILE).write_text(text, encoding="utf-8")


def read_ladders(folder: Path) -> Mapping[str, ApprovedLadder]:
    """The ladders of a fallback folder by market; FallbackError when the file lacks or is not what was written."""
    file = folder / LADDERS_FILE
    try:
        if file.stat().st_size > MOST_BYTES:
            raise FallbackError(f"{file} is larger than {MOST_BYTES} bytes: build the release again")
        content = json.loads(file.read_text(encoding="utf-8"))
        if _digest(content["ladders"]) != content["sha256"]:
            raise FallbackError(f"{file} was altered (its SHA-256 is not the one it names): build the release again")
        ladders = TypeAdapter(list[ApprovedLadder]).validate_python(content["ladders"])
    except (OSError, KeyError, TypeError, ValidationError, RecursionError, ValueError) as error:
        if isinstance(error, FallbackError):
            raise
        raise FallbackError(f"{file}: no readable ladders ({type(error).__name__}): build the release again") from error
    return _by_market(folder, ladders)


def _by_market(folder: Path, ladders: Sequence[ApprovedLadder]) -> Mapping[str, ApprovedLadder]:
    found = {each.market: each for each in ladders}
    if not found or len(found) < len(ladders):
        raise FallbackError(
            f"{folder}: {len(ladders)} ladders of {len(found)} markets: give one a market, at least one"
        )
    return found


def _digest(told: Any) -> str:
    return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
