"""Where shoppers are just now. In memory alone and for seconds: a place that a person stood at is written down nowhere."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from models.behaviour.people_joining import PersonTrack
from serving.settlement.shop_events import Name

KEPT_S = 30.0  # of each person's places
SHOWN_S = 3.0  # after the last word of somebody, by the shop's clock or by ours, the page shows them no more
MOST_PEOPLE = 1_000
_MOST_PLACES = 600  # of one person


class Position(BaseModel):
    """Where person `person` of a visit was at `time`, by a tracker of the shop."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    visit_id: Name
    person: int = Field(default=0, ge=0, le=99, description="number within the visit's group")
    time: AwareDatetime
    x_m: float = Field(ge=-100, le=1_100)
    y_m: float = Field(ge=-100, le=1_100)
    sd_m: float = Field(default=0.2, gt=0, le=20, description="standard deviation along each axis")


@dataclass(frozen=True)
class Seen:
    """A person's newest place."""

    visit_id: str
    person: int
    x_m: float
    y_m: float


@dataclass
class _Person:
    last_heard_s: float = 0.0
    places: deque[tuple[float, float, float, float]] = field(default_factory=lambda: deque(maxlen=_MOST_PLACES))


class PositionFeed:
    """The feed; threads share it. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._people: dict[tuple[str, int], _Person] = {}
        self._newest: datetime | None = None

    @property
    def newest(self) -> datetime | None:
        """The latest time that any place is of; None before the first."""
        return self._newest

    @property
    def anybody(self) -> bool:
        """Whether anybody's places are known."""
        with self._lock:
            self._expire(self._clock())
            return bool(self._people)

    def take(self, positions: Sequence[Position]) -> int:
        """Take places in; how many were new. Older ones than the newest of a person tell nothing, as do those of people beyond the
        bound."""
        taken, now = 0, self._clock()
        with self._lock:
            self._expire(now)
            for each in positions:
                key = (each.visit_id, each.person)
                if key not in self._people and len(self._people) >= MOST_PEOPLE:
                    continue
                person, at_s = self._people.setdefault(key, _Person()), each.time.timestamp()
                if person.places and at_s <= person.places[-1][0]:
                    continue
                person.places.append((at_s, each.x_m, each.y_m, each.sd_m))
                person.last_heard_s = now
                self._newest = each.time if self._newest is None else max(each.time, self._newest)
                taken += 1
        return taken

    def seen(self) -> list[Seen]:
        """Who is in, by visit and person."""
        now = self._clock()
        with self._lock:
            self._expire(now)
            since = 0.0 if self._newest is None else self._newest.timestamp() - SHOWN_S
            return [
                Seen(visit, number, person.places[-1][1], person.places[-1][2])
                for (visit, number), person in sorted(self._people.items())
                if person.last_heard_s > now - SHOWN_S and person.places[-1][0] > since
            ]

    def tracks(self) -> tuple[list[str], list[PersonTrack]]:
        """Visits, and the places of each person that are still known, times in seconds since 1970."""
        now = self._clock()
        with self._lock:
            self._expire(now)
            visits = [visit for visit, _ in self._people]
            told = [np.array(person.places) for person in self._people.values()]
        return visits, [PersonTrack(each[:, 0], each[:, 1:3], each[:, 3], len(each)) for each in told]

    def _expire(self, now: float) -> None:
        """Forget places that lie back too far by the shop's clock, and people of whom nothing was heard as long by ours."""
        for key in [key for key, each in self._people.items() if each.last_heard_s <= now - KEPT_S]:
            del self._people[key]
        for person in self._people.values():
            while person.places[0][0] < person.places[-1][0] - KEPT_S:
                person.places.popleft()
