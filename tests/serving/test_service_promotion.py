"""Promotion and roll-back under load: nothing is dropped, and each connection sees one switch a move, in order."""

import http.client
import json
import threading
import time

import pytest
from release_factory import FIRST, SECOND, Releases

CONNECTIONS, FLIPS = 4, 10


class Caller(threading.Thread):
    """One connection that asks without pause and notes what it got."""

    def __init__(self, port: int, stop: threading.Event) -> None:
        super().__init__()
        self.port, self.stop = port, stop
        self.artifacts: list[str] = []
        self.failures: list[str] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body = b'{"series_ids":["s0001"],"horizon":42}'
        while not self.stop.is_set():
            try:
                connection.request("POST", "/forecast", body, {"Content-Type": "application/json"})
                reply = connection.getresponse()
                content = reply.read()
                said = json.loads(content)
                if reply.status != 200 or said["served_by"] != f"champion {said['artifact_id']}":
                    self.failures.append(f"{reply.status} {content[:200]!r}")
                else:
                    self.artifacts.append(said["artifact_id"])
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(repr(error))
                connection.close()
        connection.close()


def model_card(port: int) -> dict:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/model", b"{}", {"Content-Type": "application/json"})
    card = json.loads(connection.getresponse().read())
    connection.close()
    return card


def wait_for(port: int, wanted, patience_s: float = 60.0) -> dict:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        card = model_card(port)
        if wanted(card):
            return card
        time.sleep(0.02)
    pytest.fail(f"after {patience_s} s the service still says {card}")


def test_promotion_and_rollback_under_load_drop_nothing(served) -> None:
    port, releases = served
    stop = threading.Event()
    callers = [Caller(port, stop) for _ in range(CONNECTIONS)]
    for caller in callers:
        caller.start()
    try:
        for flip in range(FLIPS):
            name = SECOND if flip % 2 == 0 else FIRST
            releases.promote(name)
            wait_for(port, lambda card, name=name: card["artifact_id"] == releases.ids[name])
            time.sleep(0.1)
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    assert [failure for caller in callers for failure in caller.failures] == []
    for caller in callers:
        assert set(caller.artifacts) == set(releases.ids.values())
        moves = sum(a != b for a, b in zip(caller.artifacts, caller.artifacts[1:], strict=False))
        assert moves <= FLIPS, "an old champion answered after the new one had"
        assert caller.artifacts[-1] == releases.ids[FIRST]
    assert wait_for(port, lambda card: card["swaps"] >= FLIPS)["problem"] is None


def test_bad_promotion_is_reported_and_the_old_champion_stays(served, made_releases: Releases) -> None:
    port, releases = served
    model = releases.bot / SECOND / "artifact" / "forecast.onnx"
    sound = model.read_bytes()
    model.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    try:
        releases.promote(SECOND)
        card = wait_for(port, lambda card: card["problem"] is not None)
        assert card["artifact_id"] == releases.ids[FIRST]
        assert "forecast.onnx was altered" in card["problem"]
    finally:
        model.write_bytes(sound)
        releases.promote(FIRST)
    wait_for(port, lambda card: card["problem"] is None)


def test_champion_corrupted_under_way_answers_from_the_fallback_and_says_so(served) -> None:
    port, releases = served
    model = releases.bot / FIRST / "artifact" / "forecast.onnx"
    sound = model.read_bytes()
    model.write_bytes(b"")
    try:
        wait_for(port, lambda card: card["problem"] is not None)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/forecast", b'{"series_ids":["s0001"]}', {"Content-Type": "application/json"})
        reply = json.loads(connection.getresponse().read())
        connection.close()
        assert reply["served_by"] == "fallback:last_good_forecast"
        assert "altered" in reply["notes"][0]
        assert len(reply["forecasts"][0]["mean"]) == 42
    finally:
        model.write_bytes(sound)
    wait_for(port, lambda card: card["problem"] is None)
