"""Plays a day that somebody else made: events into the log and places into the feed, each when its moment has come."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from serving.live.board import Board
from serving.live.feed import Position, PositionFeed
from serving.live.floor import ShopFloor
from serving.settlement.shop_events import ShopEvent
from serving.settlement.transport import Message, Producer

LONGEST_WAIT_S = 3.0  # of ours: where nothing happens for longer, it goes on
_TURN_S = 0.05


@dataclass(frozen=True)
class Moment:
    """What is told at a time: an event, or where people are."""

    time: datetime
    told: ShopEvent | tuple[Position, ...]


class Day(Protocol):
    """A day to be played."""

    shop: str

    def floor(self) -> ShopFloor:
        """Where it is played."""

    def opening(self) -> list[ShopEvent]:
        """What holds before anybody comes in: prices and offers."""

    def moments(self) -> Iterator[Moment]:
        """In order of time."""


class Player:
    """Plays a day at `speed` times its own pace. `clock` gives seconds that only grow."""

    def __init__(
        self, day: Day, producer: Producer, topic: str, feed: PositionFeed, board: Board, speed: float,
        *, clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self._day, self._producer, self._topic, self._feed, self._board = day, producer, topic, feed, board
        self._speed, self._clock = speed, clock

    def run(self, stop: threading.Event) -> None:
        """Play it to its end or until `stop`."""
        self._board.say("A shop of the twin is being built ...")
        self._board.put_floor(self._day.floor())
        self._send(self._day.opening())
        self._board.say("Its cameras, mats, gates and Wi-Fi are being read: people come in within seconds ...")
        due_s, before, events = self._clock(), None, list[ShopEvent]()
        for moment in self._day.moments():
            if before is None:
                due_s = self._clock()
                self._board.say(f"A simulated day, {self._speed:g} times as fast as it was.")
            else:
                due_s += min((moment.time - before).total_seconds() / self._speed, LONGEST_WAIT_S)
            before = moment.time
            while not stop.is_set() and (wait_s := due_s - self._clock()) > 0:
                self._send(events)
                stop.wait(min(wait_s, _TURN_S))
            if stop.is_set():
                return
            if isinstance(moment.told, tuple):
                self._feed.take(moment.told)
            else:
                events.append(moment.told)
        self._send(events)
        self._board.say("The day is over: all have left. Start again for another one, with another --seed.")

    def _send(self, events: list[ShopEvent]) -> None:
        if events:
            self._producer.send([Message(self._topic, each.shop, each.model_dump_json().encode()) for each in events])
            events.clear()
