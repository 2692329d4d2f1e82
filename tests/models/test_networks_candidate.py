"""Networks on a data set: what they may read, how they stand behind the door of candidates, what the critic is worth."""

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from models.common.protocols import DataError
from models.forecaster.candidates import baselines, informed
from models.forecaster.config import Config
from models.forecaster.data import Dataset, prepare
from models.forecaster.networks import NetworkConfig, worth
from models.forecaster.networks.candidate import NetworkCandidate, fit_dataset
from models.forecaster.networks.grids import prepare_grids

CONFIG = Config(horizon=7, max_pairs=600)
TINY = NetworkConfig(hidden=8, heads=2, epochs=6, batch_pairs=32, learning_rate=0.02, critic_hidden=4, max_pairs=400)


@pytest.fixture(scope="module")
def shop(synthetic: ModuleType) -> Dataset:
    data: Dataset = prepare(synthetic.shop(CONFIG, n_series=8, n_periods=150, closed_sundays=True).tables, CONFIG)
    return data


def changed_from(data: Dataset, period: int) -> Dataset:
    """The same data with other sales from `period` on."""
    values = data.values.copy()
    values[:, period:] = 3.0 * values[:, period:] + 1_000.0
    return replace(data, values=values)


def test_no_target_on_or_after_the_cutoff_is_read(shop: Dataset) -> None:
    before, after = (
        NetworkCandidate("lstm_gan", CONFIG, TINY, seed=1).forecast(data, data.test)
        for data in (shop, changed_from(shop, shop.test_period))
        if data.test is not None
    )
    np.testing.assert_array_equal(before.mean, after.mean)
    assert before.quantiles is not None and after.quantiles is not None
    np.testing.assert_array_equal(before.quantiles[0.9], after.quantiles[0.9])


def test_training_pairs_end_before_the_validation_periods_and_validation_pairs_begin_there(shop: Dataset) -> None:
    validation = int(np.searchsorted(shop.periods, shop.split.validation_start))
    prepared = prepare_grids(shop, CONFIG, TINY, seed=0)
    moved = prepare_grids(changed_from(shop, validation), CONFIG, TINY, names=prepared.names, seed=0)
    np.testing.assert_array_equal(prepared.train.value, moved.train.value)
    known = ~np.isnan(prepared.valid.value)
    assert known.any() and (moved.valid.value[known] != prepared.valid.value[known]).all()
    assert len(prepared.train) == 400  # the bound
    assert (~np.isnan(prepared.train.value)).any(axis=1).all()
    np.testing.assert_array_equal(prepared.train.value, prepare_grids(shop, CONFIG, TINY, seed=0).train.value)
    assert (prepared.train.X.shape[1:], prepared.kind.counts, prepared.kind.loss) == (
        (7, len(prepared.names)),
        True,
        "poisson",
    )


def test_a_fit_on_the_newest_periods_reads_up_to_the_cutoff_and_no_further(shop: Dataset) -> None:
    validation = int(np.searchsorted(shop.periods, shop.split.validation_start))
    plain, longer, moved, future = (
        prepare_grids(
            data, CONFIG, TINY.model_copy(update={"max_pairs": 10_000}), names=("step",), newest=newest, seed=0
        )
        for data, newest in (
            (shop, False),
            (shop, True),
            (changed_from(shop, validation), True),
            (changed_from(shop, shop.test_period), True),
        )
    )
    assert len(longer.valid) == 0 and len(longer.train) > len(plain.train)
    assert np.nanmax(moved.train.value) > 1_000 > np.nanmax(longer.train.value)
    np.testing.assert_array_equal(longer.train.value, future.train.value)
    cfg = TINY.model_copy(update={"epochs": 1, "refit": True})
    before, after = (
        fit_dataset("lstm", data, CONFIG, cfg, seed=1)[1] for data in (shop, changed_from(shop, shop.test_period))
    )
    X = longer.train.X[:4].repeat(before.n_inputs, axis=2)
    np.testing.assert_array_equal(before.predict(X)["q10"], after.predict(X)["q10"])


def test_a_candidate_beats_the_flat_mean_knows_closures_and_says_what_it_cost(shop: Dataset) -> None:
    assert shop.test is not None
    cfg = TINY.model_copy(update={"epochs": 12})
    found = NetworkCandidate("transformer", CONFIG, cfg, seed=1).forecast(shop, shop.test)
    assert found.name == "Transformer" and found.seconds is not None and found.seconds > 0 and found.given.all()
    closed = shop.test.known_future["open"] == 0
    assert closed.any() and (found.mean[closed] == 0).all() and (found.mean >= 0).all()
    actual = shop.targets(shop.test)
    flat = informed(baselines()[2].forecast(shop, shop.test), shop, shop.test)
    errors = [np.sqrt(np.nanmean((actual - each.mean) ** 2)) for each in (found, flat)]
    assert errors[0] < errors[1]


def test_a_history_too_short_for_whole_pairs_is_refused(shop: Dataset) -> None:
    late = replace(shop, panel=shop.panel.take(shop.panel.period >= shop.test_period - 4))
    with pytest.raises(DataError, match=r"0 of \d+ \(series, origin\) pairs have half of their 7 targets"):
        prepare_grids(late, CONFIG, TINY, names=("step",), seed=0)


def test_shocks_spoil_what_is_read_and_nothing_else(shop: Dataset) -> None:
    assert shop.test is not None
    rng = np.random.default_rng(0)
    found = {name: shock(shop.test, rng) for name, shock in worth.shocks().items()}
    assert found[worth.CLEAN] is shop.test
    for name, factor in (("levels doubled", 2.0), ("levels halved", 0.5)):
        np.testing.assert_allclose(found[name].state["level_28"], factor * shop.test.state["level_28"])
        np.testing.assert_array_equal(found[name].state["scale"], shop.test.state["scale"])
    missing, flipped = found["covariates missing"].known_future, found["promotions flipped"].known_future
    for name, grid in shop.test.known_future.items():
        assert name == "open" or np.isnan(missing[name]).all()
        assert grid is shop.test.known_future[name] and not np.isnan(grid).any()
    np.testing.assert_array_equal(missing["open"], shop.test.known_future["open"])
    depth = shop.test.known_future["promo_depth"]
    flags = set(np.unique(depth)) <= {0.0, 1.0}
    np.testing.assert_array_equal(flipped["promo_depth"], 1.0 - depth if flags else depth)
    noisy = found["noise on the state"].state
    assert (noisy["level_28"] != shop.test.state["level_28"]).all()
    np.testing.assert_array_equal(noisy["scale"], shop.test.state["scale"])


def test_a_part_that_changes_nothing_buys_nothing(shop: Dataset) -> None:
    mute = TINY.model_copy(update={"adversarial_weight": 0.0, "epochs": 2})
    found = worth.shocked(shop, CONFIG, mute, seeds=(0, 1))
    critic = found.verdicts[0]
    assert (critic.part, critic.without, critic.buys) == ("LSTM-GAN", "LSTM", False)
    assert critic.clean.diff == pytest.approx(0.0, abs=1e-5) and "it buys nothing" in critic.sentence
    assert {row.segment for row in found.rows} == set(worth.shocks())
    values = {(row.model, row.metric, row.segment): row.value for row in found.rows}
    assert len(values) == 3 * 2 * 6 and all(value > 0 for value in values.values())
    assert values["LSTM", "pinball_scaled", "levels doubled"] != values["LSTM", "pinball_scaled", "clean"]
    assert len(found.notes) == 2 and "2 seeds" in found.notes[1]


def test_the_verdict_wants_the_interval_and_every_seed_on_one_side() -> None:
    rng = np.random.default_rng(0)
    base = [rng.gamma(5.0, 0.2, 60) for _ in range(3)]

    def losses(gains: tuple[float, float, float]) -> dict:
        names = list(worth.shocks())
        mine = [loss - gain + rng.normal(0, 0.01, 60) for loss, gain in zip(base, gains, strict=True)]
        return {("lstm", name): base for name in names} | {("lstm_gan", name): mine for name in names}

    def verdict(*gains: float) -> worth.Verdict:
        return worth.judge("lstm_gan", "lstm", losses(gains), (0, 1, 2))

    better, mixed, worse = verdict(0.1, 0.1, 0.1), verdict(0.3, 0.1, -0.05), verdict(-0.1, -0.1, -0.1)
    assert better.buys and "it buys something (clean, all shocks)" in better.sentence
    assert mixed.clean.high < 0 and not mixed.buys and mixed.sentence.endswith("it buys nothing")
    assert not worse.buys and worse.sentence.endswith("it buys nothing and costs (clean, all shocks)")


def test_nothing_to_judge_is_refused(shop: Dataset) -> None:
    with pytest.raises(DataError, match="no held-out periods"):
        worth.shocked(replace(shop, test=None), CONFIG, TINY)
    with pytest.raises(DataError, match="expected at least one"):
        worth.shocked(shop, CONFIG, TINY, seeds=())
    closed = replace(shop, usable=np.where(np.arange(shop.usable.shape[1]) < shop.test_period, shop.usable, False))
    with pytest.raises(DataError, match="0 of 8 series are judged"):
        worth.shocked(closed, CONFIG, TINY)
