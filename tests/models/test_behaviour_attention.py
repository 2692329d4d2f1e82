"""Attention and dwell: steps by hand, nothing known before its time, scores by hand, and a network that learns what it is shown."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from models.behaviour.config import Config
from models.behaviour.data import Dataset, prepare
from models.behaviour.evaluate import CHAMPION, evaluate
from models.behaviour.handmade import moments, stays
from models.behaviour.heat_map import attention_by_product, heat_map, heat_map_plot
from models.behaviour.peers import NAIVE, Guess, _usual
from models.behaviour.predict import Predictor
from models.behaviour.scoring import score, spearman
from models.behaviour.sequences import Seen, Sequences, sequences
from models.behaviour.shop import Shop
from models.behaviour.train import Trained, train
from models.common.protocols import DataError

# One gondola of 1.2 m at (2, 3) that faces down the room; lanes 0 and 1 on the lower board, 2 on the upper.
SHOP = Shop(
    front=np.array([[2.0, 3.0]]),
    facing=np.array([[0.0, -1.0]]),
    width=np.array([1.2]),
    gondola=np.array([0, 0, 0]),
    lane=np.array([0, 1, 5]),
    level=np.array([0, 0, 1]),
    left=np.array([-0.6, 0.0, -0.6]),
    right=np.array([0.0, 0.6, 0.6]),
    product=np.array([0, 1, 0]),
    products=("jam", "tea"),
)
CFG = Config()


def seen(**changes: Any) -> Seen:
    """One person comes before the gondola, is lost for a step, and takes from lane 1 at 2.0 s."""
    plain = Seen(
        day=np.array([0]),
        party=np.array([1]),
        path=np.zeros(5, int),
        at_s=np.array([0.1, 0.3, 0.6, 1.6, 2.2]),
        x=np.array([0.0, 1.0, 1.7, 1.7, 1.7]),
        y=np.array([0.0, 1.0, 2.5, 2.5, 2.5]),
        event_path=np.array([0]),
        event_s=np.array([2.0]),
        event_lane=np.array([1]),
        event_put=np.array([False]),
        mat_day=np.array([0]),
        mat_gondola=np.array([0]),
        mat_level=np.array([1]),
        mat_s=np.array([1.25]),
    )
    return replace(plain, **changes)


def test_steps_are_means_of_half_a_second_and_hold_the_last_place() -> None:
    found = sequences(seen(), SHOP, CFG)
    assert found.at_s.tolist() == [0.5, 1.0, 1.5, 2.0, 2.5]
    np.testing.assert_allclose(found.inputs[:, 0], [0.5, 1.7, 1.7, 1.7, 1.7], rtol=1e-6)
    assert found.faced.tolist() == [1, 0, 0, 0, 0]
    # Who faces it looks up the plan: 0.3 m to the left of its middle.
    np.testing.assert_allclose(found.along[1:, 0], -0.3, rtol=1e-5)


def test_events_and_mats_fade_by_time_on_their_own_side() -> None:
    found = sequences(seen(), SHOP, CFG)
    fades = np.exp(-np.array([1.0, 0.5, 0.0, 0.5]) / CFG.recency_s)
    np.testing.assert_allclose(found.near[1:, 1, 0], [*fades[:2], 0, 0], rtol=1e-6)  # after the step, lane 1
    np.testing.assert_allclose(found.near[1:, 1, 1], [0, 0, *fades[2:]], rtol=1e-6)  # before its end
    assert not found.near[:, [0, 2]].any()
    stirred = np.exp(-np.array([0.25, 0.75, 1.25]) / CFG.recency_s)
    np.testing.assert_allclose(found.mats[1:, 1, 1], [0, *stirred], rtol=1e-6)
    np.testing.assert_allclose(found.mats[1, 1, 0], stirred[0], rtol=1e-6)
    assert not found.mats[:, 0].any()


def test_lanes_by_number_and_offers_by_product() -> None:
    assert SHOP.lanes_of(np.array([0, 0, 0, 0]), np.array([0, 5, 2, 9])).tolist() == [0, 2, -1, -1]
    np.testing.assert_array_equal(SHOP.of_offers(np.array([[1.0, 2.0, 4.0]])), [[5.0, 2.0]])


@pytest.fixture(scope="module")
def case(model_cases: dict[str, ModuleType]) -> ModuleType:
    return model_cases["behaviour"]


@pytest.fixture(scope="module")
def data(case: ModuleType) -> Dataset:
    return prepare(case.made(), Config(epochs=20, width=16, batch=8, group_min=3))


@pytest.fixture(scope="module")
def trained(data: Dataset) -> Trained:
    return train(data, data.config, seed=0)


@pytest.fixture(scope="module")
def model(trained: Trained) -> Predictor:
    return trained.predictor()


def cut(data: Dataset, path: int, until_s: float) -> Sequences:
    """The steps of one path from what was seen of it by then, alone."""
    own, events, mats = data.seen.path == path, data.seen.event_path == path, data.seen.mat_day == data.seen.day[path]
    own, events, mats = (
        own & (data.seen.at_s < until_s),
        events & (data.seen.event_s < until_s),
        mats & (data.seen.mat_s < until_s),
    )
    fixes = {name: getattr(data.seen, name)[own] for name in ("at_s", "x", "y")}
    taken = {name: getattr(data.seen, name)[events] for name in ("event_s", "event_lane", "event_put")}
    stirred = {name: getattr(data.seen, name)[mats] for name in ("mat_gondola", "mat_level", "mat_s")}
    alone = Seen(
        day=np.array([0]),
        party=data.seen.party[[path]],
        path=np.zeros(own.sum(), int),
        event_path=np.zeros(events.sum(), int),
        mat_day=np.zeros(mats.sum(), int),
        **fixes,
        **taken,
        **stirred,
    )
    return sequences(alone, data.shop, data.config)


@pytest.mark.parametrize("path", [0, 30, 71])
def test_what_is_left_is_told_from_what_was_known_then(data: Dataset, model: Predictor, path: int) -> None:
    """Cut off in mid-stop, and alone instead of beside longer paths, everything that looks back says the very same."""
    whole = slice(data.steps.start[path], data.steps.start[path + 1])
    middle = int(0.6 * data.steps.lengths[path])
    short = cut(data, path, float(data.steps.at_s[whole][middle]))
    steps = len(short.at_s)
    np.testing.assert_array_equal(short.inputs, data.steps.inputs[whole][:steps])
    then, now = model.tell(short, np.array([0])), model.tell(data.steps, np.arange(len(data.day)))
    np.testing.assert_allclose(then.left_s, now.left_s[whole][:steps], rtol=1e-4, atol=1e-4)
    afterwards = np.abs(then.attention_s[0] - now.attention_s[path])
    assert afterwards.max() > 0.1  # what the eyes rested on is told better once more is known
    cutoff = moments(data)[whole][:steps]
    np.testing.assert_allclose(moments(replace(data, steps=short, day=data.day[[path]]))[:steps], cutoff, atol=1e-5)


def test_seconds_told_are_those_of_the_steps(data: Dataset, model: Predictor) -> None:
    told = model.tell(data.steps, np.arange(len(data.day)))
    inside = np.bincount(data.steps.path[data.steps.faced < data.shop.gondolas], minlength=len(data.day)) * 0.5
    assert (told.attention_s.sum(axis=1) <= inside + 1e-6).all() and (told.dwell_s.sum(axis=1) <= inside + 1e-6).all()
    assert (np.diff(told.left_s, axis=1) >= 0).all()


def test_targets_are_the_looks_and_stops_of_the_tables(data: Dataset, case: ModuleType) -> None:
    looks, stops = (case.made()[name] for name in ("looks", "stops"))
    seconds = (looks["to_s"].to_numpy() - looks["from_s"].to_numpy()).sum()
    assert data.targets.attention_s.sum() == pytest.approx(seconds)
    assert 0.5 * (data.targets.looked > 0).sum() == pytest.approx(seconds, rel=0.02)
    dwelt = stops["to_s"].to_numpy() - stops["from_s"].to_numpy()
    assert data.targets.dwell_s.sum() == pytest.approx(dwelt.sum())
    left = data.targets.remaining_s[data.targets.stays]
    assert left.min() >= 0 and left.max() <= dwelt.max()


def test_the_network_learns_what_the_rule_cannot_know(data: Dataset, model: Predictor) -> None:
    """When a stop began and how far it is, of 36 persons; what 2,000 teach of attention is measured by the bench."""
    report = evaluate(model, data)
    for metric, share in (("dwell error", 0.6), ("error of what is left", 0.8), ("misplaced seconds", 1.0)):
        assert report.value(CHAMPION, metric) < share * report.value(NAIVE, metric), metric
    assert report.value(CHAMPION, "CRPS of what is left, difference, high", f"against {NAIVE}") < 0


def test_scores_by_hand(data: Dataset) -> None:
    """Told right, but for one person's first lane by 2 s, and every quantile 1 s above what was left."""
    paths, asked = np.arange(len(data.day)), np.flatnonzero(data.targets.stays)[:7]
    attention = data.targets.attention_s.copy()
    attention[0, 0] += 2.0
    left = np.repeat(data.targets.remaining_s[asked][:, None] + 1, 5, axis=1)
    found = score(data, Guess(attention, data.targets.dwell_s, left), paths, asked)
    assert found.misplaced_s.sum() == pytest.approx(2) and found.squared.sum() == pytest.approx(4)
    assert found.dwell_error_s.sum() == 0 and found.left_error_s == pytest.approx(1) and not found.covered.any()
    assert found.crps_s == pytest.approx(2 * np.mean([0.9, 0.75, 0.5, 0.25, 0.1]))
    assert found.sums_off == pytest.approx(2 / data.targets.attention_s.sum())


def test_rank_correlation_shares_ties() -> None:
    """Ranks 1.5 1.5 3 beside 1 2 3: 1.5 / sqrt(1.5 * 2)."""
    found = spearman(np.array([[0.0, 0, 5], [1, 2, 3], [1, 2, 3]]), np.array([[0.0, 1, 2], [9, 8, 7], [4, 4, 4]]))
    np.testing.assert_allclose(found, [1.5 / np.sqrt(3), -1, 0])


def test_usual_seconds_never_hold_the_own_visit(data: Dataset) -> None:
    """A booster must not read its target off an average that it is part of."""
    found = stays(data)
    looked = data.targets.attention_s[found.path[found.stay], found.lane]
    rows = (found.path < data.calibrate_from)[found.stay]
    before = _usual(data, found, looked, rows)
    own = found.path[found.stay] == 0
    after = _usual(data, found, np.where(own, looked + 50, looked), rows)
    shift = 50 * own.sum() / rows.sum()  # the mean of all lanes moves; it is the prior of every lane alike
    assert (after[own] - before[own]).max() <= shift + 1e-9
    others = ~rows & np.isin(found.lane, found.lane[own])
    assert (after[others] - before[others]).max() > shift


def test_reports_of_the_floor_and_of_products_are_about_groups(data: Dataset) -> None:
    heat = heat_map(data, group_min=3)
    told = np.nansum(heat.seconds)
    assert 0 < told <= 0.5 * len(data.steps.path) and heat.withheld > 0
    assert np.isnan(heat_map(data, group_min=1_000).seconds).all()
    assert heat_map_plot(heat, data.shop).startswith(b"\x89PNG")
    products = attention_by_product(data, data.targets.attention_s, group_min=3)
    assert len(products.cell) and (products.visits >= 3).all()


def test_tables_at_odds_are_refused(case: ModuleType) -> None:
    tables = case.made()
    with pytest.raises(DataError, match=r"visits\.day: 2 days, at least 3"):
        prepare({**tables, "visits": tables["visits"][:24], "tracks": _of(tables, 24)}, Config())
    with pytest.raises(DataError, match=r"tracks\.visit_id: 'V010'"):
        prepare({**tables, "visits": tables["visits"][:10]}, Config())
    with pytest.raises(DataError, match=r"looks\.lane: 144 rows name lanes"):
        looks = tables["looks"]
        prepare({**tables, "looks": looks.set_column(3, "lane", [[99] * looks.num_rows])}, Config())


def _of(tables: dict[str, Any], visits: int) -> Any:
    import pyarrow.compute as pc

    return tables["tracks"].filter(pc.less(tables["tracks"]["visit_id"], f"V{visits:03d}"))
