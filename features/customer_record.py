"""What the online store holds of a customer, and the features that follow from it at any moment: NumPy-free and light.

A record is what the batch knew up to a moment, as day sums and counts rather than features, so that windows can move on
and what happened since can be added: `fold` gives exactly what `features.customers` would compute anew.
"""

import hashlib
import json
import math
import zlib
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from features.customer_batch import HISTORY, TAKEN, CustomerEvent
from features.customer_registry import (
    CUSTOMER_FEATURES,
    FORGET_DAYS,
    FORGET_PERIODS,
    KIND_WEIGHTS,
    TOP_CATEGORIES,
    WINDOWS,
)

SECOND_US, DAY_S = 1_000_000, 86_400
DAY_US = DAY_S * SECOND_US
# What a day is summed into, after its number.
SUMS = ("purchases", "cents", "promoted", "clicks", "carts", "shown", "visits")
_PURCHASES, _CENTS, _PROMOTED, _CLICKS, _CARTS, _SHOWN, _VISITS = range(len(SUMS))
_DIGEST = 8  # bytes by which an item older than the history is known
_LEVEL = 1


@dataclass(frozen=True)
class Record:
    """A customer as the batch knew it. Times are whole seconds, days are numbers, both since 1970; None is unknown."""

    days: tuple[tuple[int, ...], ...] = ()  # day, then SUMS; the newest 90 days
    hours: tuple[tuple[int, int], ...] = ()  # hour of the day, facts ever
    points: tuple[tuple[str, int, int], ...] = ()  # category, period, points
    taken: tuple[str, ...] = ()  # the newest items by when each was first taken, oldest first
    older: str = ""  # digests of the items before those
    purchase_days: int = 0
    last_bought: int | None = None
    last: int | None = None
    first: int | None = None
    friends: int = 0
    texts: dict[str, str] = field(default_factory=dict)

    def packed(self) -> bytes:
        """As it is stored; equal records give equal bytes."""
        content = json.dumps(vars(self), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        return zlib.compress(content.encode(), _LEVEL)

    @classmethod
    def unpacked(cls, content: bytes) -> "Record":
        """What `packed` gave. Raises ValueError for other bytes."""
        try:
            return cls(**json.loads(zlib.decompress(content)))
        except (zlib.error, ValueError, TypeError) as error:
            raise ValueError(f"a stored customer cannot be unpacked ({error}): materialise again") from error


@dataclass(frozen=True, order=True)
class Recent:
    """One event since the batch, in the order that counts."""

    at_us: int
    event_id: str
    kind: str
    item_id: str
    category: str = ""
    cents: int = 0
    promoted: bool = False

    @classmethod
    def of(cls, event: CustomerEvent, category: str) -> "Recent":
        """From what was told; `category` of its item, "" where unknown."""
        units = 1.0 if math.isnan(event.amount) else event.amount
        paid = event.kind == "purchase" and not math.isnan(event.price)
        cents = math.floor(event.price * units * 100 + 0.5) if paid else 0
        return cls(event.event_time_us, event.event_id, event.kind, event.item_id, category, cents, event.promoted)


def pack_recents(recents: Sequence[Recent]) -> bytes:
    """As they are stored."""
    return zlib.compress(json.dumps([list(vars(r).values()) for r in recents], ensure_ascii=False).encode(), _LEVEL)


def unpack_recents(content: bytes) -> list[Recent]:
    """What `pack_recents` gave. Raises ValueError for other bytes."""
    try:
        return [Recent(*row) for row in json.loads(zlib.decompress(content))]
    except (zlib.error, ValueError, TypeError) as error:
        raise ValueError(f"stored events of a customer cannot be unpacked ({error}): materialise again") from error


@dataclass(frozen=True)
class Folded:
    """The features of one customer at a moment; NaN and "" are unknown."""

    values: dict[str, float]
    texts: dict[str, str]
    history: tuple[str, ...]


def split_taken(items: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """`taken` and `older` of a record from all items taken, oldest first."""
    older = b"".join(_digest(item) for item in items[:-HISTORY])
    return tuple(items[-HISTORY:]), b64encode(older).decode()


def fold(customer_id: str, record: Record, recents: Iterable[Recent], at_us: int, provided: Collection[str]) -> Folded:
    """Features at `at_us` of what `record` says and what happened since, strictly before it.

    `recents` hold nothing that the record knows. Features of tables that are not `provided` are unknown.
    """
    events = sorted(event for event in recents if event.at_us < at_us)
    day, second = (at_us - 1) // DAY_US, at_us // SECOND_US
    bought = [event for event in events if event.kind == "purchase"]
    sums = _sums(record, events)
    values = _windows(sums, day)
    last_bought = _latest(record.last_bought, bought)
    known_day = -1 if record.last_bought is None else record.last_bought // DAY_S
    fresh_days = {event.at_us // DAY_US for event in bought} - {known_day}
    history, items = _history(customer_id, record, events)
    values |= {
        "purchase_days": float(record.purchase_days + len(fresh_days)),
        "days_since_purchase": _since(second, last_bought),
        "days_since_seen": _since(second, _latest(record.last, events)),
        "usual_hour": _usual_hour(record, events),
    }
    first = min(
        [e.at_us // SECOND_US for e in events[:1]] + ([] if record.first is None else [record.first]), default=None
    )
    values["tenure_days"] = _since(second, first)
    if first is None:  # nothing with a time is known
        values = dict.fromkeys(values, math.nan)
    values |= {"items_taken": float(items), "friends": float(record.friends)}
    texts = {"segment": record.texts.get("segment", ""), "device": record.texts.get("device", "")}
    for place, (category, share) in enumerate(_affinities(record, events, day), start=1):
        values[f"category_share_{place}"], texts[f"category_{place}"] = share, category
    there = {feature.name for feature in CUSTOMER_FEATURES if set(feature.tables) & set(provided)}
    return Folded(
        {name: value if name in there else math.nan for name, value in values.items()},
        {name: text if name in there or name == "segment" else "" for name, text in texts.items()},
        history,
    )


def _sums(record: Record, events: Sequence[Recent]) -> dict[int, list[int]]:
    sums = {row[0]: list(row[1:]) for row in record.days}
    for event in events:
        today = sums.setdefault(event.at_us // DAY_US, [0] * len(SUMS))
        if event.kind == "purchase":
            today[_PURCHASES] += 1
            today[_CENTS] += event.cents
            today[_PROMOTED] += event.promoted
        today[_CLICKS] += event.kind == "click"
        today[_CARTS] += event.kind == "cart"
    return sums


def _windows(sums: dict[int, list[int]], day: int) -> dict[str, float]:
    def total(days: int, which: int) -> int:
        return sum(row[which] for at, row in sums.items() if day - at < days)

    values: dict[str, float] = {}
    for days in WINDOWS:
        values[f"purchases_{days}d"] = float(total(days, _PURCHASES))
        values[f"spend_{days}d"] = total(days, _CENTS) / 100.0
    for name, days, which in (
        ("clicks", 7, _CLICKS),
        ("carts", 7, _CARTS),
        ("shown", 7, _SHOWN),
        ("visits", 28, _VISITS),
    ):
        values[f"{name}_{days}d"] = float(total(days, which))
    purchases = values["purchases_90d"]
    values["promotion_share_90d"] = total(90, _PROMOTED) / purchases if purchases else math.nan
    return values


def _usual_hour(record: Record, events: Sequence[Recent]) -> float:
    counts = defaultdict[int, int](int, dict(record.hours))
    for event in events:
        counts[event.at_us % DAY_US // (3_600 * SECOND_US)] += 1
    return float(min(counts, key=lambda hour: (-counts[hour], hour))) if counts else math.nan


def _affinities(record: Record, events: Sequence[Recent], day: int) -> list[tuple[str, float]]:
    """The top categories with their shares, ("", NaN) where there are fewer."""
    newest = day // FORGET_DAYS
    weights = defaultdict[str, int](int)
    told = [(e.category, e.at_us // DAY_US // FORGET_DAYS, KIND_WEIGHTS.get(e.kind, 0)) for e in events if e.category]
    for category, period, points in (*record.points, *told):
        if newest - period < FORGET_PERIODS and points:
            weights[category] += points << (FORGET_PERIODS - 1 - (newest - period))
    total = sum(weights.values())
    ranked = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP_CATEGORIES]
    top = [(category, weight / total) for category, weight in ranked]
    return top + [("", math.nan)] * (TOP_CATEGORIES - len(top))


def _history(customer_id: str, record: Record, events: Sequence[Recent]) -> tuple[tuple[str, ...], int]:
    """Items taken, each once, oldest first, and how many there are in all."""
    older = b64decode(record.older)
    known, digests = set(record.taken), {older[n : n + _DIGEST] for n in range(0, len(older), _DIGEST)}
    first: dict[str, int] = {}
    for event in events:
        if event.kind in TAKEN and event.item_id not in known and _digest(event.item_id) not in digests:
            first.setdefault(event.item_id, event.at_us)
    new = sorted(first, key=lambda item: (first[item], hashlib.md5(f"{customer_id}\x1f{item}".encode()).hexdigest()))  # noqa: S324 - an order, no secret
    return (*record.taken, *new)[-HISTORY:], len(known) + len(digests) + len(new)


def _digest(item: str) -> bytes:
    return hashlib.blake2b(item.encode(), digest_size=_DIGEST).digest()


def _latest(known: int | None, events: Sequence[Recent]) -> int | None:
    return events[-1].at_us // SECOND_US if events else known


def _since(second: int, then: int | None) -> float:
    return math.nan if then is None else (second - then) / float(DAY_S)


def digest_of(row: dict[str, Any]) -> bytes:
    """Sixteen bytes that change with anything in a row but the moment up to which it is known."""
    return hashlib.blake2b(row["facts"], digest_size=16).digest()
