"""`storeloop shop` at work: the page and the doors of boxes, and beside them who settles, attributes, follows and plays."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from types import FrameType

import uvicorn

from models.common.protocols import InputError
from serving.live.attributor import CONSUMER, SOURCE, Attributor
from serving.live.board import Board
from serving.live.camera_events import SHELF, utc_now
from serving.live.decisions import Decisions
from serving.live.feed import PositionFeed
from serving.live.floor import FILE, ShopFloor, read_floor
from serving.live.heads import LedgerWatch
from serving.live.intake import FILE as INTAKE
from serving.live.intake import Intake, TakenEvents
from serving.live.parts import Part
from serving.live.play import Day, Player
from serving.live.watch import BACK, Watch, followed_topics
from serving.live.web import LOOPBACK, LivePage, create_app
from serving.settlement.ledger_settings import LedgerSettings, open_ledger
from serving.settlement.shop_settings import (
    FOLDER,
    ShopSettings,
    open_books,
    open_consumer,
    open_follower,
    open_processor,
    open_producer,
)
from serving.settlement.till import TillConfig


@dataclass(frozen=True)
class LiveConfig:
    """What runs: `settle` beside the page or elsewhere; `boxes` that may tell, as `name:token` pairs; a `day` to be played at
    `speed`, or none. `anywhere`: beyond this machine too."""

    shop: str
    host: str
    port: int
    anywhere: bool
    settle: bool
    boxes: str
    day: Day | None = None
    speed: float = 1.0


def check_host(config: LiveConfig) -> None:
    """InputError for a host beyond this machine that nobody asked for."""
    if config.host not in LOOPBACK and not config.anywhere:
        raise InputError(
            f"host {config.host!r}: the page has no log-in and listens on loopback only ({', '.join(LOOPBACK)}); reach it through "
            "an SSH tunnel, or give --anywhere behind a proxy that lets in only who may look"
        )


def run_live(
    config: LiveConfig, settings: ShopSettings, ledger: LedgerSettings, home: Path, ready: Callable[[], None]
) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is called once the page answers."""
    check_host(config)
    stop, clock = threading.Event(), time.monotonic
    topics, board, feed = settings.names(), Board(config.shop, settings.till().beliefs), PositionFeed(clock)
    parts: list[Part] = []
    floor = None if config.day is not None else read_floor(home / FOLDER / FILE)
    attributes = bool(config.boxes) and floor is not None
    if config.settle:
        till = settings.till()
        own = {config.shop: _waiting_for_boxes(till)} if attributes else {}  # who attributes speaks of one shop alone
        processor = open_processor(settings, home, open_ledger(ledger, home), till, own)
        parts.append(Part("settling", processor.run, lambda: processor.done.problem))
    if floor is not None:
        board.put_floor(floor)
    if config.boxes and floor is None:
        board.say(
            f"Boxes may tell what they see, but nobody knows where: their events wait in the log for {home / FOLDER / FILE}."
        )
    if config.boxes and floor is not None:
        parts.append(_attributing(config.shop, floor, feed, settings, home, clock))
    watch = Watch(
        board,
        config.shop,
        lambda: open_follower(settings, home, followed_topics(topics, boxes=bool(config.boxes)), BACK),
        open_books(settings, home),
        LedgerWatch(ledger, home),
        topics,
        lambda: {part.name: part.problem for part in parts},
        clock=clock,
    )
    parts.append(Part("following the logs", watch.run, lambda: ""))
    producer = open_producer(settings, home)
    if config.day is not None:
        player = Player(config.day, producer, topics.events, feed, board, config.speed, clock=clock)
        parts.append(Part("playing the day", player.run, lambda: ""))
    taken = TakenEvents(home / FOLDER / INTAKE, clock=time.time)
    intake = Intake(config.shop, config.boxes, taken, producer, topics, feed, now=utc_now)
    decisions = Decisions(
        config.shop, open_books(settings, home), producer, topics.events, closed=config.anywhere, now=utc_now
    )
    hosts = ("*",) if config.anywhere else (*LOOPBACK, "[::1]")
    page = LivePage(board, feed, intake, decisions, stop, lambda: [each.fallen for each in parts if each.fallen])
    app = create_app(page, hosts)
    server = _Server(
        uvicorn.Config(
            app, host=config.host, port=config.port, log_level="warning", server_header=False,
            timeout_graceful_shutdown=3,
        ),
        stop,
        ready,
    )  # fmt: skip
    for part in parts:
        part.start(stop)
    try:
        server.run()
    finally:
        stop.set()
        for part in parts:
            part.join()


def _waiting_for_boxes(till: TillConfig) -> TillConfig:
    """A bill is made once what the boxes saw is told."""
    return till if SOURCE in till.sources else till.model_copy(update={"sources": (*till.sources, SOURCE)})


def _attributing(
    shop: str, floor: ShopFloor, feed: PositionFeed, settings: ShopSettings, home: Path, clock: Callable[[], float]
) -> Part:
    topics = settings.names()
    # By a name of the shop's own: shops of one broker do not fence each other off.
    consumer = open_consumer(settings, home, f"{CONSUMER}-{shop}", topics.of(SHELF))
    attributor = Attributor(consumer, shop, floor, feed, topics, clock=clock, now=utc_now)
    return Part("attributing", attributor.run, lambda: attributor.done.problem)


class _Server(uvicorn.Server):
    """Ends the page's streams when it is told to end, and says when it answers."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop, self._ready = stop, ready

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Bind, then say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Unlike uvicorn's own it does not raise them again at the end: what runs beside the server has to end too."""
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End the streams first: the server waits for them."""
        self._stop.set()
        super().handle_exit(sig, frame)
