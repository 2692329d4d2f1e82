"""Kills the recommender's service at random moments under load. Loaded by the test and by the benchmark."""

import asyncio
import http.client
import json
import random
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from recommender_releases import recommender_settings
from release_factory import Releases
from running import free_port, start, wait_ready

from models.recommender.online_config import FeedbackConfig
from models.recommender.online_features import text_codes
from models.recommender.online_learner import OnlineLearner
from models.recommender.reweighting import RANKING_FEATURES
from serving.impressions import ImpressionIds, read_key
from serving.recommender_feedback import FeedbackDesk
from serving.recommender_learner import FTRL
from serving.recommender_schemas import FeedbackRequest

SECOND_US = 1_000_000
BEGIN_US = 1_767_600_000 * SECOND_US
LABEL_WAIT_S = 20.0
SHOWN = 10  # impressions a delivery, which a second of event time lies behind the one before
REPLAYED = 0.3  # of the deliveries are sent again later, although they were confirmed
SERVICE = "serving.recommender:Recommender"


@dataclass(frozen=True)
class Outcome:
    """States of both learners, how many were delivered, and what the service had learned at each start."""

    killed: dict[str, bytes]
    uninterrupted: dict[str, bytes]
    impressions: int
    deliveries: int
    learned_at_start: list[int]


def deliveries(ids: ImpressionIds, count: int, seed: int) -> list[bytes]:
    """Feedback as a shop sends it: what was shown, and clicks on this and on what was shown a little before."""
    rng = np.random.default_rng(seed)
    columns = RANKING_FEATURES.columns
    made, before = [], []
    for number in range(count):
        items = [f"k{kind}-{place}" for kind, place in zip(rng.integers(0, 6, SHOWN), rng.permutation(10), strict=True)]
        customer = f"c{rng.integers(0, 400):03d}"
        codes = rng.integers(0, 5, (SHOWN, len(columns)))
        codes[:, columns.index("item")] = text_codes(np.asarray(items))
        codes[:, columns.index("customer")] = text_codes(np.asarray([customer]))[0]
        shown_us = BEGIN_US + number * SECOND_US
        shown = ids.give(shown_us, codes, rng.normal(-2, 1, SHOWN), np.ones(SHOWN))
        before = [*before, *((name, item, customer) for name, item in zip(shown, items, strict=True))][-5 * SHOWN :]
        events = [
            {
                "kind": "click",
                "impression_id": name,
                "item_id": item,
                "customer_id": who,
                "event_time": (shown_us + 500_000) / SECOND_US,
            }
            for name, item, who in (before[at] for at in rng.choice(len(before), 3, replace=False))
        ]
        made.append(json.dumps({"shown": shown, "events": events}).encode())
    return made


def kill_and_compare(releases: Releases, folder: Path, *, kills: int, count: int, seed: int) -> Outcome:
    """Deliver all, each until it is confirmed, while the service is killed `kills` times and asked without pause."""
    more = {"STORELOOP_SERVE_LABEL_WAIT_S": str(LABEL_WAIT_S), "STORELOOP_SERVE_PUBLISH_S": "0.05"}
    environment, port = recommender_settings(releases, folder, **more), free_port()
    online, chance = folder / "online", random.Random(seed)
    stream = deliveries(ImpressionIds(read_key(online), len(RANKING_FEATURES.columns)), count, seed)
    done, over = threading.Event(), threading.Event()
    sender = threading.Thread(target=_send, args=(port, stream, chance, done), daemon=True)
    asker = threading.Thread(target=_ask, args=(port, over), daemon=True)
    learned = []
    for kill in range(kills + 1):
        process = start(SERVICE, port, environment=environment, log=folder / "service.log")
        try:
            wait_ready(port, process, folder / "service.log", 60.0)
            learned.append(_learned(port))
            if not kill:
                sender.start()
                asker.start()
            if kill < kills:
                time.sleep(chance.uniform(0.2, 2.0))
            else:
                done.wait(120.0)
        finally:
            _kill(process)
    over.set()
    if not done.is_set():
        raise RuntimeError("not every delivery was confirmed within two minutes")
    return Outcome(_state(online), _alone(online, folder / "alone", stream), count * SHOWN, count, learned)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The server, its worker, and the learner, at once: BentoML's worker is in no group of the server's."""
    everyone = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for each in everyone:
        each.kill()
    process.wait()
    psutil.wait_procs(everyone, timeout=10)


def _send(port: int, stream: list[bytes], chance: random.Random, done: threading.Event) -> None:
    """One after the other; what is not confirmed is sent again, and so are some that were."""
    for number, body in enumerate(stream):
        _confirmed(port, body)
        if chance.random() < REPLAYED:
            _confirmed(port, stream[chance.randrange(max(0, number - 10), number + 1)])
    done.set()


def _confirmed(port: int, body: bytes) -> None:
    while True:
        try:
            status, said = _post(port, "/feedback", body)
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)
            continue
        if status == 200:
            return
        if status < 500:
            raise RuntimeError(f"feedback was refused: {status} {said!r}")


def _ask(port: int, over: threading.Event) -> None:
    while not over.is_set():
        try:
            _post(port, "/recommend", b'{"customer_ids":["c001"],"k":5}')
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)


def _learned(port: int) -> int:
    return int(json.loads(_post(port, "/model", b"{}")[1])["learned_events"])


def _post(port: int, path: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def _state(online: Path) -> dict[str, bytes]:
    """What a learner knows that begins where the killed ones ended, all that fell due learned."""
    learner = OnlineLearner(online, RANKING_FEATURES, FTRL, FeedbackConfig.of_wait(LABEL_WAIT_S))
    learner.journal.settle(learner.journal.newest_us)
    learner.catch_up()
    found = {name: array.tobytes() for name, array in learner.state().items()}
    learner.close()
    return found


def _alone(online: Path, folder: Path, stream: list[bytes]) -> dict[str, bytes]:
    """What a learner knows that was told each delivery once and never stopped."""
    ids, cfg = ImpressionIds(read_key(online), len(RANKING_FEATURES.columns)), FeedbackConfig.of_wait(LABEL_WAIT_S)
    desk = FeedbackDesk(folder, ids, RANKING_FEATURES, cfg)
    for body in stream:
        asyncio.run(desk.accept(FeedbackRequest.model_validate_json(body), None))
    desk.close()
    return _state(folder)
