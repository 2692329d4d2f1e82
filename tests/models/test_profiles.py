"""Profiles by hand: features, quintiles, names, the number of segments, follows, influence, seeds."""

from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.common.protocols import DataError
from models.profiles.behaviour import SUMS, features, told_features, usual
from models.profiles.campaigns import lift
from models.profiles.clusters import choose, decide, fit_scaling, gap_choice
from models.profiles.config import Config
from models.profiles.data import ALWAYS, Dataset, Purchases, Ties, prepare
from models.profiles.follows import Follows, count_follows
from models.profiles.influence import fit_influence, tell_influence
from models.profiles.naming import Portrait, names
from models.profiles.rfm import quintile_scores, quintile_segments, rfm
from models.profiles.scaling import distances
from models.profiles.spec import Tried
from models.profiles.spread import choose_seeds, influence

FAR = 2**31


def sums(count: int, **columns: list[float]) -> dict[str, np.ndarray]:
    return {name: np.array(columns.get(name, [0.0] * count), dtype=float) for name in SUMS}


def ties(count: int, *pairs: tuple[int, int]) -> Ties:
    source, target = (np.array([pair[side] for pair in sorted(pairs)], dtype=np.int64) for side in (0, 1))
    begins = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=count))]).astype(np.int64)
    return Ties(source, target, np.full(len(source), ALWAYS), begins)


def a_dataset(count: int, friends: Ties, bought: list[tuple[int, int, int]]) -> Dataset:
    columns = np.array(sorted(bought), dtype=np.int64).T
    return Dataset(
        customers=np.array([f"c{number:04d}" for number in range(count)]),
        items=np.array([f"i{number}" for number in range(int(columns[1].max()) + 1)]),
        sums=sums(count),
        purchases=Purchases(*columns),
        ties=friends,
        fingerprint="",
        trained_until=np.datetime64("2026-01-01"),
    )


def test_features_by_hand_and_shrunken_to_the_usual() -> None:
    told = sums(
        2, silent_days=[0.0, np.e - 1], visits=[9.0, 0.0], observed_days=[10.0, 8.0], clicks=[10.0, 0.0], lines=[5.0, 0.0],
        orders=[4.0, 0.0], spend=[40.0, 0.0], priced_lines=[5.0, 0.0], reduced_lines=[2.0, 0.0],
    )  # fmt: skip
    rates = usual(told, clicks=5.0, orders=2.0)
    assert (rates.visits_a_day, rates.lines_a_click, rates.order_spend, rates.reduced_share) == (0.5, 0.5, 10.0, 0.4)
    known = told_features(rates)
    assert known == ("silence", "pace", "conversion", "basket", "reduced")
    found = features(told, rates, known)
    np.testing.assert_allclose(found[0], [0.0, np.log(10 / 12), np.log(7.5 / 15), np.log(60 / 6), 2.8 / 7.0])
    # Of whom nothing is known, everything is as usual.
    np.testing.assert_allclose(found[1], [1.0, np.log(1 / 10), np.log(0.5), np.log(10.0), 0.4])


def test_what_the_tables_do_not_tell_is_no_feature() -> None:
    receipts = usual(sums(1, lines=[3.0], orders=[1.0], visits=[1.0]), clicks=5.0, orders=2.0)
    assert told_features(receipts) == ("silence", "pace")


def test_rfm_scores_by_hand() -> None:
    told = sums(
        5,
        unbought_days=[1, 2, 3, 4, np.nan],
        observed_days=[9, 9, 9, 9, 50],
        orders=[9, 7, 5, 3, 0],
        spend=[1, 1, 1, 1, 0],
    )
    numbers = rfm(told)
    assert numbers[4].tolist() == [50, 0, 0]
    scores = quintile_scores(numbers)
    assert scores[:, 0].tolist() == scores[:, 1].tolist() == [5, 4, 3, 2, 1]
    assert len(set(scores[:4, 2].tolist())) == 1 and scores[4, 2] == 1
    assert quintile_segments(scores, 2).tolist() == [1, 1, 0, 0, 0]


def a_portrait(silent_days: float = 1.0, lines: float = 9.0, **center: float) -> Portrait:
    usual_center = {"silence": 0.0, "pace": 0.0, "conversion": 0.0, "basket": 0.0, "reduced": 0.0}
    return Portrait({**usual_center, **center}, {"silent_days": silent_days, "lines": lines})


def test_names_can_be_read_and_differ() -> None:
    portraits = [
        a_portrait(pace=0.3),
        a_portrait(reduced=0.8),
        a_portrait(basket=0.9, pace=-0.5),
        a_portrait(silence=0.9, silent_days=60),
        a_portrait(conversion=-0.8),
        a_portrait(conversion=-0.8, lines=0),
        a_portrait(),
    ]
    expected = [
        "loyal, buys at full price", "bargain hunter", "big baskets, comes seldom", "has left", "active lately, hardly buys",
        "active lately, has not bought", "buys now and then",
    ]  # fmt: skip
    assert list(names(portraits)) == expected
    assert list(names(portraits[::-1])) == expected[::-1]


def test_segments_of_one_name_are_told_apart() -> None:
    alike = [a_portrait(reduced=0.8, pace=pace) for pace in (0.5, -0.5, 0.0, 0.2)]
    found = names(alike)
    assert found[0] == "bargain hunter, comes more often" and found[1] == "bargain hunter, comes less often"
    assert len(set(found)) == 4


def tried(clusters: int, silhouette: float, stability: float, gap: float = 0.0) -> Tried:
    return Tried(
        clusters=clusters, silhouette=silhouette, stability=stability, least_stability=0.0, gap=gap, gap_error=0.1
    )


def test_the_clearest_stable_number_is_taken() -> None:
    some = (tried(3, 0.5, 0.9, 1.0), tried(4, 0.6, 0.5, 2.0), tried(5, 0.55, 0.8, 2.05), tried(6, 0.4, 0.9, 3.0))
    choice = decide(some, 0.8)
    assert choice.clusters == 5 and "5 segments: of 3 of 4" in choice.reason and "would take 4" in choice.reason
    assert gap_choice(some) == 4
    unstable = decide(some, 0.95)
    assert unstable.clusters == 3 and "no number of segments from 3 to 6" in unstable.reason


def test_planted_clusters_are_found() -> None:
    rng = np.random.default_rng(1)
    centers = np.array([[0, 0], [4, 0], [0, 4], [4, 4]], dtype=float)
    raw = np.concatenate([center + 0.3 * rng.standard_normal((60, 2)) for center in centers])
    scaled = fit_scaling(raw, 1.5).apply(raw)
    cfg = Config(resamples=3, references=3, restarts=3, clusters_max=6)
    choice = choose(scaled, cfg, seed=1)
    assert choice.clusters == 4
    assert next(each for each in choice.tried if each.clusters == 4).stability > 0.99


def test_one_extreme_customer_moves_no_scaling() -> None:
    raw = np.linspace(0.0, 1.0, 101)[:, None]
    raw[100] = 1e9
    scaling = fit_scaling(raw, 1.5)
    assert scaling.center[0] == 0.5 and scaling.spread[0] == pytest.approx(0.8)
    assert scaling.apply(raw)[100, 0] == 1.5
    np.testing.assert_allclose(distances(np.array([[3.0, 4.0]]), np.array([[0.0, 0.0], [3.0, 4.0]])), [[5.0, 0.0]])


def test_follows_by_hand() -> None:
    """0 buys item 0 on day 20: friend 1 buys it two days later, friend 2 bought it eight days before."""
    friends = ties(3, (0, 1), (1, 0), (0, 2), (2, 0))
    data = a_dataset(3, friends, [(0, 0, 20), (1, 0, 22), (2, 0, 12), (0, 1, 0), (0, 1, 60)])
    found = count_follows(data, 5, -FAR, FAR)
    by_tie = dict(zip(zip(friends.source, friends.target, strict=True), range(4), strict=True))
    assert found.chances[by_tie[0, 1]] == 1 and found.after[by_tie[0, 1]] == 1 and found.beside[by_tie[0, 1]] == 0
    assert found.after[by_tie[0, 2]] == 0 and found.beside[by_tie[0, 2]] == 1
    assert found.excess[by_tie[0, 2]] == -0.5
    # Day 21 onwards holds but the purchase of 1, whose friend 0 bought two days before: neither after nor beside.
    later = count_follows(data, 5, 21, FAR)
    assert later.chances.sum() == 1 and later.after.sum() == later.beside.sum() == 0


def test_shared_taste_is_not_taken_for_influence() -> None:
    """Friends who buy the same items at random times: as many after as beside."""
    rng = np.random.default_rng(2)
    bought = {(who, 0, int(day)) for who in range(40) for day in rng.choice(300, 40, replace=False)}
    friends = ties(40, *((a, (a + step) % 40) for a in range(40) for step in (1, 2, 38, 39)))
    found = count_follows(a_dataset(40, friends, list(bought)), 5, -FAR, FAR)
    assert found.after.sum() / found.chances.sum() > 0.3
    assert abs(found.excess.sum()) / found.after.sum() < 0.05


def test_influence_and_seeds_by_hand() -> None:
    """0 moves 1 and 2 surely, who move nobody; 3 moves 1 and 2 as well; 4 moves 5."""
    friends = ties(6, (0, 1), (0, 2), (3, 1), (3, 2), (4, 5), (5, 0))
    strength = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.0])
    assert influence(friends, strength, 6).tolist() == [2.0, 0.0, 0.0, 2.0, 1.0, 0.0]
    half = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.2])
    assert influence(friends, half, 6)[4] == pytest.approx(0.5 * 1.2)
    chosen = choose_seeds(friends, strength, 6, 3, seed=1, samples=20_000)
    # After 0 or 3 the other one adds itself alone, 4 adds two.
    assert chosen[0] in {0, 3} and chosen[1] == 4 and {chosen[0], chosen[2]} == {0, 3}


def test_the_network_finds_who_is_followed() -> None:
    """One customer in four is followed ten times as often as the others; all friends like the same things."""
    rng = np.random.default_rng(3)
    count = 200
    friends = ties(count, *((a, (a + step) % count) for a in range(count) for step in (1, 3, count - 1, count - 3)))
    leads = np.arange(count) % 4 == 0
    chances = np.full(len(friends), 40.0)
    rate = np.where(leads[friends.source], 0.2, 0.02)
    follows = Follows(
        chances, rng.poisson(chances * (0.1 + rate)).astype(float), rng.poisson(chances * 0.2).astype(float)
    )
    bought = [(who, int(rng.integers(20)), int(rng.integers(100))) for who in range(count) for _ in range(10)]
    data = a_dataset(count, friends, bought)
    scaled = rng.standard_normal((count, 3))
    cfg = Config(epochs=60, width=8)
    told = tell_influence(fit_influence(data, scaled, follows, cfg, seed=1), data, scaled, follows, 8)
    assert told.embedding.shape == (count, 8)
    score = influence(friends, told.strength, count)
    assert leads[np.argsort(-score)[:40]].mean() > 0.9
    assert np.bincount(friends.source, weights=told.strength)[leads].mean() == pytest.approx(0.8, rel=0.35)


def test_lift_and_its_interval() -> None:
    rng = np.random.default_rng(4)
    base = rng.normal(100, 5, 400)
    found, low, high = lift(base * 1.5, base, rng)
    assert found == pytest.approx(0.5) and low == pytest.approx(0.5) and high == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("table", "column", "values", "message"),
    [
        ("customer_behaviour", "visits", -1.0, "visits: 120 of 120 rows are negative"),
        ("customer_behaviour", "customer_id", "same", "customer 'same' has several rows"),
        ("customer_purchases", "customer_id", "nobody", "nobody bought anything"),
    ],
)
def test_bad_tables_are_refused(
    model_cases: dict[str, ModuleType], table: str, column: str, values: Any, message: str
) -> None:
    tables = model_cases["profiles"].tables(None, None)
    rows = tables[table]
    place = rows.column_names.index(column)
    tables[table] = rows.set_column(place, column, pa.array([values] * rows.num_rows))
    with pytest.raises(DataError, match=message):
        prepare(tables, Config())
    with pytest.raises(DataError, match="at least 1000 are needed"):
        prepare(model_cases["profiles"].tables(None, None), Config(min_customers=1_000))


def test_ties_of_unknown_customers_and_to_oneself_are_passed_over(model_cases: dict[str, ModuleType]) -> None:
    tables = model_cases["profiles"].tables(None, None)
    before = prepare(tables, Config())
    more = pa.table({"customer_id": ["c000", "gone"], "friend_id": ["c000", "c001"], "since": pa.nulls(2, pa.date32())})
    tables["friendships"] = pa.concat_tables([tables["friendships"], more])
    assert len(prepare(tables, Config()).ties) == len(before.ties) == 480
