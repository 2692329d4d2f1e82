"""From the log of shelves to the log of the shop: each camera event given to the visit whose person stood where one reaches from.

Who stood where is known for seconds (`PositionFeed`), so an event waits until places beyond its moment have come, or for a bounded
time. What came of it is sent in the same moment in which it counts as consumed. What is nobody's goes to a log of its own, with why.
Now and then it tells the till up to when all is told, so that a bill need not be made before.
"""

import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.behaviour.attribution import reached
from models.behaviour.people_config import AttributionConfig
from models.behaviour.people_observed import Floats, GondolaPlace, ShopPlan
from models.behaviour.visit_events import ShelfDeed
from serving.live.camera_events import UNATTRIBUTED, CameraEvent, ShelfEvent
from serving.live.feed import PositionFeed
from serving.live.floor import Gondola, ShopFloor
from serving.settlement.shop_events import Heard, Moved
from serving.settlement.transport import Consumer, Fenced, Message, Record, Topics, TransportError

CONSUMER = SOURCE = "attributor"  # its name at the log of shelves, and to the till
MOST = 500  # events a step, and about as many that wait
_TURN_S, _AGAIN_S = 0.02, 1.0  # after a step that was done with nothing, and after a failure
_HEARD_S, _QUIET_S = (
    1.0,
    30.0,
)  # between words to the till where nothing else is told: while somebody is in, and while nobody is


class AttributorConfig(BaseModel):
    """How long an event waits for places, and how sure it must be whose it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patience_s: float = Field(
        default=5.0, ge=0, le=60, description="for places beyond its moment, from when it is read"
    )
    late_s: float = Field(
        default=3.0, ge=0, le=60, description="that a box's word may take; what takes longer corrects the bill"
    )
    places: AttributionConfig = AttributionConfig()


@dataclass
class Attributed:
    """Since it began."""

    events: int = 0
    nobodys: int = 0
    problem: str = ""


@dataclass(frozen=True)
class _Waiting:
    record: Record
    told: ShelfEvent | None
    until_s: float


class Attributor:
    """Reads what `shop`'s boxes told through `consumer`; see the module. `clock` gives seconds that only grow, `now` the
    time of day."""

    def __init__(
        self,
        consumer: Consumer,
        shop: str,
        floor: ShopFloor,
        feed: PositionFeed,
        topics: Topics,
        config: AttributorConfig | None = None,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._consumer, self._shop, self._floor, self._feed, self._topics = consumer, shop, floor, feed, topics
        self._config, self._clock, self._now = config or AttributorConfig(), clock, now
        self._gondolas = {each.name: number for number, each in enumerate(floor.gondolas)}
        gates = [np.array([x, 0.0]) for x in (floor.entrance_m, floor.exit_m)]
        places = [GondolaPlace(each.x_m, each.y_m, each.to_x, each.to_y) for each in floor.gondolas]
        self._plan = ShopPlan(gates[0], gates[1], places)
        self._waiting: deque[_Waiting] = deque()
        self._consumed = dict(consumer.committed())
        self._heard: datetime | None = None  # up to when the till knows that all is told
        self._heard_again_s = 0.0
        self.done = Attributed()

    def step(self, wait_s: float = 0.1) -> int:
        """One step; how many events it is done with."""
        until = self._clock() + self._config.patience_s
        arrived = self._now() - timedelta(seconds=self._config.late_s)
        records = self._consumer.poll(MOST, wait_s) if (room := len(self._waiting) < MOST) else []
        self._waiting += [_Waiting(record, self._read(record), until) for record in records]
        ready: list[_Waiting] = []
        while self._waiting and self._due(self._waiting[0]):
            ready.append(self._waiting.popleft())
        # Where there is no room, or more may lie in the log, nobody knows what is still to be told.
        heard = self._news(arrived, told=bool(ready)) if room and len(records) < MOST else None
        if ready or heard is not None:
            messages = [message for each in ready if (message := self._message(each)) is not None]
            last = [] if heard is None else [Message(self._topics.events, self._shop, heard.model_dump_json().encode())]
            consumed = self._consumed | {each.record.partition: each.record.offset + 1 for each in ready}
            self._consumer.commit(consumed, [*messages, *last])
            self._consumed = consumed
            self.done.events += len(ready)
            self.done.nobodys += sum(each.topic != self._topics.events for each in messages)
            if heard is not None:
                self._heard = heard.time
                self._heard_again_s = self._clock() + (_HEARD_S if self._feed.anybody else _QUIET_S)
        return len(ready)

    def _news(self, arrived: datetime, *, told: bool) -> Heard | None:
        """How far all is told: up to `arrived` boxes have told theirs, and what waits here is not passed on yet. None where the till
        knows as much, or where nothing was `told` and it was said just now."""
        upto = min([arrived, *(each.told.event.time for each in self._waiting if each.told is not None)]).astimezone(
            UTC
        )
        known = self._heard is not None and upto <= self._heard
        if known or not (told or self._clock() >= self._heard_again_s):
            return None
        return Heard(event_id=f"{SOURCE}-{upto.isoformat()}", shop=self._shop, time=upto, source=SOURCE)

    def run(self, stop: threading.Event) -> None:
        """Step until `stop`; what fails is tried again for ever, Fenced ends it."""
        while not stop.is_set():
            try:
                if self.done.problem:
                    self._waiting.clear()
                    self._consumer.rewind()
                    self._consumed = dict(self._consumer.committed())
                done = self.step()
                self.done.problem = ""
                if not done:
                    stop.wait(_TURN_S)
            except Fenced:
                raise
            except TransportError as error:
                self.done.problem = str(error)
                stop.wait(_AGAIN_S)

    def _read(self, record: Record) -> ShelfEvent | None:
        """None for what is of another shop, or no shelf event."""
        try:
            told = ShelfEvent.model_validate_json(record.value)
        except ValidationError:
            return None
        return told if told.shop == self._shop else None

    def _due(self, waiting: _Waiting) -> bool:
        newest = self._feed.newest
        if waiting.told is None or self._clock() >= waiting.until_s:
            return True
        return newest is not None and newest >= waiting.told.event.time + timedelta(
            seconds=self._config.places.window_s
        )

    def _message(self, waiting: _Waiting) -> Message | None:
        """What it brings about."""
        if waiting.told is None:
            return None
        told = waiting.told
        found = self._moved(told)
        if isinstance(found, Moved):
            return Message(self._topics.events, told.shop, found.model_dump_json().encode())
        body = json.dumps({"why": found, "told": told.model_dump(mode="json")}, ensure_ascii=False)
        return Message(self._topics.of(UNATTRIBUTED), told.shop, body.encode())

    def _moved(self, told: ShelfEvent) -> Moved | str:
        """The event as the till hears it; or why it is nobody's."""
        event = told.event
        if event.product is None:
            return "the camera cannot tell the product"
        gondola = self._gondolas.get(self._floor.cameras.get(f"{event.box_id}/{event.camera}", ""))
        if gondola is None:
            return f"the floor plan has no gondola for camera {event.box_id}/{event.camera}: add it to `cameras`"
        visits, shares = self._shares(event, gondola)
        if not shares.any():
            return "nobody's place at that moment is known"
        best = int(shares.argmax())
        sure = float(shares[best]) * event.confidence
        if sure < self._config.places.least_sure:
            return (
                f"{sure:.0%} sure that it is of the likeliest visit, {self._config.places.least_sure:.0%} is the least"
            )
        try:
            return Moved(
                event_id=event.shop_id,
                shop=told.shop,
                time=event.time,
                visit_id=visits[best],
                deed=event.kind,
                product=event.product,
                count=event.count,
                confidence=min(sure, 1.0),
                shelf=self._floor.gondolas[gondola].name,
            )
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            return f"{first['loc'][0]}: {first['msg']}"

    def _shares(self, event: CameraEvent, gondola: int) -> tuple[list[str], Floats]:
        """Visits whose persons are known, and the posterior (V,) that it is each one's."""
        names, tracks = self._feed.tracks()
        visits = sorted(set(names))
        if not visits:
            return [], np.zeros(0)
        belongs = np.array([[float(name == visit) for name in names] for visit in visits])
        at_s = event.time.timestamp()
        deeds = [
            ShelfDeed(event.kind, 0, event.count, gondola, along, at_s, event.confidence)
            for along in _middles(self._floor.gondolas[gondola], event.product or "")
        ]
        # It was at one of the product's lanes: who stood before any of them may have done it.
        shares = reached(deeds, tracks, belongs, self._plan, self._config.places).max(axis=0)
        return visits, np.asarray(shares / max(float(shares.sum()), 1.0))


def _middles(gondola: Gondola, product: str) -> list[float]:
    """Of the lanes planned for a product; of the gondola where there are none."""
    return [(lane.left_m + lane.right_m) / 2 for lane in gondola.lanes if lane.product == product] or [0.0]
