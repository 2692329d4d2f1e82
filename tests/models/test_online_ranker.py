"""The online ranker: its hash, FTRL by hand and beside River's, what it learns under drift, and its state as arrays."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.common.protocols import DataError, InputError
from models.recommender.online import OnlineEvents, OnlineRanker, OnlineScorer
from models.recommender.online_config import FtrlConfig
from models.recommender.online_features import OnlineFeatures, text_codes

ROOT = Path(__file__).parents[2]
ITEM = OnlineFeatures(("item",))
CROSSED = OnlineFeatures(("item", "device"), (("item", "device"),))
PLACES = [  # of codes (0, 0), (1, 2), (2, 1), (-5, 7); the first column is 0xE220A8397B1DCDAF, SplitMix64's first number, >> 46
    [231554, 210383, 126237, 64393],
    [231554, 9350, 39324, 112925],
    [231554, 46450, 178632, 79696],
    [231554, 136566, 208217, 99340],
]


def events(rng: np.random.Generator, count: int, *, items: int = 30) -> OnlineEvents:
    codes = np.stack([rng.integers(0, items, count), rng.integers(0, 4, count)], axis=1)
    return OnlineEvents(codes, rng.normal(-1, 1, count), rng.random(count) < 0.3, rng.uniform(0.5, 2, count))


def part(batch: OnlineEvents, rows: slice) -> OnlineEvents:
    return OnlineEvents(batch.codes[rows], batch.offset[rows], batch.clicked[rows], batch.weight[rows])


def test_places_are_those_of_every_process_and_release() -> None:
    codes = np.array([[0, 0], [1, 2], [2, 1], [-5, 7]])
    assert CROSSED.places(codes, bits=18, seed=0).tolist() == PLACES
    assert CROSSED.places(codes[1:2], bits=10, seed=0).tolist() == [[place >> 8 for place in PLACES[1]]]
    assert CROSSED.places(codes[1:2], bits=18, seed=9).tolist() == [[178877, 90957, 208210, 204436]]
    code = (
        "import json, numpy as np; from models.recommender.online_features import OnlineFeatures as F, text_codes as t; "
        "f = F(('item', 'device'), (('item', 'device'),)); x = f.codes({'item': np.array(['tea']), 'device': np.array([2])}); "
        "print(json.dumps([t(np.array(['tea', 'café', ''])).tolist(), f.places(x, bits=18, seed=0).tolist()]))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    codes_of_text, _ = json.loads(said.pop())
    assert codes_of_text[0] == 6261350492309512777  # FNV-1a of "tea", as published
    assert codes_of_text[2] == -3750763034362895579  # its offset basis, 0xCBF29CE484222325


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=8), min_size=1))
@settings(max_examples=50, deadline=None)
def test_the_code_of_a_text_does_not_hang_on_its_neighbours(texts: list[str]) -> None:
    together = text_codes(np.array(texts, dtype=np.str_))
    wide = text_codes(np.array(texts, dtype="<U40"))
    alone = [int(text_codes(np.array([text], dtype=np.str_))[0]) for text in texts]
    assert together.tolist() == wide.tolist() == alone


def test_places_are_spread_evenly() -> None:
    """Of 4,096 cells and 40,960 pairs of small numbers a fair hash leaves a chi-squared of 4,095 +- 90."""
    item, device = (each.ravel() for each in np.meshgrid(np.arange(4_096), np.arange(10)))
    crossed = CROSSED.places(np.stack([item, device], axis=1), bits=12, seed=0)[:, 3]
    counts = np.bincount(crossed, minlength=4_096)
    assert abs(((counts - 10) ** 2 / 10).sum() - 4_095) < 5 * 90.5


def test_features_refuse_what_they_cannot_code() -> None:
    with pytest.raises(InputError, match=r"crosses of \['hour'\]: not among columns"):
        OnlineFeatures(("item",), (("item", "hour"),))
    with pytest.raises(InputError, match=r"columns \['device'\] are missing"):
        CROSSED.codes({"item": np.arange(2)})
    with pytest.raises(InputError, match=r"'device' of float64: expected whole numbers or text"):
        CROSSED.codes({"item": np.arange(2), "device": np.zeros(2)})
    with pytest.raises(InputError, match="columns differ in length"):
        CROSSED.codes({"item": np.arange(2), "device": np.arange(3)})


def test_two_steps_by_hand() -> None:
    """Two features, the constant and the item, are always there together: both have the same w, z and n.

    Step 1: score 0.5, p = 0.6224593, clicked, weight 2: g = 2 (p - 1) = -0.7550813. Weights were 0, so z = g,
    n = g^2 = 0.5701478; w = -(z + l1) / ((beta + |g|) / alpha + l2) = 0.6550813 / 18.550813 = 0.0353128.
    Step 2: score -1 + 2 w = -0.9293744, p = 0.2830517 = g (not clicked); n' = 0.6502661,
    sigma = (sqrt n' - sqrt n) / alpha = 0.5130943; z' = z + g - sigma w = -0.4901485;
    w' = 0.3901485 / ((1 + 0.8063907) / 0.1 + 1) = 0.0204653.
    """
    ranker = OnlineRanker(ITEM, FtrlConfig(alpha=0.1, beta=1, l1=0.1, l2=1))
    codes = np.array([[7], [7]])
    batch = OnlineEvents(codes, np.array([0.5, -1.0]), np.array([True, False]), np.array([2.0, 1.0]))
    ranker.learn(part(batch, slice(0, 1)))
    first = ranker.state
    assert first["weight"] == pytest.approx([0.0353128] * 2, rel=1e-6)
    assert ranker.scores(codes[1:], np.array([-1.0]))[0] == pytest.approx(-0.9293744, rel=1e-6)
    ranker.learn(part(batch, slice(1, 2)))
    second = ranker.state
    assert second["z"] == pytest.approx([-0.4901485] * 2, rel=1e-6)
    assert second["n"] == pytest.approx([0.6502661] * 2, rel=1e-6)
    assert second["weight"] == pytest.approx([0.0204653] * 2, rel=1e-6)
    assert second["events"].tolist() == [2]


def test_it_is_rivers_ftrl() -> None:
    """The same as River's own model, once that is made to look: it computes a weight of z and n only when its feature is next
    learned, and an event of weight 0 makes it do so.

    Without l1, for River leaves a weight as it was when its z falls back below l1, where the paper sets it to 0.
    """
    from river import linear_model, optim

    cfg = FtrlConfig(alpha=0.3, beta=1, l1=0, l2=0.5, bits=20)
    rng = np.random.default_rng(3)
    batch = events(rng, 400)
    batch = OnlineEvents(batch.codes, np.zeros(400), batch.clicked, np.ones(400))  # River knows no offset
    ours = OnlineRanker(CROSSED, cfg)
    optimizer = optim.FTRLProximal(alpha=cfg.alpha, beta=cfg.beta, l1=cfg.l1, l2=cfg.l2)
    rivers = linear_model.LogisticRegression(optimizer, intercept_lr=0.0)
    found, expected = [], []
    for row, places in enumerate(CROSSED.places(batch.codes, bits=cfg.bits, seed=cfg.hash_seed).tolist()):
        one, x, y = part(batch, slice(row, row + 1)), dict.fromkeys(places, 1.0), bool(batch.clicked[row])
        found.append(float(ours.scores(one.codes, one.offset)[0]))
        expected.append(np.log(1 / rivers.predict_proba_one(x)[False] - 1) if row else 0.0)
        ours.learn(one)
        rivers.learn_one(x, y)
        rivers.learn_one(x, y, w=0.0)
    assert np.ptp(expected) > 1
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_weight_is_zero_exactly_where_l1_holds_it() -> None:
    """Also one that had left 0 and came back: the item that is clicked once, then never again."""
    cfg = FtrlConfig(alpha=0.1, l1=0.4, l2=0, bits=12)
    batch = events(np.random.default_rng(2), 2_000, items=300)
    ranker = OnlineRanker(CROSSED, cfg)
    left, back = set(), 0
    for start in range(0, 2_000, 50):
        ranker.learn(part(batch, slice(start, start + 50)))
        state = ranker.state
        moved = set(state["place"][state["weight"] != 0].tolist())
        assert moved == set(state["place"][np.abs(state["z"]) > cfg.l1].tolist())
        back += len(left - moved)
        left = moved
    assert left
    assert back > 10
    assert len(left) < len(state["place"])


def loss(score: np.ndarray, clicked: np.ndarray) -> float:
    return float(np.logaddexp(0, np.where(clicked, -score, score)).mean())


def test_it_learns_a_cross_and_follows_its_drift() -> None:
    """What pairs of item and device are liked turns over halfway; no column alone says anything. Log loss after it, nats:

    the offline score alone 0.682, frozen at the turn 1.146, learning on 0.643, with forgetting 0.599, the truth 0.540.
    """
    rng = np.random.default_rng(5)
    count = 16_000
    batch = events(rng, count, items=8)
    liked = (batch.codes.sum(axis=1) % 2 == 0) ^ (np.arange(count) >= count // 2)
    offset = rng.normal(0, 0.5, count)
    truth = offset + np.where(liked, 1.2, -1.2)
    clicked = rng.random(count) < 1 / (1 + np.exp(-truth))
    stream = OnlineEvents(batch.codes, offset, clicked, np.ones(count))
    first, rest = slice(0, count // 2), slice(count // 2, count)
    cfg = FtrlConfig(alpha=0.5, l1=0, l2=0.1)
    forgetting = cfg.model_copy(update={"half_life_events": 1_000, "forget_every_events": 200})
    found = {"offline": loss(offset[rest], clicked[rest]), "truth": loss(truth[rest], clicked[rest])}
    for name, config in (("learning", cfg), ("forgetting", forgetting)):
        ranker = OnlineRanker(CROSSED, config)
        ranker.learn(part(stream, first))
        if name == "learning":
            found["frozen"] = loss(ranker.scores(stream.codes[rest], offset[rest]), clicked[rest])
            before = loss(ranker.scores(stream.codes[first], offset[first]), clicked[first])
            assert before < loss(offset[first], clicked[first]) - 0.05
        scores = []
        for at in range(count // 2, count, 100):  # scored before it is learned
            rows = slice(at, at + 100)
            scores.append(ranker.scores(stream.codes[rows], offset[rows]))
            ranker.learn(part(stream, rows))
        found[name] = loss(np.concatenate(scores), clicked[rest])
    assert found["truth"] < found["forgetting"] < found["learning"] < found["frozen"]
    assert found["frozen"] - found["learning"] > 0.4
    assert found["offline"] - found["forgetting"] > 0.06


def test_before_the_first_event_the_offline_score_stands() -> None:
    offset = np.array([0.3, -2.0])
    assert OnlineRanker(CROSSED, FtrlConfig()).scores(np.array([[1, 2], [3, 4]]), offset).tolist() == offset.tolist()


def test_grouping_and_going_on_from_a_state_change_no_bit() -> None:
    cfg = FtrlConfig(bits=10, half_life_events=500, forget_every_events=170)  # few places: features share them
    batch = events(np.random.default_rng(1), 1_000)
    whole = OnlineRanker(CROSSED, cfg)
    whole.learn(batch)
    ranker = OnlineRanker(CROSSED, cfg)
    for start, stop in ((0, 1), (1, 171), (171, 400), (400, 400), (400, 1_000)):
        ranker.learn(part(batch, slice(start, stop)))
        ranker = OnlineRanker(CROSSED, cfg, ranker.state)
    expected = whole.state
    for name, array in ranker.state.items():
        assert array.tobytes() == expected[name].tobytes(), name
    scorer = OnlineScorer(CROSSED, cfg, expected)
    assert scorer.scores(batch.codes, batch.offset) == pytest.approx(whole.scores(batch.codes, batch.offset), abs=1e-12)


def test_forgetting_keeps_a_known_weight_and_frees_it() -> None:
    """After halving, n is half; a weight whose sqrt n is far above beta and alpha l2 hardly moves."""
    codes = np.full((4_000, 1), 7)
    rng = np.random.default_rng(0)
    batch = OnlineEvents(codes, np.zeros(4_000), rng.random(4_000) < 0.8, np.ones(4_000))
    keeping, halving = (
        OnlineRanker(ITEM, FtrlConfig(alpha=0.5, l1=0, l2=0.01, half_life_events=half, forget_every_events=4_000))
        for half in (None, 4_000)
    )
    for ranker in (keeping, halving):
        ranker.learn(batch)
    assert halving.state["n"] == pytest.approx(keeping.state["n"] / 2, rel=1e-6)
    assert halving.state["weight"] == pytest.approx(keeping.state["weight"], rel=0.03)
    assert not np.array_equal(halving.state["weight"], keeping.state["weight"])


def test_bad_events_states_and_knobs_are_refused() -> None:
    one = np.ones(1)
    with pytest.raises(InputError, match="offset inf: expected log-odds from -30 to 30; clip it"):
        OnlineEvents(np.ones((1, 2), np.int64), np.array([np.inf]), one > 0, one)
    with pytest.raises(InputError, match=r"weight 0\.0: expected above 0, at most 1000"):
        OnlineEvents(np.ones((1, 2), np.int64), one, one > 0, one * 0)
    with pytest.raises(InputError, match=r"clicked \(2,\): expected \(1,\)"):
        OnlineEvents(np.ones((1, 2), np.int64), one, np.ones(2, bool), one)
    with pytest.raises(InputError, match=r"codes \(1, 3\): expected \(N, 2\)"):
        OnlineRanker(CROSSED, FtrlConfig()).scores(np.ones((1, 3), np.int64), one)
    ranker = OnlineRanker(CROSSED, FtrlConfig(bits=18))
    ranker.learn(events(np.random.default_rng(0), 50))
    with pytest.raises(DataError, match="expected 0 to 1023 with bits 10"):
        OnlineRanker(CROSSED, FtrlConfig(bits=10), ranker.state)
    with pytest.raises(DataError, match=r"arrays \['z'\] are missing"):
        OnlineRanker(CROSSED, FtrlConfig(), {name: each for name, each in ranker.state.items() if name != "z"})
    with pytest.raises(ValidationError, match="alpha"):
        FtrlConfig(alpha=0)
    with pytest.raises(ValidationError, match="rate"):
        FtrlConfig(rate=1)  # type: ignore[call-arg]
