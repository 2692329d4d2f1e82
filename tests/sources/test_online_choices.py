"""What is clicked, and why: positions, fatigue, friends, novelty, price, drift; and what policies make of it."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from online_case import PARAMS, START, FixedPolicy, a_shop, expected_clicks, lived

from sources.twin.customers.appeal import web_prices
from sources.twin.customers.drifting import Drifting
from sources.twin.customers.params import DriftParams, OnlineParams, PlainPolicyParams
from sources.twin.customers.policies import OraclePolicy, PopularityPolicy, RandomPolicy, best, clicks_per_impression
from sources.twin.customers.protocol import Requests
from sources.twin.customers.records import CLICK, PURCHASE
from sources.twin.customers.segments import SEGMENTS
from sources.twin.customers.state import OnlineState
from sources.twin.keyed_random import KeyedRandom

STILL = DriftParams(category=0, fashion=0, item=0, segment=0, device=0, hour=0, taste=0)


def requests_of(sessions: int, items: int, places: int) -> Requests:
    """Requests that differ in nothing but their session; item 3 is not available."""
    zero = np.zeros(sessions, dtype=np.int64)
    available = np.arange(items) != 3
    price, sky = np.ones(items), np.zeros(sessions)
    return Requests(0, np.arange(sessions), zero, zero, zero, zero, zero, sky, sky, available, price, places)


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_popularity_logs_the_exact_propensities(epsilon: float) -> None:
    """Frequencies over 40,000 sessions against the propensity of each (item, position), which sum to 1 a position."""
    rng = np.random.default_rng(0)
    shown, clicked = rng.uniform(50, 100, 8), rng.uniform(2, 20, 8)
    policy = PopularityPolicy(PlainPolicyParams(epsilon=epsilon), 3, 8, shown=shown, clicked=clicked)
    slates = policy.slates(requests_of(40_000, 8, 3))
    assert (np.diff(np.sort(slates.items, axis=1), axis=1) > 0).all() and not (slates.items == 3).any()
    for place in range(3):
        items, first = np.unique(slates.items[:, place], return_index=True)
        told = slates.propensities[first, place]
        frequency = np.bincount(slates.items[:, place], minlength=8)[items] / 40_000
        assert told.sum() == pytest.approx(1.0)
        assert np.abs(frequency - told).max() < 4 * 0.5 / np.sqrt(40_000)
        for item, share in zip(items, told, strict=True):
            assert (slates.propensities[slates.items[:, place] == item, place] == share).all()


def test_random_propensities_are_exact() -> None:
    slates = RandomPolicy(3).slates(requests_of(40_000, 8, 3))
    assert (slates.propensities == 1 / 7).all()
    for place in range(3):
        frequency = np.bincount(slates.items[:, place], minlength=8) / 40_000
        assert frequency[3] == 0
        assert np.abs(np.delete(frequency, 3) - 1 / 7).max() < 4 * 0.35 / np.sqrt(40_000)


def test_popularity_by_hand() -> None:
    """Ranks 0..4 to three positions: 0 and 3 share the first, 1 and 4 the second, 2 has the third to itself."""
    assert clicks_per_impression(np.array([80.0, 0.0]), np.array([9.0, 0.0])) == pytest.approx([(9 + 2) / 100, 0.1])
    policy = PopularityPolicy(PlainPolicyParams(epsilon=0.0, temperature=1.0), 3, 6)
    policy.shown[:] = 1e9
    policy.clicked[:] = 1e9 * np.array([0.5, 0.4, 0.3, 0.9, 0.25, 0.2])  # item 3, the best, is not available
    slates = policy.slates(requests_of(500, 6, 3))
    told = [dict(zip(slates.items[:, k].tolist(), slates.propensities[:, k].round(6), strict=True)) for k in range(3)]
    assert told[0] == pytest.approx({0: 0.5 / 0.75, 4: 0.25 / 0.75}, abs=1e-5)
    assert told[1] == pytest.approx({1: 0.4 / 0.6, 5: 0.2 / 0.6}, abs=1e-5)
    assert told[2] == {2: 1.0}


def test_best_ranks_what_is_available() -> None:
    scores = np.array([[0.1, 0.9, 0.5, 0.5], [4.0, 1.0, 2.0, 3.0]])
    available = np.array([True, False, True, True])
    assert best(scores, available, 2).tolist() == [[2, 3], [0, 3]]
    assert best(scores, np.ones(4, dtype=bool), 4).tolist() == [[1, 2, 3, 0], [0, 3, 2, 1]]


def test_position_bias_can_be_recovered() -> None:
    """Under random slates items are alike in all positions, so clicks fall as examination does."""
    days = lived(a_shop(OnlineParams(customers=1_000)), 0, 30, RandomPolicy(5))
    position = np.concatenate([day.impressions.position for day in days])
    clicked = np.concatenate([day.impressions.clicked for day in days])
    rate = np.bincount(position, weights=clicked) / np.bincount(position)
    examined = (1.0 + np.arange(8)) ** -PARAMS.choice.position_decay
    assert rate / rate[0] == pytest.approx(examined, abs=0.06)


def test_chances_are_kept() -> None:
    """Clicks on 50,000 impressions are as many as the truth expects, in each tenth of the chances."""
    days = lived(a_shop(OnlineParams(customers=1_000)), 0, 12)
    chance = np.concatenate([day.impressions.chance for day in days])
    clicked = np.concatenate([day.impressions.clicked for day in days])
    for tenth in np.array_split(np.argsort(chance), 10):
        spread = np.sqrt((chance[tenth] * (1 - chance[tenth])).sum())
        assert abs(clicked[tenth].sum() - chance[tenth].sum()) < 4 * spread


def test_utility_by_hand() -> None:
    """Each term alone moves the utility by its parameter times what it is about, and nothing else moves."""
    shop, policy = a_shop(), FixedPolicy(np.arange(60.0))
    lived(shop, 0, 3, policy)
    request, moment = policy.asked[-1], shop.truth.moment
    assert moment is not None
    before = shop.truth.utilities(request)
    who = int(request.customer[0])
    fatigue, pull = moment.state.fatigue.copy(), moment.state.pull.copy()
    fatigue[who, 5] += 2.0
    pull[who, 7] += 0.5
    moment.state = replace(moment.state, fatigue=fatigue, pull=pull)
    moved = shop.truth.utilities(request)[0] - before[0]
    assert moved[5] == pytest.approx(-2.0 * PARAMS.choice.fatigue, abs=1e-5)
    assert moved[7] == pytest.approx(0.5 * PARAMS.social.pull, abs=1e-5)
    assert np.delete(moved, [5, 7]) == pytest.approx(0.0, abs=1e-5)
    lower = replace(moment.today, log_price=moment.today.log_price - 0.1)
    moment.today = lower
    cheaper = shop.truth.utilities(request)[0] - before[0] - moved
    assert cheaper == pytest.approx(0.1 * shop.people.price_sensitivity[who])


def test_memories_fade_by_a_third_in_their_days() -> None:
    state = replace(OnlineState.fresh(1, 2), fatigue=np.ones((1, 2), np.float32), shown=np.ones(2), due=np.array([4, 5]),
                    follower=np.array([0, 0]), item=np.array([0, 1]))  # fmt: skip
    later = state.faded(4, fatigue=0.5, pull=1.0, memory=0.25)
    assert later.fatigue.tolist() == [[0.5, 0.5]] and later.shown.tolist() == [0.25, 0.25]
    assert later.due.tolist() == [5] and later.item.tolist() == [1]
    assert state.fatigue.tolist() == [[1.0, 1.0]]


def test_oracle_beats_all_and_popularity_lies_in_its_band() -> None:
    """Expected clicks after 30 days of history; no policy's slate is worth more than the oracle's at the same moment."""
    policies = {"random": lambda shop: RandomPolicy(1), "plain": lambda shop: None,
                "oracle": lambda shop: OraclePolicy(shop.truth)}  # fmt: skip
    earned = {}
    for name, make in policies.items():
        shop = a_shop(OnlineParams(customers=800), items=200)
        lived(shop, 0, 30)
        earned[name] = expected_clicks(lived(shop, 30, 50, make(shop)))
    assert earned["random"] < earned["plain"] < earned["oracle"]
    assert 0.2 <= earned["plain"] / earned["oracle"] <= 0.6

    class Watched(OraclePolicy):
        def slates(self, requests: Requests):
            mine = super().slates(requests)
            ours = shop.truth.expected_clicks(requests, mine.items).sum(axis=1)
            other = RandomPolicy(2).slates(requests).items
            assert (ours >= shop.truth.expected_clicks(requests, other).sum(axis=1)).all()
            return mine

    lived(shop, 50, 52, Watched(shop.truth))


def test_appeal_drifts_as_far_as_its_parameters_say() -> None:
    """The common appeal of items moves under the defaults, and stands still without drift, save for novelty."""

    def common(drift: DriftParams, day: int) -> np.ndarray:
        shop = a_shop(PARAMS.model_copy(update={"customers": 5, "drift": drift}), items=200)
        shop.advance(START + timedelta(days=day))
        old = shop.setting.items.launched < shop.setting.start - 90
        return shop.truth.moment.today.common[old]

    assert common(STILL, 60) == pytest.approx(common(STILL, 0), abs=0.01)
    moving = DriftParams()
    assert np.corrcoef(common(moving, 0), common(moving, 60))[0, 1] < 0.9
    assert np.corrcoef(common(moving, 0), common(moving, 3))[0, 1] > 0.95


def test_movements_remember() -> None:
    series = Drifting(KeyedRandom(1), "x", 0.8, np.arange(4_000))
    weeks = np.array([series.on(7 * week) for week in range(4)])
    assert weeks.std(axis=1) == pytest.approx(1.0, abs=0.05)
    assert np.corrcoef(weeks[0], weeks[1])[0, 1] == pytest.approx(0.8, abs=0.03)
    assert np.corrcoef(weeks[0], weeks[3])[0, 1] == pytest.approx(0.8**3, abs=0.05)
    assert series.on(10) == pytest.approx((4 * weeks[1] + 3 * weeks[2]) / 7)


def test_new_items_appear_and_gone_ones_are_not_shown() -> None:
    shop, policy = a_shop(), FixedPolicy(np.arange(60.0))
    lived(shop, 0, 90, policy)
    offered = np.array([request.available for request in policy.asked])
    day = np.array([request.day for request in policy.asked])
    new = np.flatnonzero(shop.setting.items.launched > shop.setting.start)
    assert len(new) >= 2
    for item in new:
        assert not offered[day < shop.setting.items.launched[item], item].any()
        assert offered[day >= shop.setting.items.launched[item], item].mean() > 0.7
    assert (~offered[:, shop.setting.items.launched < shop.setting.start]).mean() == pytest.approx(0.03, abs=0.02)


def test_promotions_sell_and_bargain_hunters_wait_for_them() -> None:
    shop = a_shop(OnlineParams(customers=800))
    listed = shop.setting.items.list_price
    prices = np.array([web_prices(shop.params, shop.setting, KeyedRandom(11), day) for day in range(19_723, 19_783)])
    assert (prices <= listed + 1e-9).all() and (prices >= 0.6 * listed - 0.01).all()
    assert (prices < listed).mean() == pytest.approx(shop.params.promotion_share, abs=0.05)
    hunts = [segment.name for segment in SEGMENTS].index("bargain_hunter")
    cheap: dict[bool, list[bool]] = {True: [], False: []}
    for day in lived(shop, 0, 30):
        paid = day.events.kind == PURCHASE
        below = day.events.price[paid] < listed[day.events.item[paid]]
        for who, low in zip(day.events.customer[paid], below, strict=True):
            cheap[bool(shop.people.segment[who] == hunts)].append(bool(low))
        assert (day.events.kind == CLICK).sum() > paid.sum()
    assert np.mean(cheap[True]) > 0.75 > 0.5 > np.mean(cheap[False])
