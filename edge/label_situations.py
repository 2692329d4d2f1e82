"""Situations of labels: a shelf at one time, of a market or of a fresh good, and the label on it."""

import hashlib
import json
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, StringConstraints, ValidationError

from edge.pricing_requests import FreshShelf, Shelf, Strict, first_problem
from models.common.protocols import InputError
from models.pricing.spec import FRESH

SITUATIONS_MAX = 100_000
MAX_BYTES = 64 << 20
Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Shown(NamedTuple):
    """A label and what lies on its shelf: `good` is empty but for fresh goods. A price of the one says nothing of another."""

    label: str
    market: str
    good: str


class Labelled(Strict):
    """What every situation has."""

    id: Id = Field(description="given once, ever, over all boxes: such as shop, label and time")
    label: Id

    def digest(self) -> str:
        """Of all that is asked."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class MarketSituation(Labelled, Shelf):
    """A shelf of a market."""

    market: str = Field(min_length=1, max_length=64)

    @property
    def shown(self) -> Shown:
        """The label and its market."""
        return Shown(self.label, self.market, "")


class FreshSituation(Labelled, FreshShelf):
    """A shelf of a fresh good."""

    market: Literal["fresh"]

    @property
    def shown(self) -> Shown:
        """The label and its good."""
        return Shown(self.label, self.market, self.good)


Situation = MarketSituation | FreshSituation


def read_situation(row: Any) -> Situation:
    """The situation; ValidationError says what is wrong."""
    fresh = isinstance(row, dict) and row.get("market") == FRESH
    return (FreshSituation if fresh else MarketSituation).model_validate(row)


def read_situations(content: bytes) -> tuple[list[Situation], list[tuple[str, str]]]:
    """Situations of a JSON list, and what is wrong with the others, (id, reason); InputError when it is no list at all."""
    if len(content) > MAX_BYTES:
        raise InputError(f"situations: {len(content)} bytes, at most {MAX_BYTES}: split the file")
    try:
        rows = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"situations: no JSON ({str(error)[:100]}): write a list of objects in UTF-8") from error
    if not isinstance(rows, list) or len(rows) > SITUATIONS_MAX:
        found = len(rows) if isinstance(rows, list) else type(rows).__name__
        raise InputError(f"situations: expected a list of at most {SITUATIONS_MAX}, found {found}: split the file")
    sound: list[Situation] = []
    refused = []
    for number, row in enumerate(rows):
        try:
            sound.append(read_situation(row))
        except ValidationError as error:
            name = row.get("id") if isinstance(row, dict) else None
            told = str(name)[:200] if name is not None else f"row {number}"
            refused.append((told, first_problem(error, "situation")))
    return sound, refused


def to_shelf(situation: Situation, last_good: float | None) -> dict[str, Any]:
    """What the bot is asked of it; `last_good` of the box, where the situation tells none of its own."""
    told = situation.model_dump(exclude={"id", "label", "market"})
    return told | {"last_good": last_good if situation.last_good is None else situation.last_good}
