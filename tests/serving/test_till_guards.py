"""What a till does with what hardly happens: clocks ahead, refunds that cost more, an account that comes late, a bill without end."""

import pytest
from till_shop import LIST, NOON, SHOP, Kept, at, decided, entered, heard, left, moved, passed, prices

from models.common.protocols import InputError
from serving.settlement.entries import LONGEST_ENTRY
from serving.settlement.offers import Coupon, Promotion
from serving.settlement.shop_events import Offered, ShopEvent, read_event
from serving.settlement.till import MOST_ASKED, TillConfig

DAY_S = 86_400
BOXES = TillConfig(sources=("boxes",), patience_s=10)


def offered(**what: object) -> Offered:
    held = {"since": NOON, "until": at(DAY_S)}
    if "coupon_id" in what:
        return Offered(event_id="offers", shop=SHOP, time=NOON, coupons=[Coupon(**held, **what)])
    return Offered(event_id="offers", shop=SHOP, time=NOON, promotions=[Promotion(**held, **what)])


@pytest.mark.parametrize(
    "ahead",
    [
        prices(DAY_S, "tomorrow", milk=200),
        Offered(event_id="tomorrow", shop=SHOP, time=at(DAY_S)),
        decided("tea", 0, DAY_S, visit="other"),
    ],
)
def test_what_is_told_ahead_ends_no_waiting(ahead: ShopEvent) -> None:
    kept = Kept(BOXES).run([LIST, ahead, entered(), left(), moved("take", "milk", 10)])
    assert kept.entries() == []
    assert [entry["due_cents"] for entry in kept.run([heard("boxes", 60)]).entries()] == [119]


def test_times_that_no_clock_tells_are_refused() -> None:
    told = left().model_dump_json().encode()
    for time in ("9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z"):
        with pytest.raises(InputError, match="set the clock of who tells it"):
            read_event(told.replace(b"2026-11-30T12:01:00Z", time.encode()))


def test_names_of_shop_and_visit_cannot_be_taken_for_each_other() -> None:
    for name in ("visit_id", "shop"):
        with pytest.raises(InputError, match=name):
            read_event(left().model_copy(update={name: "v:1"}).model_dump_json().encode())


def test_a_refund_that_would_cost_more_is_for_a_person_to_give() -> None:
    """With the tea the coupon holds, 799 + 250 - 500; without it the wine alone costs more than both."""
    coupon = offered(coupon_id="c", account="ann", kind="cents", value=500, least_cents=1_000)
    bought = [LIST, coupon, entered(), moved("take", "wine", 10), moved("take", "tea", 20), left()]
    kept = Kept().run([*bought, moved("put", "tea", 30)])
    assert [entry["due_cents"] for entry in kept.entries()] == [549]
    assert kept.reviews()["tea"]["cause"] == "late"
    kept.run([decided("tea", 0, 300)])
    assert [entry["due_cents"] for entry in kept.entries()] == [549, 250], "a person may"
    assert "used:c" not in kept.texts, "the coupon is free again"
    three = offered(promotion_id="three", products=["milk"], buy=3, pay=1)
    kept = Kept().run([LIST, three, entered(), moved("take", "milk", 10, 3), left(), moved("put", "milk", 30)])
    assert [entry["due_cents"] for entry in kept.entries()] == [119] and kept.reviews()["milk"]["cause"] == "late"


def test_a_visit_waits_for_its_account_and_gets_it_even_late() -> None:
    bought = [LIST, moved("take", "milk", 10), left()]
    (entry,) = Kept().run([*bought, entered()]).entries()
    assert (entry["account"], entry["due_cents"]) == ("ann", 119)
    kept = Kept().run([*bought, entered("w", 100, "bob"), entered()])
    bill, correction = kept.entries()
    assert (bill["account"], bill["due_cents"]) == (None, 119)
    assert (correction["kind"], correction["account"], correction["due_cents"]) == ("correction", "ann", 0)
    assert kept.outputs[-1].key == "bill:s1:v:1"


def test_a_bill_that_no_ledger_holds_is_asked_and_the_next_goes_on() -> None:
    names = [f"{number:03d}-{'x' * 100}" for number in range(600)]
    taken = [moved("take", name, 10, visit="v", name=f"e{number}") for number, name in enumerate(names)]
    priced = prices(-10, "long", **dict.fromkeys(names, 100))
    kept = Kept().run(
        [LIST, priced, entered(), *taken, left(), *([entered("w", 70), moved("take", "tea", 71, visit="w")])]
    )
    (entry,) = kept.entries()
    assert (entry["due_cents"], len(entry["asked"])) == (0, MOST_ASKED)
    assert {body["cause"] for body in kept.reviews().values()} == {"too long"}
    assert all(len(each.entry().content()) < LONGEST_ENTRY for each in kept.outputs if each.to == "entries")
    assert [each["due_cents"] for each in kept.run([left("w", 80)]).entries()] == [0, 250]


def test_a_list_in_another_currency_is_refused() -> None:
    other = prices(0, "other", milk=1).model_copy(update={"currency": "HRK"})
    with pytest.raises(InputError, match="HRK"):
        Kept().run([LIST, other])


def test_what_the_gate_reads_twice_counts_as_it_happened() -> None:
    """One tag, and two words on what it is on: the later one holds, whatever is heard first."""
    early, late = passed("milk", second=50), passed("tea", second=59)
    late = late.model_copy(update={"event_id": "again"})
    told = [[LIST, entered(), *order, left()] for order in ((early, late), (late, early))]
    one, other = (Kept().run(events) for events in told)
    assert one.entries() == other.entries() and one.reviews() == other.reviews()


def test_decisions_before_the_first_bill_are_told_in_it() -> None:
    (entry,) = Kept().run([LIST, entered(), decided("tea", 2, 30), left()]).entries()
    assert entry["due_cents"] == 500 and entry["decided"]["tea"]["by"] == "steward"
