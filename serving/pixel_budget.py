"""How many pixels a process holds decoded at once: a request takes room before it decodes, waiting for it in turn and within a bound.

A picture of 25 megapixels may come as 3 kB, so bounds on bodies and on the number of requests say little about memory.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from functools import partial
from threading import Lock
from typing import Any, ParamSpec, TypeVar

from models.common.pictures import Pixels
from serving.replies import Refusal
from serving.settings import ServeSettings

T = TypeVar("T")
P = ParamSpec("P")


class Room:
    """Room for the pictures of one request; free again once the request and all work on them has ended, be it late."""

    def __init__(self, free: Callable[[], None]) -> None:
        self.pictures: list[Pixels] = []
        self._free, self._users, self._lock = free, 1, Lock()

    def within(self, pool: Executor) -> Executor:
        """`pool`, whose work keeps this room until it ends: a model that is late still has the pictures in its hands."""
        return _Keeping(pool, self)

    def keep(self) -> None:
        """One more user."""
        with self._lock:
            self._users += 1

    def let_go(self) -> None:
        """One user less; after the last the pictures are dropped, whoever still holds the list."""
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            self.pictures.clear()
            self._free()


class PixelBudget:
    """Pixels of one process. Thread-safe; who asked first is served first."""

    def __init__(self, settings: ServeSettings) -> None:
        self._most, self._wait_s = settings.picture_pixels, settings.picture_wait_s
        self._free = self._most
        self._waiting: deque[tuple[int, Future[None]]] = deque()
        self._lock = Lock()

    @asynccontextmanager
    async def room(self, pixels: int) -> AsyncIterator[Room]:
        """Room for so many pixels. Refusal: 413 for more than there ever are, 503 with a time to retry where none came free."""
        if pixels > self._most:
            raise Refusal(
                413,
                f"{pixels:,} pixels, at most {self._most:,} are decoded at a time: scale down, or send fewer at once",
            )
        await self._take(pixels)
        room = Room(partial(self._give_back, pixels))
        try:
            yield room
        finally:
            room.let_go()

    async def _take(self, pixels: int) -> None:
        turn: Future[None] = Future()
        with self._lock:
            self._waiting.append((pixels, turn))
        self._give_back(0)
        if turn.done():
            return
        try:
            await asyncio.wait_for(asyncio.wrap_future(turn), self._wait_s)
        except BaseException as error:
            # Who gives up leaves the turn to those behind; room that came in that very moment goes back.
            self._give_back(0 if turn.cancel() else pixels)
            if not isinstance(error, TimeoutError):
                raise
            again_s = max(math.ceil(self._wait_s), 1)
            raise Refusal(
                503,
                f"no room for {pixels:,} pixels within {self._wait_s:g} s, as at most {self._most:,} are decoded at a time: send them "
                f"again in {again_s} s",
                retry_after_s=again_s,
            ) from error

    def _give_back(self, pixels: int) -> None:
        """More room; whoever waits in front and fits gets it."""
        served = []
        with self._lock:
            self._free += pixels
            while self._waiting and (self._waiting[0][0] <= self._free or self._waiting[0][1].cancelled()):
                wanted, turn = self._waiting.popleft()
                if turn.set_running_or_notify_cancel():  # from here on it cannot be given up
                    self._free -= wanted
                    served.append(turn)
        for turn in served:
            turn.set_result(None)


class _Keeping(Executor):
    """Hands work to another executor and keeps a room until it ends. Work that is cancelled in the queue is dropped at once."""

    def __init__(self, pool: Executor, room: Room) -> None:
        self._pool, self._room = pool, room

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        work = [partial(fn, *args, **kwargs)]  # emptied at the end: a queue holds cancelled work until its turn comes

        def ended(_: Any) -> None:
            work.clear()
            self._room.let_go()

        def run() -> T:
            return work[0]()

        self._room.keep()
        try:
            future = self._pool.submit(run)
        except BaseException:
            self._room.let_go()
            raise
        future.add_done_callback(ended)
        return future
