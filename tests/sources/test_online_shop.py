"""The online shop: what moves it and what does not, its tables, and decisions that it refuses."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta

import ibis
import numpy as np
import pyarrow as pa
import pytest
from online_case import PARAMS, START, FixedPolicy, a_shop, lived

from data_checks.contracts import load_contract
from data_checks.decisions import Decisions as Verdicts
from data_checks.gate import judge
from data_checks.samples import tagged
from sources.twin.customers.params import OnlineParams
from sources.twin.customers.policies import RandomPolicy
from sources.twin.customers.protocol import RecommendationPolicy, Requests, Slates
from sources.twin.customers.records import PURCHASE
from sources.twin.customers.schemas import ONLINE_DAILY, ONLINE_SCHEMAS, ONLINE_STATIC
from sources.twin.decisions import DecisionError, Decisions
from sources.twin.params import TwinParams
from sources.twin.source import TwinSource
from sources.twin.tables import DAILY_TABLES, SCHEMAS
from sources.twin.world import World

TWIN = TwinParams.size("tiny").with_days(20)
WITHOUT = TWIN.model_copy(update={"online": TWIN.online.model_copy(update={"customers": 0})})
DAYS = [TWIN.start + timedelta(days=n) for n in range(TWIN.days)]


def test_customers_change_no_byte_of_the_shops_tables() -> None:
    """Nor does what they are shown."""
    off, on, decided = World(WITHOUT, 11), World(TWIN, 11), World(TWIN, 11)
    for day in DAYS:
        alone, together = off.advance(day), on.advance(day)
        other = decided.advance(day, Decisions(policy=RandomPolicy(1)))
        assert set(alone) == DAILY_TABLES - ONLINE_DAILY
        assert set(together) == DAILY_TABLES
        for name, table in alone.items():
            assert table.equals(together[name])
            assert table.equals(other[name])
        assert not other["impressions"].equals(together["impressions"])
    for name, table in off.static_tables().items():
        assert table.equals(on.static_tables()[name])
    assert set(on.static_tables()) - set(off.static_tables()) == ONLINE_STATIC


def test_a_source_without_customers_offers_none_of_their_tables() -> None:
    assert TwinSource(WITHOUT, 11).tables == frozenset(SCHEMAS) - frozenset(ONLINE_SCHEMAS)
    assert TwinSource(TWIN, 11).tables == frozenset(SCHEMAS)


def test_customers_leave_the_parts_of_other_tables_as_they_were() -> None:
    off, on = TwinSource(WITHOUT, 11), TwinSource(TWIN, 11)
    for table in off.tables:
        assert off.parts(table) == on.parts(table)
    fewer = TwinSource(TWIN.model_copy(update={"online": TWIN.online.model_copy(update={"slate_size": 3})}), 11)
    for table in ONLINE_DAILY:
        assert set(fewer.parts(table).values()).isdisjoint(on.parts(table).values())


# The day by which cleaning cuts a table, and the column it is taken from.
CUT_BY = {
    "sessions": ("started_on", "started_at"),
    "impressions": ("shown_on", "shown_at"),
    "events": ("happened_on", "event_time"),
}


@pytest.mark.parametrize("name", ["customers", "friendships", "sessions", "impressions", "events"])
def test_tables_keep_their_contracts(name: str) -> None:
    source, contract = TwinSource(TWIN, 11), load_contract(name)
    references = {lookup.table: ibis.memtable(source.read(lookup.table).read_all()) for lookup in contract.lookups}
    rows = source.read(name).read_all()
    if name in CUT_BY:
        day, of = CUT_BY[name]
        rows = rows.append_column(day, rows[of].cast(pa.timestamp("us")).cast(pa.date32()))
    rows = rows.cast(contract.arrow_schema())
    con = ibis.duckdb.connect()
    found = judge(ibis.memtable(tagged(rows)), contract, references=references, decisions=Verdicts(), con=con)
    assert found.success and rows.num_rows > 40
    assert not any(fact.failing for fact in found.facts)


def test_columns_are_those_of_the_contracts() -> None:
    for name, schema in ONLINE_SCHEMAS.items():
        strict = [field for field in load_contract(name).arrow_schema() if field.name not in CUT_BY.get(name, ())[:1]]
        assert [field.name for field in strict] == schema.names == load_contract(f"{name}_raw").arrow_schema().names
        assert [field.type for field in strict] == schema.types


def test_no_truth_in_tables() -> None:
    told = {column for schema in ONLINE_SCHEMAS.values() for column in schema.names}
    assert not told & {
        "segment",
        "taste",
        "chance",
        "strength",
        "persuasiveness",
        "utility",
        "price_sensitivity",
        "circle",
    }
    assert {f.name for f in fields(Requests)} == {
        "day", "session", "customer", "time_us", "hour", "device", "region", "temp_c", "rain_mm", "available", "price",
        "slate_size",
    }  # fmt: skip


def test_tables_refer_to_one_another() -> None:
    world = World(TWIN, 11)
    made = [world.advance(day) for day in DAYS]
    whole = {name: pa.concat_tables(day[name] for day in made).to_pandas() for name in ONLINE_DAILY}
    static = {name: table.to_pandas() for name, table in world.static_tables().items()}
    sessions, shown, events = whole["sessions"], whole["impressions"], whole["events"]
    assert sessions.session_id.is_unique and shown.impression_id.is_unique
    assert len(sessions) > 300 and len(shown) > 1000 and len(events) > 100
    for rows in (sessions, shown, events):
        assert rows.customer_id.isin(static["customers"].customer_id).all()
    assert shown.item_id.isin(static["products"].product_id).all()
    registered = sessions.merge(static["customers"], on="customer_id")
    assert (registered.started_at.dt.date >= registered.registered_on).all()
    linked = shown.merge(sessions, on="session_id", suffixes=("", "_session"), validate="many_to_one")
    assert len(linked) == len(shown)
    assert (linked.shown_at >= linked.started_at).all() and (linked.customer_id == linked.customer_id_session).all()
    answers = events[events.impression_id.notna()].merge(shown, on="impression_id", suffixes=("", "_shown"))
    assert len(answers) == events.impression_id.notna().sum()
    assert (answers.item_id == answers.item_id_shown).all() and (answers.event_time > answers.shown_at).all()
    assert not events.duplicated(["customer_id", "item_id", "event_time", "kind"]).any()
    paid = events.kind == "purchase"
    assert events.price[paid].notna().all() and (events.amount[paid] >= 1).all()
    assert events[["price", "amount"]][~paid].isna().all(axis=None)
    ordered = answers.pivot_table(index="impression_id", columns="kind", values="event_time", aggfunc="min")
    bought = ordered[ordered.purchase.notna()]
    assert len(bought) > 5
    assert ((bought.click < bought.cart) & (bought.cart < bought.purchase)).all()


def test_customers_are_those_of_the_tills() -> None:
    """Whoever has a home store bears an id that its tills print; the others bear none of any till."""
    source = TwinSource(TWIN.with_days(60), 11)
    customers, sold = (source.read(name).read_all().to_pandas() for name in ("customers", "transactions"))
    seen = (
        sold.dropna(subset=["customer_id", "store_id"]).drop_duplicates("customer_id").set_index("customer_id").store_id
    )
    both = customers.set_index("customer_id").home_store_id.dropna()
    assert len(both) > 20 and both.index.isin(seen.index).mean() > 0.8
    known = both[both.index.isin(seen.index)]
    assert (seen.loc[known.index] == known).all()
    assert not customers.customer_id[customers.home_store_id.isna()].isin(seen.index).any()


def test_the_same_seed_lives_the_same_days_and_another_does_not() -> None:
    one, same, other = (lived(a_shop(seed=seed), 0, 5) for seed in (3, 3, 4))
    for day, again in zip(one, same, strict=True):
        for f in fields(day.impressions):
            assert np.array_equal(getattr(day.impressions, f.name), getattr(again.impressions, f.name))
        assert np.array_equal(day.events.time_us, again.events.time_us)
    assert [len(day.visits) for day in one] != [len(day.visits) for day in other]


def test_two_policies_meet_the_same_luck() -> None:
    """The same visits, and whoever clicks on an item in a low position clicks on it in a higher one."""
    up, down = FixedPolicy(np.arange(60.0)), FixedPolicy(np.where(np.arange(60) == 0, 100.0, np.arange(60.0)))
    lived(a_shop(PARAMS.model_copy(update={"batch_hours": 24})), 0, 1, up)
    lived(a_shop(PARAMS.model_copy(update={"batch_hours": 24})), 0, 1, down)
    first, second = up.batches[0], down.batches[0]
    assert np.array_equal(first.requests.session, second.requests.session)
    # `down` puts item 0 first and all others one place lower, where they are looked at less: no click is gained.
    assert (second.slates.items[:, 1:] == first.slates.items[:, :-1]).all()
    assert (second.clicked[:, 1:] <= first.clicked[:, :-1]).all()
    assert first.clicked[:, :-1].sum() > second.clicked[:, 1:].sum() > 0


def test_a_kept_state_lives_the_same_days_again() -> None:
    shop = a_shop()
    lived(shop, 0, 6)
    state = shop.state.copy()
    first = lived(shop, 6, 9)
    assert len(state.due) > 0
    fresh = a_shop()
    for again in (shop, fresh):
        again.state = state
        for day, repeated in zip(first, lived(again, 6, 9), strict=True):
            assert np.array_equal(day.impressions.chance, repeated.impressions.chance)
            assert np.array_equal(day.events.item, repeated.events.item)


def test_no_shop_without_customers_and_none_without_friends() -> None:
    nobody = a_shop(OnlineParams(customers=0))
    assert len(lived(nobody, 0, 2)[1].impressions) == 0
    alone = OnlineParams(customers=50, social=OnlineParams().social.model_copy(update={"friends": 0.0}))
    days = lived(a_shop(alone), 0, 10)
    bought = [day.events.impression[day.events.kind == PURCHASE] for day in days]
    assert (np.concatenate(bought) >= 0).all()


class Altered:
    """Random slates with a fault."""

    name = "faulty"

    def __init__(self, fault: Callable[[Slates, Requests], Slates]) -> None:
        self._fault, self._random = fault, RandomPolicy(1)

    def slates(self, requests: Requests) -> Slates:
        return self._fault(self._random.slates(requests), requests)

    def feedback(self, batch: object) -> None:
        pass


def _item(slates: Slates, value: int) -> Slates:
    items = slates.items.copy()
    items[0, 1] = value
    return replace(slates, items=items)


def _share(slates: Slates, value: float) -> Slates:
    shares = slates.propensities.copy()
    shares[0, 1] = value
    return replace(slates, propensities=shares)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda s, r: _item(s, 60), r"item 60 in request 0, outside 0\.\.59; give the item's number"),
        (lambda s, r: _item(s, -1), r"item -1 .*outside 0\.\.59"),
        (lambda s, r: _item(s, int(s.items[0, 0])), r"item \d+ twice in request 0; show each item once"),
        (lambda s, r: _item(s, int(np.flatnonzero(~r.available)[0])), "not available; choose where"),
        (lambda s, r: replace(s, items=s.items[:, :-1]), r"items of shape \(\d+, 7\), asked were \(\d+, 8\); give"),
        (lambda s, r: replace(s, propensities=s.propensities[:1]), r"propensities of shape \(1, 8\)"),
        (lambda s, r: replace(s, items=s.items.astype(float)), "type float64; give whole numbers"),
        (lambda s, r: _share(s, 0.0), r"propensity 0 in request 0 at position 1, outside \(0, 1\]; give"),
        (lambda s, r: _share(s, 1.5), r"propensity 1.5"),
        (lambda s, r: _share(s, float("nan")), r"propensity nan"),
    ],
)
def test_slates_that_cannot_be_shown_are_refused_and_change_nothing(fault, message: str) -> None:
    shop = a_shop()
    lived(shop, 0, 2)
    with pytest.raises(DecisionError, match=message):
        lived(shop, 2, 3, Altered(fault))
    assert np.array_equal(lived(shop, 2, 3)[0].impressions.item, lived(_after(2), 2, 3)[0].impressions.item)


def _after(days: int):
    shop = a_shop()
    lived(shop, 0, days)
    return shop


def test_a_world_refuses_a_policy_it_has_no_shop_for_and_bad_slates_before_anything_happens() -> None:
    with pytest.raises(DecisionError, match=r"'random' has no online shop to act in; set online\.customers above 0"):
        World(WITHOUT, 11).advance(TWIN.start, Decisions(policy=RandomPolicy(1)))
    world = World(TWIN, 11)
    with pytest.raises(DecisionError, match="outside 0"):
        world.advance(TWIN.start, Decisions(policy=Altered(lambda s, r: _item(s, 999))))
    tables, plain = world.advance(TWIN.start), World(TWIN, 11).advance(TWIN.start)
    assert all(tables[name].equals(plain[name]) for name in DAILY_TABLES)


def test_truth_of_another_day_is_refused() -> None:
    shop, policy = a_shop(), FixedPolicy(np.arange(60.0))
    with pytest.raises(DecisionError, match="no day of the online shop has been lived yet"):
        shop.truth.taste()
    lived(shop, 0, 1, policy)
    request = policy.asked[-1]
    assert shop.truth.expected_clicks(request, policy.batches[-1].slates.items).shape == (len(request), 8)
    shop.advance(START + timedelta(days=1))
    with pytest.raises(DecisionError, match=r"requests of day \d+ asked on day \d+"):
        shop.truth.utilities(request)
    assert isinstance(policy, RecommendationPolicy)
