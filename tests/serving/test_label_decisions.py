"""Decisions that boxes of shelf labels hand over: kept once whatever is sent again or lost, by token, and read again."""

import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fuzzing import off_schema
from pricing_releases import pricing_settings
from release_factory import Releases
from running import running

from edge import outbox
from edge.label_store import LabelStore, PriceDecision, decisions_to
from edge.outbox import BATCH, OutboxError
from serving.label_decisions import KEPT_S, LabelDecisions
from serving.label_schemas import DECISIONS_MAX, DecisionsRequest, LabelDecision

TOKEN, VIEWER = "box-token-0123456789", "viewer-token-0123456"
NOW = datetime(2026, 1, 5, 18, 30, tzinfo=UTC)


def told(number: int, **changed: Any) -> dict[str, Any]:
    """A decision as a box writes it: the ladder's or the network's by turns."""
    served_by = "fallback:approved_ladder" if number % 2 else "edge:0123456789ab"
    outside = ("period",) if number % 2 else ()
    whole = PriceDecision(
        event_id=f"s{number}", label=f"L{number}", market="salad", before=3.0, price=2.25, wanted=2.0, rule="largest_change",
        yielded=("floor",), reference=None, outside=outside, served_by=served_by, revision=4, decided_at=NOW,
    )  # fmt: skip
    return {**whole.model_dump(mode="json"), **changed}


def read(*rows: dict[str, Any]) -> list[LabelDecision]:
    return DecisionsRequest.model_validate({"decisions": rows}).decisions


@pytest.fixture
def clock() -> list[float]:
    return [1_000_000.0]


@pytest.fixture
def kept(tmp_path: Path, clock: list[float]) -> LabelDecisions:
    return LabelDecisions(tmp_path / "label_decisions.sqlite", clock=lambda: clock[0])


def test_a_delivery_that_comes_again_answers_the_same_and_is_kept_once(kept: LabelDecisions) -> None:
    first = kept.take(read(told(0), told(1), told(2)), box="shop-7")
    assert (first.kept, first.new, first.conflicts) == (3, {"edge": 2, "fallback:approved_ladder": 1}, ())
    again = kept.take(read(told(0), told(1), told(2)), box="shop-7")
    assert (again.kept, again.conflicts, sum(again.new.values())) == (first.kept, first.conflicts, 0)
    assert kept.last(10).total == 3
    assert [each["event_id"] for each in kept.last(2).decisions] == ["s2", "s1"]
    one = kept.after(1, 1)
    assert (one.total, [each["event_id"] for each in one.decisions]) == (3, ["s1"])
    assert one.decisions == [{"place": 2, "box": "shop-7", **told(1, yielded=["floor"], outside=["period"])}]


def test_another_content_under_a_known_id_is_told_and_the_first_stays(kept: LabelDecisions) -> None:
    kept.take(read(told(0)), box="shop-7")
    for _ in range(2):
        taken = kept.take(read(told(0, price=9.0), told(4)), box="shop-8")
        assert (taken.kept, taken.conflicts) == (1, ("s0",))
    assert [(each["price"], each["box"]) for each in kept.after(0, 10).decisions] == [
        (2.25, "shop-7"),
        (2.25, "shop-8"),
    ]


def test_decisions_survive_and_old_ones_go(kept: LabelDecisions, clock: list[float], tmp_path: Path) -> None:
    kept.take(read(told(0)), box="shop-7")
    other = LabelDecisions(tmp_path / "label_decisions.sqlite", clock=lambda: clock[0])
    clock[0] += KEPT_S - 1
    other.take(read(told(1)), box="shop-7")
    assert other.last(10).total == 2
    clock[0] += 1
    kept.take(read(told(2)), box="shop-7")
    assert [each["event_id"] for each in kept.after(0, 10).decisions] == ["s1", "s2"]
    assert kept.last(1).decisions[0]["place"] == 3, "a place is never given twice: a reader would pass over it"


def test_a_delivery_is_kept_whole_or_not_at_all(kept: LabelDecisions) -> None:
    rows = read(told(0), told(1))
    broken = rows[1].model_copy(update={"event_id": None})
    with pytest.raises(sqlite3.IntegrityError):
        kept.take([rows[0], broken], box="shop-7")
    assert kept.last(10).total == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"customer_id": "c1"}, {"event_id": ""}, {"event_id": "x" * 201}, {"price": 0}, {"price": float("nan")},
        {"rule": "mood"}, {"served_by": "champion x"}, {"served_by": "edge:"}, {"decided_at": "2026-01-05T18:30:00"},
        {"revision": -1}, {"outside": ["period"] * 21},
    ],
)  # fmt: skip
def test_nonsense_and_persons_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="decisions"):
        read(told(0, **changed))


def test_a_box_sends_no_more_at_once_than_is_taken_and_tells_no_other_fields() -> None:
    assert BATCH <= DECISIONS_MAX
    with pytest.raises(ValueError, match="at most 500"):
        read(*(told(number) for number in range(DECISIONS_MAX + 1)))
    assert set(PriceDecision.model_fields) == set(LabelDecision.model_fields)


@pytest.fixture(scope="module")
def service(made_pricing: Releases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of pricing with one box and one viewer."""
    folder = tmp_path_factory.mktemp("labels")
    mine = made_pricing.copy_to(folder / "releases")
    tokens = {"STORELOOP_SERVE_BOXES": f"shop-7:{TOKEN}", "STORELOOP_SERVE_VIEWERS": f"ada:{VIEWER}"}
    environment = pricing_settings(mine, folder, **tokens)
    with running("serving.pricing:Pricing", environment=environment, log=folder / "service.log") as port:
        yield f"http://127.0.0.1:{port}"


def asked(url: str, path: str, body: dict[str, Any], token: str = "") -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(f"{url}/{path}", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def losing(send: Callable[[Any], None]) -> Callable[[Any], None]:
    """The service takes it, and its answer is lost on the way."""

    def sent(events: Any) -> None:
        send(events)
        raise TimeoutError("the reply was lost")

    return sent


def test_a_box_hands_over_to_the_service_once_whatever_is_lost(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven decisions in deliveries of three; the first reply is lost, later one delivery comes twice."""
    monkeypatch.setattr(outbox, "BATCH", 3)
    store = LabelStore(tmp_path / "box")
    made = [PriceDecision.model_validate(told(number)) for number in range(7)]
    store.record([(each, "digest") for each in made])
    assert store.hand_over() == 7
    for token, said in (("", "401"), ("wrong-token-0123456789", "401"), (VIEWER, "ada is no box")):
        with pytest.raises(OutboxError, match=f"7 wait.*{said}"):
            store.outbox.forward(decisions_to(service, token))
    send = decisions_to(service, TOKEN)
    with pytest.raises(OutboxError, match=r"0 events sent, 7 wait.*the reply was lost"):
        store.outbox.forward(losing(send))
    assert asked(service, "decisions_told", {}, TOKEN)[1]["total"] == 3
    assert store.outbox.forward(send) == 7 and store.outbox.waiting() == 0
    delivery = {"decisions": [told(number) for number in range(3)]}
    assert asked(service, "decisions", delivery, TOKEN) == (200, {"kept": 3, "conflicts": []})
    assert asked(service, "decisions", delivery, TOKEN) == (200, {"kept": 3, "conflicts": []})
    other = {"decisions": [told(0, price=9.0)]}
    assert asked(service, "decisions", other, TOKEN) == (200, {"kept": 0, "conflicts": ["s0"]})

    status, page = asked(service, "decisions_told", {"after": 0, "limit": 4}, VIEWER)
    assert (status, page["total"]) == (200, 7)
    whole = page["decisions"] + asked(service, "decisions_told", {"after": page["next_after"]}, VIEWER)[1]["decisions"]
    assert [(each["event_id"], each["price"], each["box"]) for each in whole] == [
        (f"s{number}", 2.25, "shop-7") for number in range(7)
    ]
    (last,) = asked(service, "decisions_told", {"limit": 1}, VIEWER)[1]["decisions"]
    assert (last["event_id"], last["rule"], last["outside"]) == ("s6", "largest_change", [])
    assert asked(service, "decisions_told", {})[0] == 401
    with urllib.request.urlopen(f"{service}/metrics", timeout=30) as reply:
        text = reply.read().decode()
    assert 'storeloop_label_decisions_total{bot="pricing",source="edge"} 4.0' in text
    assert 'storeloop_label_decisions_total{bot="pricing",source="fallback:approved_ladder"} 3.0' in text
    assert 'storeloop_label_decision_conflicts_total{bot="pricing"} 1.0' in text


def test_a_delivery_too_large_or_of_unknown_fields_is_refused_whole(service: str) -> None:
    before = asked(service, "decisions_told", {}, TOKEN)[1]["total"]
    many = {"decisions": [told(number, event_id=f"m{number}") for number in range(DECISIONS_MAX + 1)]}
    strange = {"decisions": [told(0, event_id="new"), told(1, customer_id="c1")]}
    lone = {"decisions": [told(0, event_id="\ud800")]}
    for body in (many, strange, lone, {"decisions": []}, {}):
        assert asked(service, "decisions", body, TOKEN)[0] == 400
    assert asked(service, "decisions_told", {}, TOKEN)[1]["total"] == before


@pytest.mark.parametrize("path", ["/decisions", "/decisions_told"])
def test_requests_off_the_schema_never_break_the_service(service: str, path: str) -> None:
    statuses = off_schema(int(service.rsplit(":", 1)[1]), path, 40)
    assert set(statuses) <= {400, 401, 404, 405, 415} and statuses[400] > 10, statuses


def test_a_service_that_knows_no_box_says_what_to_do(served_pricing: tuple[int, Releases]) -> None:
    status, body = asked(f"http://127.0.0.1:{served_pricing[0]}", "decisions", {"decisions": [told(0)]}, TOKEN)
    assert status == 503 and "STORELOOP_SERVE_BOXES" in body["error"]
