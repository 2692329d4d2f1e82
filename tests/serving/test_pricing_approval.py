"""Approval mode from proposal to price: through the answering layer, and in a service that is killed in between."""

import json
import os
import re
import signal
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import psutil
import pytest
from fuzzing import post
from pricing_releases import SETTINGS, PricingDesk, columns, pricing_settings, seat
from release_factory import Releases
from running import free_port, start, wait_ready

from serving.approvals import Approvals, Filter
from serving.pricing_batches import LADDER
from serving.replies import Refusal

TOKEN = "ada-token-0123456789"
BEARER = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
SERVICE = "serving.pricing:Pricing"


@pytest.fixture
def approvals(tmp_path: Path) -> Approvals:
    return Approvals(tmp_path / "approvals.sqlite", proposal_s=3_600, approved_s=3_600, clock=time.time)


@pytest.fixture
def desk(pricing_releases: Releases, approvals: Approvals) -> PricingDesk:
    return PricingDesk(pricing_releases, SETTINGS, approvals=approvals)


def test_nothing_is_live_before_it_is_approved_and_then_it_is(desk: PricingDesk, approvals: Approvals) -> None:
    store = columns([seat(), seat(item_id="S2", before=10.0)], "seats")
    reply = desk.reprice(store, request_id="monday")
    assert (reply["mode"], reply["proposed"]) == ("proposals", 1)
    (part,) = reply["markets"]
    assert part["price"] == [11.0, 10.0] and part["proposal_ids"][1] is None, "a price that stays needs no approval"
    waiting = desk.quote(seat(before=12.0), market="seats")
    assert waiting["prices"][0]["served_by"] == LADDER and "approval mode" in waiting["notes"][0]
    approvals.approve([part["proposal_ids"][0]], who="Ada")
    live = desk.quote(seat(before=12.0), seat(item_id="S2", before=12.0), market="seats")
    assert [each["price"] for each in live["prices"]] == [11.0, 10.0]
    assert [each["served_by"] for each in live["prices"]] == ["approved", LADDER]
    assert desk.reprice(store, request_id="monday")["proposed"] == 0, "sent again, nothing is proposed twice"
    assert desk.reprice(store, request_id="tuesday")["proposed"] == 1


def test_a_proposal_holds_what_a_person_must_know(desk: PricingDesk, approvals: Approvals) -> None:
    reply = desk.reprice(columns([seat(), seat(item_id="in", period=2)], "seats"))
    (part,) = reply["markets"]
    kept, total = approvals.listed(Filter(), first=0, count=10)
    assert total == sum(each is not None for each in part["proposal_ids"])
    for each in kept:
        row = part["item_ids"].index(each.proposal.item_id)
        assert each.proposal.proposal_id == part["proposal_ids"][row]
        assert (each.proposal.old_price, each.proposal.new_price) == (14.0, part["price"][row])
        assert (each.proposal.rule, each.proposal.gain) == (part["rule"][row], part["gain"][row])
        assert each.proposal.served_by == part["served_by"][row]


def test_an_approved_price_keeps_to_the_rules_as_they_are_now(desk: PricingDesk, approvals: Approvals) -> None:
    """11.00 was approved coming from 14.00; from 8.00 the label may rise to 11.00, from 20.00 fall to 17.00 and no further."""
    (part,) = desk.reprice(columns([seat()], "seats"))["markets"]
    approvals.approve(part["proposal_ids"], who="Ada")
    for before, price, rule in ((8.0, 11.0, ""), (7.0, 10.0, "largest_change"), (20.0, 17.0, "largest_change")):
        (told,) = desk.quote(seat(before=before), market="seats")["prices"]
        assert (told["price"], told["rule"], told["served_by"]) == (price, rule, "approved")


def test_a_days_approvals_keep_to_the_largest_change(desk: PricingDesk, approvals: Approvals) -> None:
    """A seat of 14.00 may fall to 11.00 on a day, 3.00; a label of 11.00 told at noon may not fall again."""
    (part,) = desk.reprice(columns([seat()], "seats"), request_id="morning")["markets"]
    assert approvals.approve(part["proposal_ids"], who="Ada").done == tuple(part["proposal_ids"])
    (part,) = desk.reprice(columns([seat(before=11.0)], "seats"), request_id="noon")["markets"]
    assert part["price"] == [10.0]
    (said,) = approvals.approve(part["proposal_ids"], who="Ada").conflicts
    assert said.startswith(
        "S1: 10.00 lies 4.00 from today's opening label, 14.00, and the largest change of a day is 3.00"
    )


def test_a_reprice_that_wants_the_label_withdraws_what_waits(desk: PricingDesk, approvals: Approvals) -> None:
    (part,) = desk.reprice(columns([seat()], "seats"))["markets"]
    (part_now,) = desk.reprice(columns([seat(before=10.0)], "seats"))["markets"]
    assert part_now["price"] == [10.0] and part_now["proposal_ids"] == [None]
    assert "nothing to decide" in approvals.approve(part["proposal_ids"], who="Ada").conflicts[0]


def test_proposals_that_cannot_be_kept_are_refused_and_quotes_go_on(
    desk: PricingDesk, approvals: Approvals, tmp_path: Path
) -> None:
    import sqlite3

    holder = sqlite3.connect(tmp_path / "approvals.sqlite", isolation_level=None)
    holder.executescript("DROP TABLE proposals")
    with pytest.raises(Refusal, match="nothing was proposed; send it again") as caught:
        desk.reprice(columns([seat()], "seats"))
    assert caught.value.status == 503
    reply = desk.quote(seat(), market="seats")
    assert reply["prices"][0]["price"] == 11.0 and "approved prices cannot be read" in reply["notes"][0]


class Person:
    """A person's browser without a browser: cookies and forms."""

    def __init__(self, port: int) -> None:
        self.home = f"http://127.0.0.1:{port}"
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def get(self, path: str) -> str:
        with self.opener.open(self.home + path, timeout=30) as page:
            return page.read().decode()

    def send(self, path: str, **fields: Any) -> str:
        body = urllib.parse.urlencode(fields, doseq=True).encode()
        request = urllib.request.Request(self.home + path, body, {"Origin": self.home})
        with self.opener.open(request, timeout=30) as page:
            return page.read().decode()

    def approve(self, proposal: str) -> str:
        seal = re.search(r'name="seal" value="(\w+)"', self.get("/approvals"))
        assert seal is not None
        return self.send("/approvals/decide", seal=seal[1], verdict="approved", proposal=proposal)


@pytest.fixture
def killable(pricing_releases: Releases, tmp_path: Path) -> Iterator[Any]:
    """Starts the service again and again on one folder, and kills it, worker and all."""
    environment = pricing_settings(
        pricing_releases, tmp_path, STORELOOP_SERVE_APPROVAL="true", STORELOOP_SERVE_APPROVERS=f"Ada:{TOKEN}"
    )
    port, started = free_port(), []

    def kill() -> None:
        process = started.pop()
        everyone = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for each in everyone:
            each.send_signal(signal.SIGKILL)
        process.wait()
        psutil.wait_procs(everyone, timeout=10)

    def begin() -> int:
        if started:
            kill()
        process = start(SERVICE, port, environment=environment, log=tmp_path / "service.log")
        started.append(process)
        wait_ready(port, process, tmp_path / "service.log", 60.0)
        return port

    yield begin
    if started:
        kill()
    assert not os.environ.get("STORELOOP_SERVE_APPROVERS"), "tokens stay in the service's own environment"


def test_from_proposal_to_price_with_a_kill_after_each_step(killable: Any) -> None:
    port = killable()
    store = {"request_id": "monday", "markets": [columns([seat(), seat(item_id="S2", before=13.0)], "seats")]}
    assert post(port, "/reprice", json.dumps(store).encode())[0] == 401, "tokens are given out, and this is none"
    status, body = post(port, "/reprice", json.dumps(store).encode(), BEARER)
    assert status == 200 and json.loads(body)["proposed"] == 2
    ids = json.loads(body)["markets"][0]["proposal_ids"]

    port = killable()
    again = json.loads(post(port, "/reprice", json.dumps(store).encode(), BEARER)[1])
    assert again["proposed"] == 0 and again["markets"][0]["proposal_ids"] == ids
    ada = Person(port)
    ada.send("/approvals/login", token=TOKEN)
    assert "Approved" in ada.approve(ids[0])

    port = killable()
    ask = {"market": "seats", "items": [seat(before=12.0), seat(item_id="S2", before=12.0)]}
    prices = json.loads(post(port, "/quote", json.dumps(ask).encode())[1])["prices"]
    assert [(each["price"], each["served_by"]) for each in prices] == [(11.0, "approved"), (10.0, LADDER)]
    page = ada.get("/approvals/audit")
    assert "The chain holds: 1 decisions" in page, "the session outlives a restart"
    assert "nothing changed" in ada.approve(ids[0])
    card = json.loads(post(port, "/model", b"{}")[1])
    assert card["approval"] == "on" and TOKEN not in json.dumps(card)
