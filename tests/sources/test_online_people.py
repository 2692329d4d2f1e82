"""Who the customers are: segments that behaviour tells apart, friends who are alike, and tables of both."""

from datetime import date, timedelta

import numpy as np
import pyarrow.compute as pc
import pytest
from online_case import START, a_shop, lived
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from sources.twin.catalogue import day_number
from sources.twin.customers.params import OnlineParams
from sources.twin.customers.records import PURCHASE
from sources.twin.customers.segments import SEGMENTS, of_segments
from sources.twin.customers.shop import OnlineShop
from sources.twin.customers.tables import OnlineTables


@pytest.fixture(scope="module")
def shop() -> OnlineShop:
    return a_shop(OnlineParams(customers=2_000))


def rfm(shop: OnlineShop, days: int) -> np.ndarray:
    """Log recency, frequency, money and visits, and the share bought below list price, (N, 5): of what tables tell."""
    frequency, money, visits, cheap, last = np.zeros((5, len(shop.people)))
    for ago, day in zip(range(days, 0, -1), lived(shop, 0, days), strict=True):
        bought = day.events.kind == PURCHASE
        who, item, price = (column[bought] for column in (day.events.customer, day.events.item, day.events.price))
        np.add.at(frequency, who, 1)
        np.add.at(money, who, price * day.events.units[bought])
        np.add.at(cheap, who, price < shop.setting.items.list_price[item])
        np.add.at(visits, day.visits.customer, 1)
        last[who] = days - ago + 1
    columns = [
        np.log1p(days - last),
        np.log1p(frequency),
        np.log1p(money),
        np.log1p(visits),
        (cheap + 0.3) / (frequency + 1),
    ]
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("seed", [11, 12])
def test_segments_show_in_behaviour_but_overlap(seed: int) -> None:
    shop = a_shop(OnlineParams(customers=600), seed, days=730)
    there = shop.people.registered < shop.setting.start  # with 180 days of history
    features = rfm(shop, 180)[there]
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    found = KMeans(len(SEGMENTS), n_init=10, random_state=0).fit_predict(scaled)
    assert 0.7 <= adjusted_rand_score(shop.truth.segment[there], found) <= 0.97


def test_segments_have_their_shares_and_visits(shop: OnlineShop) -> None:
    shares = np.bincount(shop.people.segment, minlength=len(SEGMENTS)) / len(shop.people)
    assert of_segments("share").sum() == pytest.approx(1.0)
    assert np.abs(shares - of_segments("share")).max() < 0.03
    assert shop.people.visit_rate.mean() == pytest.approx(shop.params.sessions_per_customer_day, rel=0.05)
    # Nobody visits before registering, and who lapsed keeps 3 % of the visits.
    day = int(shop.people.registered.max()) - 1
    assert (shop.people.visits_on(day)[shop.people.registered > day] == 0).all()
    lapsed = shop.people.lapses <= day
    assert shop.people.visits_on(day)[lapsed] == pytest.approx(0.03 * shop.people.visit_rate[lapsed])


def test_friendships_are_mutual_and_nobody_is_their_own_friend(shop: OnlineShop) -> None:
    ties = shop.network
    pairs = set(zip(ties.source.tolist(), ties.target.tolist(), strict=True))
    assert len(pairs) == len(ties.source)
    assert {(b, a) for a, b in pairs} == pairs
    assert all(a != b for a, b in pairs)
    there = dict(zip(zip(ties.source, ties.target, strict=True), ties.since, strict=True))
    assert all(there[b, a] == since for (a, b), since in there.items())


def test_friends_are_alike_and_some_have_many(shop: OnlineShop) -> None:
    people, ties = shop.people, shop.network
    same_region = (people.region[ties.source] == people.region[ties.target]).mean()
    by_chance = ((np.bincount(people.region) / len(people)) ** 2).sum()
    assert same_region > by_chance + 0.3
    categories = people.taste[:, : shop.setting.categories]
    strangers = np.random.default_rng(0).integers(0, len(people), (2, 20_000))

    def likeness(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.corrcoef(categories[a].ravel(), categories[b].ravel())[0, 1])

    assert likeness(ties.source, ties.target) > 0.4 > 0.1 > abs(likeness(*strangers))
    degree = np.sort(ties.degree())
    assert degree.mean() == pytest.approx(shop.params.social.friends, rel=0.2)
    assert degree[-20:].mean() > 5 * degree.mean() > 5 * np.median(degree)


def test_persuasion_is_heavy_tailed_and_no_matter_of_degree(shop: OnlineShop) -> None:
    ties = shop.network
    assert (ties.strength > 0).all() and (ties.strength <= 1).all()
    by_row = shop.truth.influence.out_strength()
    first = slice(ties.begins[7], ties.begins[8])
    assert by_row[7] == pytest.approx(ties.strength[first].sum())
    ordered = np.sort(by_row)[::-1]
    assert ordered[:40].sum() > 5 * 40 * by_row.mean()  # the most persuasive 2 %
    assert abs(np.corrcoef(ties.persuasiveness, ties.degree())[0, 1]) < 0.1
    hubs, persuasive = np.argsort(-ties.degree())[:40], np.argsort(-by_row)[:40]
    assert len(np.intersect1d(hubs, persuasive)) < 10


def test_tables_of_customers_grow_at_their_end(shop: OnlineShop) -> None:
    tables = OnlineTables(shop.setting, shop.people, shop.network)
    early, late = (day_number(START + timedelta(days=n)) for n in (10, 200))
    for made in (tables.customers, tables.friendships):
        before, after = made(early), made(late)
        assert before.num_rows < after.num_rows
        assert after.slice(0, before.num_rows).equals(before)
    customers, friends = tables.customers(late), tables.friendships(late)
    assert pc.max(customers["registered_on"]).as_py() <= START + timedelta(days=200)
    assert pc.all(pc.is_in(friends["friend_id"], value_set=customers["customer_id"])).as_py()
    pairs = set(zip(friends["customer_id"].to_pylist(), friends["friend_id"].to_pylist(), strict=True))
    assert {(b, a) for a, b in pairs} == pairs
    assert friends["since"].null_count > 0 and pc.min(friends["since"]).as_py() > date(2010, 1, 1)
    for column in ("birth_year", "device"):
        assert 0 < customers[column].null_count < customers.num_rows
