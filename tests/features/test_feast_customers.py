"""Customers online: offline equals online, what is pushed is folded in exactly, whatever order, crash or repetition."""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from customer_case import NOON, TEXT, TIME, before, events, shop, table

from features.customer_batch import CustomerBatch, CustomerEvent, CustomersError
from features.customer_facts import CustomerTables
from features.customer_layout import NEWEST_MOMENT, ONLINE_VIEW, PUSH_SOURCE, RECENT_VIEW, STATE_VIEW
from features.customer_record import Recent, pack_recents
from features.customer_registry import CUSTOMER_FEATURES, TEXTS, VALUES
from features.customer_repository import (
    apply_customers,
    materialise_customers,
    publish_customer_state,
    publish_customers,
)
from features.customers import customer_state
from features.engine import connect
from features.feast_customers import RECENTS, FeastCustomers
from features.online_rows import Materialised, as_protos
from features.repository import Repository

ROOT = Path(__file__).resolve().parents[2]
STORES = ["sqlite", pytest.param("redis", marks=pytest.mark.services)]
MIDNIGHT = datetime(2024, 3, 31)


@pytest.fixture(params=STORES)
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    address = "sqlite" if request.param == "sqlite" else request.getfixturevalue("redis_url")
    return Repository(folder=tmp_path / "feast", online_store=address, project="people")


@pytest.fixture(scope="module")
def con() -> Any:
    return connect(memory_limit_gb=1)


def us(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1)) / timedelta(microseconds=1))


def offline(tables: CustomerTables, asked: Sequence[tuple[str, datetime]], con: Any) -> list[dict[str, Any]]:
    """State computed by the batch, in the order asked."""
    moments = table(list(asked), {"customer_id": TEXT, "moment": TIME})
    found = {(r["customer_id"], r["moment"]): r for r in con.to_pyarrow(customer_state(tables, moments)).to_pylist()}
    return [found[pair] for pair in asked]


def check_equal(online: CustomerBatch, rows: Sequence[dict[str, Any]]) -> None:
    """Every feature of every customer, bit for bit."""
    for place, row in enumerate(rows):
        for name in VALUES:
            wanted = math.nan if row[name] is None else float(row[name])
            given = float(online.values[name][place])
            assert given == wanted or (math.isnan(given) and math.isnan(wanted)), (
                row["customer_id"],
                name,
                given,
                wanted,
            )
        assert {name: str(online.texts[name][place]) for name in TEXTS} == {name: row[name] or "" for name in TEXTS}
        assert online.history[place] == tuple(row["history"] or ())


def fill(repository: Repository, tables: CustomerTables, moment: datetime, con: Any) -> Materialised:
    store = apply_customers(repository, tables.provided)
    publish_customers(repository, tables, moment, con=con)
    return materialise_customers(store)


def test_offline_join_equals_online_read_at_sampled_customers_and_times(repository: Repository, con: Any) -> None:
    tables, people = shop(), ["ann", "bob", "eve", "new", "nobody"]
    moments = [before(days=8), before(days=6.5), MIDNIGHT, NOON]
    store = apply_customers(repository, tables.provided)
    pairs = [(name, moment) for moment in moments for name in people]
    asked = table(pairs, {"customer_id": TEXT, "moment": TIME})
    publish_customer_state(repository, customer_state(tables, asked), con=con)
    entities = pd.DataFrame({"customer_id": [n for n, _ in pairs], "event_timestamp": [m for _, m in pairs]})
    names = [f"{STATE_VIEW}:{feature.name}" for feature in CUSTOMER_FEATURES]
    joined = store.get_historical_features(entity_df=entities, features=names).to_arrow().to_pylist()
    assert len(joined) == len(pairs)
    trained = {(row["customer_id"], row["event_timestamp"].replace(tzinfo=None)): row for row in joined}
    known = 0
    for moment in moments:
        publish_customers(repository, tables, moment, con=con)
        materialise_customers(store)
        online = FeastCustomers(store).read(people)
        there = [place for place, found in enumerate(online.found) if found]
        rows = [trained[(people[place], moment)] for place in there]
        part = FeastCustomers(store).read([people[place] for place in there])
        check_equal(part, rows)
        known += len(there)
        for place in set(range(len(people))) - set(there):
            row = trained[(people[place], moment)]
            assert not row["purchases_90d"] and not row["history"]
    assert known >= 9


def told(customer: str, item: str, kind: str, at: datetime, number: int, **more: Any) -> CustomerEvent:
    return CustomerEvent(customer, item, kind, us(at), f"e{number}", **more)


def story(seed: int, count: int, since: datetime) -> list[CustomerEvent]:
    """Events of ann, bob, eve and a stranger over some days, with prices that do not add up in floats."""
    rng = np.random.default_rng(seed)
    items = ["milk", "brie", "tea", "jam", *(f"i{n}" for n in range(60))]
    made = []
    for number in range(count):
        kind = str(rng.choice(["click", "cart", "purchase", "purchase", "view", "play"]))
        at = since + timedelta(seconds=float(rng.integers(0, 9 * 86_400)), microseconds=number)
        more = (
            {"price": float(rng.integers(1, 999)) / 100, "amount": float(rng.integers(1, 4))}
            if kind == "purchase"
            else {}
        )
        made.append(
            told(str(rng.choice(["ann", "bob", "eve", "odd"])), str(rng.choice(items)), kind, at, number, **more)
        )
    return made


def with_story(tables: CustomerTables, story: Sequence[CustomerEvent]) -> CustomerTables:
    rows = [
        (e.customer_id, e.item_id, datetime(1970, 1, 1) + timedelta(microseconds=e.event_time_us), e.kind, *paid(e))
        for e in story
    ]
    assert tables.events is not None
    return replace(tables, events=tables.events.union(events(*rows)))


def paid(event: CustomerEvent) -> tuple[float | None, float | None]:
    return tuple(None if math.isnan(v) else v for v in (event.amount, event.price))  # type: ignore[return-value]


@pytest.mark.parametrize("seed", [1, 2])
def test_folding_equals_computing_anew_in_any_order_and_however_often(
    repository: Repository, con: Any, seed: int
) -> None:
    # Friends, visits and registrations are told by the batch alone: none of them comes after it here.
    tables, people = replace(shop(), friendships=None), ["ann", "bob", "eve", "odd"]
    fill(repository, tables, MIDNIGHT, con)
    pushed = story(seed, 160, NOON + timedelta(microseconds=1))  # `ann` buys jam at noon, which the push tells too
    jam = told("ann", "jam", "purchase", NOON, 9_999, amount=1.0, price=9.0)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(pushed))
    customers = FeastCustomers.open(repository.folder)
    new = customers.push([jam])
    for start in range(0, len(order), 37):
        part = [pushed[n] for n in order[start : start + 37]]
        new += customers.push(part)
        assert customers.push(part[:5]) == 0
    assert new == len(pushed) + 1
    later = with_story(tables, pushed)
    for days in (4.3, 9, 95):
        moment = NOON + timedelta(days=days)
        online = FeastCustomers.open(repository.folder).read(people, at_us=us(moment))
        assert online.found.all()
        check_equal(online, offline(later, [(name, moment) for name in people], con))
    # The batch catches up: what it knows is not counted twice, what it does not know yet still counts.
    half = NOON + timedelta(days=4)
    fill(repository, later, half, con)
    moment = NOON + timedelta(days=9)
    check_equal(
        FeastCustomers.open(repository.folder).read(people, at_us=us(moment)),
        offline(later, [(name, moment) for name in people], con),
    )


def test_a_click_shows_in_the_next_read_and_too_old_an_event_is_the_batchs(repository: Repository, con: Any) -> None:
    assert fill(repository, shop(), NOON, con) == Materialised(3, 3)
    customers = FeastCustomers.open(repository.folder)
    assert customers.read(["ann"]).values["clicks_7d"].tolist() == [1.0]
    assert customers.push([told("ann", "tea", "click", NOON, 1)]) == 1
    assert customers.push([told("ann", "tea", "click", NOON, 1)]) == 0
    assert customers.push([told("ann", "tea", "click", NOON - timedelta(seconds=1), 2)]) == 0
    read = customers.read(["ann", "new", "ann"])
    assert read.values["clicks_7d"][0] == 2.0 and read.found.tolist() == [True, False, True]
    assert customers.push([told("new", "tea", "purchase", NOON, 3, price=2.5)]) == 1
    new = customers.read(["new"])
    assert new.found[0] and new.history == (("tea",),) and new.values["spend_7d"][0] == 2.5
    assert new.texts["category_1"][0] == "drinks"


def test_only_who_changed_is_written(repository: Repository, con: Any) -> None:
    tables = CustomerTables(
        events=events(*((f"c{n}", "milk", before(days=3), "purchase", 1.0, 1.0) for n in range(50)))
    )
    assert fill(repository, tables, before(days=1), con) == Materialised(50, 50)
    assert fill(repository, tables, NOON, con) == Materialised(50, 0)
    more = CustomerTables(events=tables.events.union(events(("c7", "tea", before(hours=1), "purchase", 1.0, 1.0))))  # type: ignore[union-attr]
    assert fill(repository, more, NOON, con) == Materialised(50, 1)
    read = FeastCustomers.open(repository.folder).read(["c7", "c8"])
    assert read.values["purchases_7d"].tolist() == [2.0, 1.0] and read.values["days_since_purchase"].tolist() == [
        1 / 24,
        3.0,
    ]


def test_erased_customers_are_nowhere_and_others_read_the_same(repository: Repository, con: Any) -> None:
    fill(repository, shop(), NOON, con)
    customers = FeastCustomers.open(repository.folder)
    customers.push([told("ann", "jam", "click", NOON, 1), told("bob", "tea", "click", NOON, 2)])
    before_it = customers.read(["bob", "eve"])
    assert customers.erase(["ann", "nobody"]) == 1 and customers.erase(["ann"]) == 0
    assert customers.read(["ann"]).found.tolist() == [False]
    after = customers.read(["bob", "eve"])
    for name in VALUES:
        np.testing.assert_array_equal(after.values[name], before_it.values[name])
    if repository.online_store == "sqlite":
        for path in repository.folder.glob("online.db*"):
            assert b"ann" not in path.read_bytes(), path


def test_feasts_own_push_of_the_same_row_reads_the_same(repository: Repository, con: Any) -> None:
    fill(repository, shop(), MIDNIGHT, con)
    recent = Recent(us(NOON), "e1", "click", "tea", "drinks")
    row = pd.DataFrame({"customer_id": ["bob"], "event_timestamp": [NOON], "recents": [pack_recents([recent])]})
    store = repository.open()
    store.push(PUSH_SOURCE, row)
    slow = FeastCustomers(store).read(["bob"])
    assert slow.values["clicks_7d"][0] == 1.0
    quick = FeastCustomers(store)
    assert quick.push([told("bob", "tea", "click", NOON, 1)]) == 0  # it is there
    assert quick.push([told("bob", "tea", "click", NOON, 2)]) == 1
    assert quick.read(["bob"]).values["clicks_7d"][0] == 2.0


def test_many_events_keep_the_newest_and_damage_is_told(repository: Repository, con: Any) -> None:
    store = apply_customers(repository, {"events"})
    publish_customers(
        repository, CustomerTables(events=events(("ann", "milk", NOON, "click", None, None))), NOON, con=con
    )
    customers = FeastCustomers(store)
    many = [told("ann", "milk", "click", NOON + timedelta(seconds=n), n) for n in range(RECENTS + 20)]
    assert customers.push(many) == RECENTS
    assert customers.read(["ann"]).values["clicks_7d"][0] == RECENTS
    rows = [{"customer_id": "ann", "event_timestamp": NOON, "recents": b"torn"}]

    store.provider.online_write_batch(
        store.config, store.get_feature_view(RECENT_VIEW), as_protos(rows, "customer_id"), None
    )
    with pytest.raises(CustomersError, match=r"'ann'.*materialise again"):
        customers.read(["ann"])
    with pytest.raises(CustomersError, match="apply the repository"):
        FeastCustomers.open(repository.folder / "elsewhere")


PUSHER = """
import sys
from pathlib import Path
from features.customer_batch import CustomerEvent
from features.feast_customers import FeastCustomers
folder, first, count, start_us = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
customers = FeastCustomers.open(folder)
for n in range(first, first + count):
    customers.push([CustomerEvent("ann", f"i{n}", "click", start_us + n, f"e{n}")])
    print(n, flush=True)
"""


def pusher(folder: Path, first: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PUSHER, str(folder), str(first), str(count), str(us(NOON))]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )


def test_two_pushers_a_materialiser_and_a_kill_lose_and_repeat_nothing(repository: Repository, con: Any) -> None:
    fill(repository, shop(), MIDNIGHT, con)
    with pusher(repository.folder, 0, 60) as one, pusher(repository.folder, 1_000, 100_000) as two:
        assert two.stdout is not None and one.stdout is not None
        confirmed = [int(two.stdout.readline()) for _ in range(30)]
        materialise_customers(repository.open())
        two.send_signal(signal.SIGKILL)
        confirmed += [int(line) for line in two.stdout.read().split("\n")[:-1]]
        assert one.wait(60) == 0
    count = (customers := FeastCustomers.open(repository.folder)).read(["ann"]).values["clicks_7d"][
        0
    ] - 1  # of the batch
    assert count - 60 in {len(confirmed), len(confirmed) + 1}  # the last may have been written and not confirmed
    again = [CustomerEvent("ann", f"i{n}", "click", us(NOON) + n, f"e{n}") for n in [*range(60), *confirmed]]
    assert customers.push(again) == 0


@pytest.mark.parametrize("repository", STORES[1:], indirect=True)  # a file's lock falls with its process
def test_who_waits_outlives_a_lease(repository: Repository, con: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(repository, shop(), MIDNIGHT, con)
    customers = FeastCustomers.open(repository.folder)
    client = customers._store.provider.online_store._get_client(customers._store.config.online_store)
    monkeypatch.setattr("features.feast_customers._LEASE_S", 0.2)
    client.set("people:push", b"of the dead", px=400)  # taken while others waited for half of its lease
    assert customers.push([told("ann", "tea", "click", NOON, 1)]) == 1 and client.set("people:push", b"of the living")
    with pytest.raises(CustomersError, match=r"people:push.*held by others for 0\.6 s"):
        customers.push([told("ann", "tea", "click", NOON, 2)])


def test_what_is_registered_is_documented(repository: Repository) -> None:
    store = apply_customers(repository, shop().provided)
    view = store.get_feature_view(STATE_VIEW)
    assert [field.name for field in view.features] == [feature.name for feature in CUSTOMER_FEATURES]
    assert all(field.description and field.tags["unit"] for field in view.features)
    assert json.loads(store.get_feature_view(ONLINE_VIEW).tags["tables"]) == sorted(shop().provided)
    assert store.get_feature_view(RECENT_VIEW).stream_source.name == PUSH_SOURCE
    assert NEWEST_MOMENT not in FeastCustomers(store).read(["x"]).customer_ids
