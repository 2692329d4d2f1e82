"""Thresholds with a guarantee: worked by hand, over resamplings, where exchangeability is broken, and beside MAPIE."""

import numpy as np
import pytest

from models.inspection.conformal import Thresholds, calibrate, pass_threshold, reject_threshold
from models.inspection.resampling import RATES, auroc, judged, resample


def test_thresholds_by_hand() -> None:
    nine = np.arange(1.0, 10.0)
    # (misses + 1) / 10 <= 0.2 allows one miss: scores below 2 pass.
    assert pass_threshold(nine, 0.2) == 2.0
    assert pass_threshold(nine, 0.19) == 1.0
    # 1 / 10 > 0.09: nine defects guarantee nothing better than 10 %.
    assert pass_threshold(nine, 0.09) == -np.inf
    assert pass_threshold(np.arange(199.0), 0.005) == 0.0
    assert pass_threshold(np.arange(198.0), 0.005) == -np.inf
    assert pass_threshold(np.array([]), 0.5) == -np.inf
    # A tie passes nobody: three below 5 would be missed at any higher threshold.
    assert pass_threshold(np.array([5.0, 5.0, 5.0, 6.0]), 0.4) == 5.0
    assert reject_threshold(nine, 0.2) == 8.0


def test_decisions_by_hand() -> None:
    decide = Thresholds(2.0, 4.0).decide
    assert decide(np.array([1.9, 2.0, 4.0, 4.1, np.nan, -np.inf])).tolist() == [
        "pass", "human", "human", "reject", "human", "pass",
    ]  # fmt: skip
    # Where the thresholds cross, no human is asked, and a defect passes no more easily than its threshold lets it.
    assert Thresholds(4.0, 2.0).decide(np.array([3.9, 4.0])).tolist() == ["pass", "reject"]
    assert Thresholds(-np.inf, np.inf).decide(np.array([0.0])).tolist() == ["human"]


def test_rates_by_hand() -> None:
    scores = np.array([1.0, 3.0, 5.0, 1.0, 3.0, 5.0, 5.0, 1.0])
    kind = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    rates, of_kind = judged(Thresholds(2.0, 4.0), scores, kind, 3)
    told = dict(zip(RATES, rates, strict=True))
    assert told == pytest.approx(
        {
            "miss rate": 2 / 5,
            "human share": 2 / 8,
            "human share of defects": 1 / 5,
            "human share of sound": 1 / 3,
            "false rejection": 1 / 3,
            "right decisions": 3 / 8,  # a sound one passed, two defects rejected; those sent to a human count as wrong
        }
    )
    np.testing.assert_allclose(of_kind, [np.nan, 1 / 3, 1 / 2])


def test_auroc_by_hand_and_beside_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    # Pairs: 2 > 1, 2 = 2 (half), 3 > 1, 3 > 2: 3.5 of 4.
    assert auroc(np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, False, True, True])) == 3.5 / 4
    assert np.isnan(auroc(np.ones(3), np.zeros(3, bool)))
    rng = np.random.default_rng(0)
    scores, faulty = rng.integers(0, 9, 200).astype(float), rng.random(200) < 0.4
    assert auroc(scores, faulty) == pytest.approx(roc_auc_score(faulty, scores))


@pytest.mark.parametrize(
    ("count", "level", "expected"), [(99, 0.05, 0.05), (150, 0.05, 7 / 151), (199, 0.005, 1 / 200)]
)
def test_the_mean_miss_rate_is_what_theory_says(count: int, level: float, expected: float) -> None:
    """Of continuous scores, a new defect is equally likely to fall into any of n + 1 gaps: (allowed + 1) / (n + 1) is missed."""
    rng = np.random.default_rng(1)
    missed = np.array([norm_below(pass_threshold(rng.normal(size=count), level)) for _ in range(4_000)])
    assert expected <= level
    assert missed.mean() == pytest.approx(expected, abs=4 * missed.std() / np.sqrt(len(missed)))


def norm_below(value: float) -> float:
    """Chance of a standard normal below a value."""
    from statistics import NormalDist

    return NormalDist().cdf(value)


def overlapping(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of packages, half of them defects of two kinds, the second harder to tell."""
    kind = np.where(rng.random(count) < 0.5, 0, rng.integers(1, 3, count))
    return rng.normal(size=count) + np.array([0.0, 6.0, 3.0])[kind], kind


def test_the_guarantee_holds_over_resamplings_and_a_plain_quantile_misses_it() -> None:
    scores, kind = overlapping(np.random.default_rng(2), 1_600)
    options = {"miss_level": 0.01, "reject_level": 0.01, "resamplings": 400}
    told = resample(scores, kind, 3, by_kind=False, rng=np.random.default_rng(3), **options)
    assert told.mean("miss rate") <= 0.01 + 2 * told.error("miss rate")
    assert told.mean("miss rate") > 0.006
    assert told.mean("false rejection") <= 0.01 + 2 * told.error("false rejection")
    assert told.mean("human share") == pytest.approx(
        told.mean("human share of defects") * (kind > 0).mean()
        + told.mean("human share of sound") * (kind == 0).mean(),
        abs=0.005,
    )
    # Without the correction the threshold lies a little too high where defects are few.
    rng = np.random.default_rng(4)
    faulty = [rng.normal(size=40) for _ in range(3_000)]
    corrected = np.array([norm_below(pass_threshold(each, 0.05)) for each in faulty])
    plain = np.array([norm_below(float(np.quantile(each, 0.05, method="higher"))) for each in faulty])
    assert corrected.mean() < 0.05 < plain.mean() - 3 * plain.std() / np.sqrt(len(plain))


def test_kinds_are_bounded_each_by_itself_where_asked() -> None:
    scores, kind = overlapping(np.random.default_rng(5), 4_000)
    options = {"miss_level": 0.02, "reject_level": 0.01, "resamplings": 100}
    over_all, by_kind = (
        resample(scores, kind, 3, by_kind=each, rng=np.random.default_rng(6), **options) for each in (False, True)
    )
    hard = [float(told.misses[:, 2].mean()) for told in (over_all, by_kind)]
    assert hard[0] > 0.03, "the hard kind is missed more often than the level where only the mean is bounded"
    assert hard[1] <= 0.02 + 2 * by_kind.misses[:, 2].std() / 10
    assert by_kind.mean("human share") > over_all.mean("human share")
    assert calibrate(scores, kind, miss_level=1e-6, reject_level=0.01, by_kind=True).pass_below == -np.inf


def test_a_harder_lot_than_calibrated_on_breaks_the_guarantee() -> None:
    """The promise is for exchangeable packages; this shows that it is of them alone."""
    rng = np.random.default_rng(7)
    threshold = pass_threshold(rng.normal(3.0, 1.0, 2_000), 0.01)
    assert (rng.normal(2.0, 1.0, 20_000) < threshold).mean() > 0.03


@pytest.mark.parametrize("seed", [0, 1])
def test_beside_mapie(seed: int) -> None:
    """MAPIE controls the recall of label sets; with one label that everything has, its risk is our miss rate."""
    from mapie.risk_control import MultiLabelClassificationController

    rng = np.random.default_rng(seed)
    probability, level, step = rng.beta(6, 2, 400), 0.0313, 0.005
    grid = np.arange(0, 1, step)
    peer = MultiLabelClassificationController(
        predict_function=np.asarray,
        risk="recall",
        method="crc",
        target_level=1 - level,
        predict_params=grid,
    )
    peer.calibrate(probability[:, None], np.ones((400, 1), int))
    theirs = float(np.ravel(peer.best_predict_param)[0])
    ours = pass_threshold(probability, level)
    # Theirs is the last of its grid's thresholds below ours: at ours or above it the level would be broken.
    assert theirs < ours <= theirs + step + 1e-12
    assert (np.sum(probability < ours) + 1) / 401 <= level < (np.sum(probability <= ours) + 1) / 401
