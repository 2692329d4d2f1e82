"""Room for decoded pictures: never more than there is, in the order of asking, free again whatever becomes of a request."""

import asyncio
import random
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from serving.pixel_budget import PixelBudget
from serving.replies import Refusal
from serving.settings import ServeSettings

MOST = 100


def budget(wait_s: float = 5.0) -> PixelBudget:
    return PixelBudget(ServeSettings().model_copy(update={"picture_pixels": MOST, "picture_wait_s": wait_s}))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


async def is_free(tried: PixelBudget) -> bool:
    """Whether all of it can be had, within a moment for threads that are just ending."""
    for _ in range(200):
        try:
            async with tried.room(MOST):
                return True
        except Refusal:
            await asyncio.sleep(0.01)
    return False


def test_requests_wait_in_turn_and_never_hold_more_than_there_is() -> None:
    sizes = random.Random(1).choices(range(1, MOST + 1), k=60)
    held: list[int] = []
    order: list[int] = []

    async def ask(shared: PixelBudget, number: int) -> None:
        async with shared.room(sizes[number]):
            order.append(number)
            held.append(sizes[number])
            assert sum(held) <= MOST
            await asyncio.sleep(0.001)
            held.remove(sizes[number])

    async def all_at_once() -> None:
        shared = budget()
        await asyncio.gather(*(ask(shared, number) for number in range(60)))

    asyncio.run(all_at_once())
    assert order == list(range(60))


def test_who_waits_too_long_is_told_to_come_again_and_holds_nobody_up() -> None:
    async def story() -> None:
        shared = budget(wait_s=1.5)
        async with shared.room(60):
            large = asyncio.create_task(refused(shared, MOST))
            await asyncio.sleep(0.5)
            async with shared.room(40):  # behind the large one, served when that gives up
                told = await asyncio.wait_for(large, 0.3)
        assert (told.status, told.retry_after_s, told.headers()) == (503, 2, {"Retry-After": "2"})
        assert told.error == (
            "no room for 100 pixels within 1.5 s, as at most 100 are decoded at a time: send them again in 2 s"
        )
        assert (await refused(shared, MOST + 1)).status == 413
        assert await is_free(shared)

    async def refused(shared: PixelBudget, pixels: int) -> Refusal:
        with pytest.raises(Refusal) as caught:
            async with shared.room(pixels):
                pass
        return caught.value

    asyncio.run(story())


def test_work_that_is_late_keeps_its_room_until_it_ends(pool: ThreadPoolExecutor) -> None:
    go_on = threading.Event()

    async def story() -> None:
        shared = budget(wait_s=0.0)
        async with shared.room(MOST) as room:
            room.pictures.append(np.zeros((10, 10, 3), np.uint8))
            work = asyncio.get_running_loop().run_in_executor(room.within(pool), go_on.wait)
            done, _ = await asyncio.wait({work}, timeout=0.05)
            assert not done and work.cancel()
        assert room.pictures, "the model still looks at them"
        with pytest.raises(Refusal):
            async with shared.room(1):
                pass
        go_on.set()
        assert await is_free(shared) and not room.pictures

    asyncio.run(story())


def test_work_that_never_began_holds_neither_room_nor_memory(pool: ThreadPoolExecutor) -> None:
    go_on = threading.Event()
    gone: list[Callable[[], Any]] = []

    async def story() -> None:
        shared = budget(wait_s=0.0)
        pool.submit(go_on.wait)
        async with shared.room(MOST) as room:
            picture = np.zeros((10, 10, 3), np.uint8)
            gone.append(weakref.ref(picture))
            work = asyncio.get_running_loop().run_in_executor(room.within(pool), picture.sum)
            del picture
            assert work.cancel()
        assert await is_free(shared)
        assert gone[0]() is None, "the pool's queue has it still"

    try:
        asyncio.run(story())
    finally:
        go_on.set()


def test_room_is_never_lost_whoever_gives_up_when(pool: ThreadPoolExecutor) -> None:
    """Waiting ends by time, by a caller who hangs up and by room, often in one moment, and room comes free from another thread."""
    chance = random.Random(2)

    async def ask(shared: PixelBudget) -> None:
        try:
            async with shared.room(chance.randint(1, MOST)) as room:
                work = asyncio.get_running_loop().run_in_executor(
                    room.within(pool), sum, range(chance.randint(1, 9_999))
                )
                await asyncio.wait({work}, timeout=chance.choice((0.0, 0.001)))
        except Refusal:
            pass

    async def story() -> None:
        shared = budget(wait_s=0.002)
        asked = []
        for _ in range(1_500):
            asked.append(asyncio.create_task(ask(shared)))
            await asyncio.sleep(0.0)
            if chance.random() < 0.3:
                chance.choice(asked[-20:]).cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        assert await is_free(shared)

    asyncio.run(story())
