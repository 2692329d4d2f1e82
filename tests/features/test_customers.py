"""State of a customer at a moment, by hand-worked values, and on sources that lack tables or times."""

from datetime import datetime
from pathlib import Path
from typing import Any

import ibis
import pytest
from customer_case import ANN, EVENTS, LINES, NOON, TEXT, TIME, before, shop, table

from features.customer_facts import CustomerTables
from features.customer_registry import CUSTOMER_FEATURES, FORGET_DAYS
from features.customers import customer_state, everybody
from features.engine import connect


def state(tables: CustomerTables, *asked: tuple[str, datetime]) -> dict[tuple[str, datetime], dict[str, Any]]:
    moments = table(list(asked), {"customer_id": TEXT, "moment": TIME}) if asked else everybody(tables, NOON)
    rows = connect(memory_limit_gb=1).to_pyarrow(customer_state(tables, moments)).to_pylist()
    return {(row["customer_id"], row["moment"]): row for row in rows}


def test_every_feature_of_ann_by_hand() -> None:
    found = state(shop())
    assert {name for name, _ in found} == {"ann", "bob", "eve"}  # `new` registers tomorrow
    ann = found[("ann", NOON)]
    assert {name: ann[name] for name in ANN} == ANN
    # 31 March 2024 is day 19,813 since 1970, in period 707, which began on 16 March; day 19,773 lies in period 706.
    assert FORGET_DAYS == 28 and 19_813 // 28 == 707 and 19_773 // 28 == 706
    dairy, drinks = 7 + 4 + 4, 4 / 2
    assert ann["category_share_1"] == pytest.approx(dairy / (dairy + drinks))
    assert ann["category_share_2"] == pytest.approx(drinks / (dairy + drinks))
    assert set(ann) == {"customer_id", "moment", *(feature.name for feature in CUSTOMER_FEATURES)}


def test_who_stays_away_and_who_is_known_to_tills_alone() -> None:
    found = state(shop())
    bob, eve = found[("bob", NOON)], found[("eve", NOON)]
    assert (bob["purchases_90d"], bob["tenure_days"], bob["friends"], bob["device"]) == (0.0, 1.5, 1.0, "tablet")
    assert (bob["days_since_purchase"], bob["usual_hour"], bob["history"], bob["promotion_share_90d"]) == (None,) * 4
    assert (eve["purchases_90d"], eve["days_since_purchase"], eve["tenure_days"], eve["history"]) == (
        0,
        100,
        100,
        ["tea"],
    )


def test_a_window_at_midnight_is_whole_days() -> None:
    rows = [("ann", f"i{n}", datetime(2024, 3, n, 12), None, "purchase", 1.0, 1.0) for n in range(1, 31)]
    tables = CustomerTables(events=table(rows, EVENTS))
    midnight, later = datetime(2024, 3, 31), datetime(2024, 3, 31, 0, 0, 1)
    found = state(tables, ("ann", midnight), ("ann", later))
    assert found[("ann", midnight)]["purchases_7d"] == 7.0  # 24 to 30 March
    assert found[("ann", later)]["purchases_7d"] == 6.0  # 25 to 31 March so far
    assert found[("ann", midnight)]["friends"] is None and found[("ann", midnight)]["category_1"] is None


def test_a_source_without_times_knows_histories_alone() -> None:
    rows = [("u", item, None, n, "interaction", None, None) for n, item in enumerate(["b", "a", "b", "c"])]
    found = state(CustomerTables(events=table(rows, EVENTS)))[("u", NOON)]
    assert found["history"] == ["b", "a", "c"] and found["items_taken"] == 3.0
    assert all(found[name] is None for name in ("purchases_7d", "days_since_seen", "tenure_days", "usual_hour"))


def test_a_history_keeps_the_newest_fifty_by_when_each_was_first_taken() -> None:
    rows = [("u", f"{n:02d}", datetime(2024, 1, 1, 0, n), None, "purchase", None, None) for n in range(60)]
    rows.append(("u", "00", datetime(2024, 2, 1), None, "purchase", None, None))
    found = state(CustomerTables(events=table(rows, EVENTS)))[("u", NOON)]
    assert found["history"] == [f"{n:02d}" for n in range(10, 60)] and found["items_taken"] == 60.0


def test_another_future_moves_no_row_and_a_planted_leak_is_caught() -> None:
    asked = [("ann", NOON), ("ann", before(days=2)), ("ann", before(days=30)), ("eve", before(days=3))]
    calm = state(shop(), *asked)

    def other(cut: datetime) -> CustomerTables:
        base = shop()
        assert base.events is not None and base.transactions is not None and base.sessions is not None
        late = ibis.literal(cut)
        sold, done, visits = base.transactions, base.events, base.sessions
        more = table(  # what is sold at the moment or later
            [("ann", "jam", "S1", "sale", 9, 9.0, NOON), ("eve", "jam", "S1", "sale", 1, 1.0, NOON)], LINES
        )
        return CustomerTables(
            events=done.mutate(
                price=ibis.ifelse(done.event_time >= late, 99.0, done.price),
                item_id=ibis.ifelse(done.event_time >= late, ibis.literal("jam"), done.item_id),
            ),
            transactions=sold.mutate(units=ibis.ifelse(sold.sold_at >= late, sold.units * 5, sold.units)).union(more),
            sessions=visits.mutate(device=ibis.ifelse(visits.started_at >= late, ibis.literal("app"), visits.device)),
            impressions=base.impressions,
            customers=base.customers,
            friendships=base.friendships,
            products=base.products,
            promotions=base.promotions,
        )

    assert state(other(NOON), *asked) == calm
    leaky = state(other(before(days=3)), *asked)
    assert (
        leaky[("ann", NOON)] != calm[("ann", NOON)]
        and leaky[("ann", before(days=30))] == calm[("ann", before(days=30))]
    )


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_duckdb_and_spark_agree(tmp_path: Path) -> None:
    session = connect("spark://local[2]", memory_limit_gb=1, temp_directory=tmp_path)
    asked = [("ann", NOON), ("ann", before(days=6.5)), ("bob", NOON), ("eve", NOON), ("nobody", NOON)]
    moments = table(asked, {"customer_id": TEXT, "moment": TIME})
    found = session.to_pyarrow(customer_state(shop(), moments)).to_pylist()
    spark = {(row["customer_id"], row["moment"].replace(tzinfo=None)): row for row in found}
    for key, row in state(shop(), *asked).items():
        theirs = {name: None if value != value else value for name, value in spark[key].items()}  # NaN is null there
        assert {**theirs, "moment": key[1]} == row
