"""Re-weighting of offline scores: offsets and columns by hand, one way for learning and serving, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from models.common.protocols import InputError
from models.recommender.online import MAX_OFFSET, OnlineEvents, OnlineRanker, OnlineScorer
from models.recommender.online_config import FtrlConfig
from models.recommender.online_features import text_codes
from models.recommender.reweighting import RANKING_FEATURES, Candidates, Context, Reweighting, ReweightingConfig

CFG = ReweightingConfig(intercept=-1.0, slope=2.0, bucket=0.5)
WAY = Reweighting(CFG)
DEVICES = np.array(["app", "mobile"])


def context(requests: int = 2) -> Context:
    at = np.arange(requests)
    return Context(DEVICES[at % 2], at * 7 % 24, np.full(requests, ""), np.char.add("C", at.astype(str)))


def candidates(requests: int = 2, count: int = 3, *, seed: int = 0) -> Candidates:
    rng = np.random.default_rng(seed)
    item = np.stack([rng.permutation(20)[:count] for _ in range(requests)])
    return Candidates(
        np.char.add("P", item.astype(str)),
        np.array(["tea", "café"])[item % 2],
        np.array(["", "x", "y"])[item % 3],
        rng.normal(size=item.shape),
        rng.choice([0.0, 0.24, np.nan], item.shape),
    )


def test_offsets_by_hand() -> None:
    """Of scores 1, 2, 6 the mean is 3: -1 + 2 x (-2, -1, 3). The level of a request's scores does not matter."""
    scores = np.array([[1.0, 2.0, 6.0], [101.0, 102.0, 106.0], [0.0, 0.0, 1e9]])
    assert WAY.offsets(scores)[:2] == pytest.approx(np.array([[-5.0, -3.0, 5.0]] * 2))
    assert WAY.offsets(scores)[2].tolist() == [-MAX_OFFSET, -MAX_OFFSET, MAX_OFFSET]
    assert Reweighting(replace_slope(0.0)).offsets(scores).tolist() == [[-1.0] * 3] * 3


def replace_slope(slope: float) -> ReweightingConfig:
    return ReweightingConfig(intercept=-1.0, slope=slope)


def test_columns_by_hand() -> None:
    one = Candidates(*(np.array([values]) for values in (
        ["P1", "P2"], ["tea", "tea"], ["x", ""], [0.0, 1.0], [0.24, np.nan])))  # fmt: skip
    asked = Context(np.array(["app"]), np.array([13]), np.array([""]), np.array(["C7"]))
    found = WAY.columns(asked, one, WAY.offsets(one.scores))
    assert set(found) == set(RANKING_FEATURES.columns)
    assert found["score_bucket"].tolist() == [-4, 0]  # offsets -2 and 0 in steps of 0.5
    assert found["part_of_day"].tolist() == [2, 2]  # 13 o'clock: afternoon
    assert found["discount"].tolist() == [2, -21]
    assert found["position"].tolist() == [0, 0]
    assert found["customer"].tolist() == text_codes(np.array(["C7", "C7"])).tolist()
    assert found["house"][0] != found["house"][1] and found["category"][0] == found["category"][1]
    shown = WAY.columns(asked, one, WAY.offsets(one.scores), np.array([[3, 400]]))
    assert shown["position"].tolist() == [3, 20]


def test_names_and_their_codes_are_one() -> None:
    """Whoever keeps `text_codes` of the assortment gets the codes of whoever gives names."""
    by_name = candidates()
    coded = {n: text_codes(getattr(by_name, n).ravel()).reshape(2, 3) for n in ("items", "categories", "brands")}
    offsets = WAY.offsets(by_name.scores)
    assert (WAY.codes(context(), replace(by_name, **coded), offsets) == WAY.codes(context(), by_name, offsets)).all()


def learned(way: Reweighting, *, rounds: int = 300) -> OnlineRanker:
    """Clicks come on app with tea and on mobile with café, and less the further down."""
    rng, ranker = np.random.default_rng(1), OnlineRanker(way.features, FtrlConfig(bits=14))
    for turn in range(rounds):
        asked, shown = context(), candidates(seed=turn)
        offsets, position = way.offsets(shown.scores), np.tile(np.arange(3), (2, 1))
        liked = (shown.categories == "tea") == (asked.device == "app")[:, None]
        clicked = rng.random((2, 3)) < 0.8 * liked / (1 + position)
        codes = way.codes(asked, shown, offsets, position)
        ranker.learn(OnlineEvents(codes, offsets.ravel(), clicked.ravel(), np.ones(6)))
    return ranker


def test_what_is_learned_reorders_and_nothing_learned_does_not() -> None:
    shown, asked = candidates(count=6, seed=9), context()
    fresh = OnlineRanker(RANKING_FEATURES, FtrlConfig())
    assert (WAY.reorder(fresh, asked, shown) == np.argsort(-shown.scores, axis=1, kind="stable")).all()
    way = Reweighting(ReweightingConfig(intercept=-1.0, slope=0.1))
    ranker = learned(way)
    order = way.reorder(ranker, asked, shown)
    liked = (shown.categories == "tea") == (asked.device == "app")[:, None]
    sorted_liked = np.take_along_axis(liked, order, axis=1)
    assert (np.diff(sorted_liked.astype(int), axis=1) <= 0).all()
    scorer = OnlineScorer(ranker.features, ranker.cfg, ranker.state)
    assert way.scores(scorer, asked, shown) == pytest.approx(way.scores(ranker, asked, shown))
    one = Context(*(getattr(asked, name)[1:] for name in ("device", "hour", "segment", "customer")))
    rest = Candidates(*(getattr(shown, n)[1:] for n in ("items", "categories", "brands", "scores", "discount")))
    assert way.scores(scorer, one, rest) == pytest.approx(way.scores(scorer, asked, shown)[1:])


def test_take() -> None:
    shown = candidates()
    found = shown.take(np.array([[2, 0], [1, 1]]))
    assert found.items.tolist() == [shown.items[0, [2, 0]].tolist(), shown.items[1, [1, 1]].tolist()]


def test_hostile_input_is_refused_by_name() -> None:
    shown = candidates()
    with pytest.raises(InputError, match="scores nan: expected numbers; leave barred items out"):
        replace(shown, scores=np.full((2, 3), np.nan))
    with pytest.raises(InputError, match="scores -inf"):
        replace(shown, scores=np.full((2, 3), -np.inf))
    with pytest.raises(InputError, match="expected one shape"):
        replace(shown, brands=shown.brands[:, :2])
    with pytest.raises(InputError, match="hour 24: expected 0 to 23"):
        replace(context(), hour=np.array([3, 24]))
    with pytest.raises(InputError, match="lengths"):
        replace(context(), device=DEVICES[:1])
    with pytest.raises(InputError, match="context of 1"):
        WAY.codes(context(1), shown, WAY.offsets(shown.scores))
    with pytest.raises(ValidationError):
        ReweightingConfig(slope=-1.0)
    with pytest.raises(ValidationError):
        ReweightingConfig(unknown=1)  # type: ignore[call-arg]
