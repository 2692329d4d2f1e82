"""What bills move in the stock, by hand: to the package and to the cent, also where offers and corrections change both."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from till_shop import LIST, NOON, Kept, at, decided, entered, left, moved, prices

from serving.settlement.billing import Bill, Line
from serving.settlement.movements import Movement, movements
from serving.settlement.offers import Promotion
from serving.settlement.shop_events import Offered
from serving.settlement.till import MOVEMENTS


def line(product: str, count: int, list_cents: int, cents: int) -> Line:
    return Line(product=product, count=count, list_cents=list_cents, cents=cents, tax=700)


def of(*lines: Line) -> Bill:
    return Bill(currency="EUR", lines=lines, total_cents=sum(each.cents for each in lines))


def test_a_correction_moves_what_changed_alone() -> None:
    first = of(
        line("milk", 2, 119, 238), line("tea", 1, 250, 250), line("wine", 1, 799, 700), line("wine", 1, 899, 899)
    )
    after = of(line("milk", 3, 119, 238), line("tea", 1, 250, 250), line("wine", 2, 799, 1_598))
    assert movements(None, first) == [
        Movement(product="milk", packages=-2, list_cents=119, discount_cents=0, value_cents=238),
        Movement(product="tea", packages=-1, list_cents=250, discount_cents=0, value_cents=250),
        Movement(product="wine", packages=-1, list_cents=799, discount_cents=99, value_cents=700),
        Movement(product="wine", packages=-1, list_cents=899, discount_cents=0, value_cents=899),
    ]
    assert movements(first, after) == [
        Movement(product="milk", packages=-1, list_cents=119, discount_cents=119, value_cents=0),
        Movement(product="wine", packages=-1, list_cents=799, discount_cents=-99, value_cents=898),
        Movement(product="wine", packages=1, list_cents=899, discount_cents=0, value_cents=-899),
    ]
    assert movements(first, first) == []


LINES = st.lists(
    st.builds(line, st.sampled_from("abc"), st.integers(1, 4), st.sampled_from([99, 250]), st.integers(0, 1_000)),
    max_size=5,
)


@given(LINES, LINES)
def test_values_add_up_to_what_is_due_and_packages_to_what_is_billed(then: list[Line], now: list[Line]) -> None:
    before, after = of(*then), of(*now)
    found = movements(before, after)
    assert sum(each.value_cents for each in found) == after.total_cents - before.total_cents
    assert all(each.value_cents == -each.packages * each.list_cents - each.discount_cents for each in found)
    stock: Counter[str] = before.counts()
    for each in found:
        stock[each.product] -= each.packages
    assert {name: count for name, count in stock.items() if count} == dict(after.counts())


def test_the_till_tells_movements_beside_each_entry() -> None:
    three = Promotion(promotion_id="3-for-2", products=frozenset({"milk"}), buy=3, pay=2, since=NOON, until=at(3_600))
    offered = Offered(event_id="o", shop="s1", time=NOON, promotions=(three,))
    kept = Kept().run([
        LIST, offered, entered(), moved("take", "milk", 10, 3), moved("take", "tea", 20, sure=0.6), left(),
        entered("w", 5), left("w", 61), prices(70, "later", tea=300), decided("tea", 1, 100), decided("milk", 2, 110),
    ])  # fmt: skip
    told = [each for each in kept.outputs if each.to == MOVEMENTS]
    assert [each.key for each in told] == ["bill:s1:v", "bill:s1:v:1", "bill:s1:v:2"], "none where nothing moves"
    due = {(each["visit"], each["version"]): each["due_cents"] for each in kept.entries()}
    assert due == {("v", 0): 238, ("v", 1): 250, ("v", 2): 0, ("w", 0): 0}
    rows = [
        [(m["product"], m["packages"], m["discount_cents"], m["value_cents"]) for m in each.body["movements"]]
        for each in told
    ]
    assert rows == [[("milk", -3, 119, 238)], [("tea", -1, 0, 250)], [("milk", 1, -119, 0)]]
    assert [each.body["due_cents"] for each in told] == [238, 250, 0] and told[0].body["currency"] == "EUR"
