"""A shop with a floor of two gondolas, and the live page over its logs, stepped by hand. Not a test."""

import json
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient
from till_shop import NOON, SHOP, at

from serving.live.attributor import Attributor
from serving.live.board import Board
from serving.live.camera_events import SHELF
from serving.live.decisions import Decisions
from serving.live.feed import PositionFeed
from serving.live.floor import ShopFloor
from serving.live.heads import LedgerWatch
from serving.live.intake import Intake, TakenEvents
from serving.live.parts import Fallen
from serving.live.watch import Watch, followed_topics
from serving.live.web import LivePage, create_app
from serving.settlement.ledger_settings import LedgerSettings, open_ledger
from serving.settlement.processor import Processor
from serving.settlement.queue_sqlite import SqliteQueue
from serving.settlement.shop_events import ShopEvent
from serving.settlement.shop_settings import (
    FOLDER,
    QUEUE,
    ShopSettings,
    open_books,
    open_consumer,
    open_follower,
    open_processor,
    open_producer,
)
from serving.settlement.transport import Message

TOKEN = "a-token-of-box-one"
HOSTILE = '<img src=x onerror="window.hacked=1">'
BY_TOKEN = {"Authorization": f"Bearer {TOKEN}"}
ORIGIN = {"Origin": "http://127.0.0.1"}
FLOOR = ShopFloor(
    width_m=6,
    depth_m=4,
    entrance_m=1,
    exit_m=5,
    gondolas=(
        {"name": "g1", "x_m": 1.5, "y_m": 4, "to_x": 0, "to_y": -1, "width_m": 1, "depth_m": 0.4,
         "lanes": [{"product": "milk", "level": 0, "left_m": -0.4, "right_m": 0.0}]},
        {"name": "g2", "x_m": 4.5, "y_m": 4, "to_x": 0, "to_y": -1, "width_m": 1, "depth_m": 0.4},
    ),
    names={"milk": "Milk, 1 l", "tea": HOSTILE},
    cameras={"box-1/left": "g1", "box-1/right": "g2"},
)  # fmt: skip


def camera_event(name: str = "e1", second: float = 10, **changed: Any) -> dict[str, Any]:
    """As a box sends it."""
    told = {
        "event_id": name, "box_id": "box-1", "camera": "left", "kind": "take", "product": "milk", "count": 1,
        "time": at_text(second), "confidence": 0.99,
    }  # fmt: skip
    return told | changed


def at_text(second: float) -> str:
    return datetime.fromtimestamp(NOON.timestamp() + second, NOON.tzinfo).isoformat()


class LiveShop:
    """Everything of a shop under `home`; `now_s` is the clock of the page."""

    def __init__(self, home: Path, *, boxes: str = f"box-1:{TOKEN}", closed: bool = False) -> None:
        self.home, self.now_s = home, 100.0
        self.settings = ShopSettings(kafka="", books="", topics="shop", sources="")
        self.ledger = LedgerSettings(store="", key=None, keys="", origin="s1.example")
        self.topics, self.queue = self.settings.names(), SqliteQueue(home / FOLDER / QUEUE)
        self.feed, self.board = PositionFeed(lambda: self.now_s), Board(SHOP)
        self.board.put_floor(FLOOR)
        self.producer = open_producer(self.settings, home)
        self.intake = Intake(
            SHOP, boxes, TakenEvents(home / FOLDER / "intake.sqlite", clock=lambda: self.now_s), self.producer, self.topics,
            self.feed, now=lambda: NOON,
        )  # fmt: skip
        self.decisions = Decisions(
            SHOP, open_books(self.settings, home), self.producer, self.topics.events, closed=closed, now=lambda: NOON
        )
        self.problems: Mapping[str, str] = {}
        self.fallen: list[Fallen] = []
        self.page = LivePage(self.board, self.feed, self.intake, self.decisions, threading.Event(), lambda: self.fallen)
        self.client = TestClient(
            create_app(self.page, ("127.0.0.1",)), base_url="http://127.0.0.1", raise_server_exceptions=True
        )

    def watch(self) -> Watch:
        """One that has just begun to look."""
        return Watch(
            self.board,
            SHOP,
            lambda: open_follower(self.settings, self.home, followed_topics(self.topics, boxes=True), 1_000),
            open_books(self.settings, self.home),
            LedgerWatch(self.ledger, self.home),
            self.topics,
            lambda: self.problems,
            clock=lambda: self.now_s,
        )

    def processor(self, **changed: Any) -> Processor:
        till = self.settings.till().model_copy(update=changed)
        return open_processor(self.settings, self.home, open_ledger(self.ledger, self.home), till)

    def attributor(self, **more: Any) -> Attributor:
        consumer = open_consumer(self.settings, self.home, f"attributor-{SHOP}", self.topics.of(SHELF))
        now = lambda: at(self.now_s)  # noqa: E731
        return Attributor(consumer, SHOP, FLOOR, self.feed, self.topics, clock=lambda: self.now_s, now=now, **more)

    def tell(self, *events: ShopEvent) -> None:
        self.queue.send([Message(self.topics.events, SHOP, each.model_dump_json().encode()) for each in events])

    def log(self, topic: str) -> list[bytes]:
        return [each.value for each in self.queue.read(topic, 0, 1_000)]

    def told(self) -> list[dict[str, Any]]:
        """Events of the log but the attributor's word on how far it is."""
        return [each for each in map(json.loads, self.log(self.topics.events)) if each["kind"] != "heard"]

    def heard(self) -> list[str]:
        """That word: times up to which all is told."""
        return [each["time"] for each in map(json.loads, self.log(self.topics.events)) if each["kind"] == "heard"]

    def state(self) -> dict[str, Any]:
        return self.client.get("/state.json").json()
