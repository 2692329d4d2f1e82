"""The till of a shop: settled once, in any order, over any kill; corrected by entries of their own."""

import json
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from till_shop import LIST, NOON, SHOP, Kept, at, decided, entered, heard, left, moved, passed, prices

from models.common.protocols import InputError
from serving.settlement.offers import Coupon
from serving.settlement.shop_events import Offered, ShopEvent
from serving.settlement.till import TillConfig

VISIT: list[ShopEvent] = [
    entered(),
    moved("take", "milk", 10, 2),
    moved("take", "wine", 20),
    moved("put", "wine", 25),
    moved("take", "tea", 30),
    passed("milk", "milk", "tea"),
    left(),
]


def test_a_visit_is_billed_once_it_has_left() -> None:
    kept = Kept().run([LIST, *VISIT])
    (entry,) = kept.entries()
    assert (entry["kind"], entry["due_cents"], entry["asked"], entry["silent"]) == ("bill", 488, [], [])
    assert [(line["product"], line["count"], line["cents"]) for line in entry["bill"]["lines"]] == [
        ("milk", 2, 238),
        ("tea", 1, 250),
    ]
    assert kept.outputs[0].key == "bill:s1:v" and kept.outputs[0].entry().content()
    assert kept.reviews() == {}
    assert Kept().run([LIST, *VISIT[:-1]]).outputs == [], "nobody is billed inside"


def test_prices_of_the_pick_hold_though_new_ones_come() -> None:
    new = prices(15, "new", milk=200, tea=300)
    (entry,) = Kept().run([LIST, *VISIT[:2], new, *VISIT[2:]]).entries()
    assert [line["cents"] for line in entry["bill"]["lines"]] == [238, 300]


def test_it_waits_for_every_source_and_no_longer_than_it_must() -> None:
    config = TillConfig(sources=("shelf-box", "gate-box"), patience_s=10)
    waiting = [LIST, *VISIT, heard("shelf-box", 60), heard("gate-box", 59.9)]
    assert Kept(config).run(waiting).entries() == []
    (entry,) = Kept(config).run([*waiting, heard("gate-box", 60)]).entries()
    assert entry["silent"] == []
    assert Kept(config).run([*waiting, entered("w", 69.9)]).entries() == []
    (entry,) = Kept(config).run([*waiting, entered("w", 70)]).entries()
    assert entry["silent"] == ["gate-box"]


def test_what_is_not_sure_is_asked_and_not_charged() -> None:
    kept = Kept().run([LIST, entered(), moved("take", "milk", 10, sure=0.7), moved("take", "tea", 20), left()])
    (entry,) = kept.entries()
    assert (entry["due_cents"], entry["asked"]) == (250, ["milk"])
    review = kept.reviews()["milk"]
    assert (review["cause"], review["likely"], review["evidence"]) == ("unsure", 1, ["v-take-milk-10"])
    assert review["confidence"] == pytest.approx(0.7, abs=0.001)
    assert json.loads(kept.texts["review:s1:v:milk"]) == review
    kept.run([decided("milk", 1, 200)])
    assert "review:s1:v:milk" not in kept.texts
    bill, correction = kept.entries()
    assert (correction["kind"], correction["due_cents"], correction["changes"]) == ("correction", 119, {"milk": 1})
    assert correction["decided"] == {"milk": {"by": "steward", "reason": "looked at the film"}}
    assert (bill["version"], correction["version"], kept.reviews()) == (0, 1, {})
    assert kept.outputs[-2].key == "bill:s1:v:1"


def test_a_late_put_back_is_refunded_and_a_late_take_asked() -> None:
    late = Kept().run([LIST, entered(), moved("take", "milk", 10), left(), moved("put", "milk", 20)])
    assert [entry["due_cents"] for entry in late.entries()] == [119, -119]
    late = Kept().run([LIST, entered(), moved("take", "milk", 10), left(), moved("take", "tea", 20)])
    assert [entry["due_cents"] for entry in late.entries()] == [119]
    assert late.reviews()["tea"]["cause"] == "late"


def test_a_product_without_a_price_is_asked() -> None:
    kept = Kept().run([LIST, entered(), moved("take", "rice", 10), moved("take", "tea", 11), left()])
    assert [entry["due_cents"] for entry in kept.entries()] == [250]
    assert kept.reviews()["rice"]["cause"] == "no price"
    kept.run([prices(-60, "more", rice=99), decided("rice", 1, 300)])
    assert [entry["due_cents"] for entry in kept.entries()] == [250, 99]


def test_a_bill_that_was_handed_out_keeps_its_prices_and_offers() -> None:
    """A list from before the visit that is heard after it, and a late put-back: the tea still costs what the bill said."""
    kept = Kept().run(
        [LIST, *VISIT, prices(-60, "late", milk=1, tea=2), moved("put", "milk", 40, sure=1.0), decided("milk", 1, 90)]
    )
    assert [entry["due_cents"] for entry in kept.entries()] == [488, -119]
    half = {"coupon_id": "c", "account": "ann", "kind": "percent", "value": 5_000, "since": NOON, "until": at(99)}
    told = Offered(event_id="o", shop=SHOP, time=NOON, coupons=[Coupon(**half)])
    kept = Kept().run([LIST, *VISIT, told, decided("milk", 1, 90)])
    assert [entry["due_cents"] for entry in kept.entries()] == [488, -119]


def test_a_coupon_is_used_once_by_its_account() -> None:
    half = {"coupon_id": "c", "account": "ann", "kind": "percent", "value": 5_000, "since": NOON, "until": at(9_999)}
    told = Offered(event_id="o", shop=SHOP, time=NOON, coupons=[Coupon(**half)])
    events: list[ShopEvent] = [LIST, told]
    for visit, account, second in (("v1", "bob", 0), ("v2", "ann", 100), ("v3", "ann", 200)):
        take = moved("take", "tea", second + 5, visit=visit)
        events += [entered(visit, second, account), take, left(visit, second + 60)]
    for killed in (False, True):
        assert [entry["due_cents"] for entry in Kept().run(events, killed=killed).entries()] == [250, 125, 250]


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 7), max_size=6))
def test_any_order_with_repetitions_gives_the_same_bill(rng: Random, again: list[int]) -> None:
    """As long as it is heard before the bill is made: a box that answers late is waited for."""
    config = TillConfig(sources=("boxes",))
    events = [LIST, *VISIT]
    events += [events[number] for number in again]
    rng.shuffle(events)
    (entry,) = Kept(config).run([*events, heard("boxes", 60)]).entries()
    assert entry == Kept(config).run([LIST, *VISIT, heard("boxes", 60)]).entries()[0]


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_whatever_comes_late_the_entries_add_up_to_what_holds(rng: Random) -> None:
    """And a till that is killed after every event tells the same as one that never was."""
    events = [
        LIST,
        *VISIT,
        moved("take", "milk", 50, 1),
        moved("put", "tea", 52),
        decided("milk", 2, 100),
        decided("tea", 1, 101),
    ]
    rng.shuffle(events)
    kept, killed = Kept().run(events), Kept().run(events, killed=True)
    assert kept.outputs == killed.outputs
    entries = kept.entries()
    assert [entry["kind"] for entry in entries] == ["bill", *["correction"] * (len(entries) - 1)]
    assert [entry["version"] for entry in entries] == list(range(len(entries)))
    assert sum(entry["due_cents"] for entry in entries) == entries[-1]["bill"]["total_cents"]
    changed: Counter[str] = Counter()
    for entry in entries[1:]:
        changed.update(entry["changes"])
    first, last = ({line["product"]: line["count"] for line in entries[k]["bill"]["lines"]} for k in (0, -1))
    assert {product: n for product, n in (Counter(first) + changed).items() if n} == last
    if "no price" not in {body["cause"] for body in kept.reviews().values()}:
        assert (last.get("milk"), last.get("tea")) == (2, 1), "what a person decided"


def test_two_who_say_when_it_began_and_ended() -> None:
    earlier = left(second=50).model_copy(update={"event_id": "other"})
    (entry,) = Kept(TillConfig(sources=("b",))).run([LIST, *VISIT, earlier, heard("b", 99)]).entries()
    assert entry["left"] == at(50).isoformat()


def test_another_shops_event_and_one_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    till = Kept().begin()
    with pytest.raises(InputError, match="'s2' at the till of 's1'"):
        till.apply(LIST.model_copy(update={"shop": "s2"}))
    monkeypatch.setattr("serving.settlement.visit.MOST_EVENTS", 2)
    kept = Kept()
    with pytest.raises(InputError, match="begin a new visit"):
        kept.run([LIST, *VISIT])
    assert [entry["due_cents"] for entry in kept.run([left()]).entries()] == [1_037], "what came before is billed"
