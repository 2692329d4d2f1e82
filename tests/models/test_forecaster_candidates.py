"""Candidates behind one door: who is given which series, what everyone knows, who wins a series and what it costs."""

import logging
import subprocess
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.forecaster.candidates import Forecast, Ration, SeriesBySeries, baselines, informed
from models.forecaster.config import Config
from models.forecaster.data import Dataset, Panel, prepare
from models.forecaster.peers import PEERS, peer_candidates
from models.forecaster.plots import wins_plot
from models.forecaster.scoring import SAMPLE, HeldOut, score_all, win_shares

ALL = slice(0, 2)


@pytest.fixture(scope="module")
def shop(synthetic: ModuleType) -> Dataset:
    cfg = Config(horizon=7, max_pairs=2_000)
    data: Dataset = prepare(synthetic.shop(cfg, n_series=6, n_periods=150, closed_sundays=True).tables, cfg)
    return data


def held(actual: list[list[float]], scale: list[float]) -> HeldOut:
    return HeldOut(np.array(actual), None, np.ones(len(scale)), np.array(scale), "units", counts=False)


def said(name: str, mean: list[list[float]], seconds: float | None = None) -> Forecast:
    return Forecast(name, np.array(mean), seconds=seconds)


NAN = [np.nan, np.nan]
TRUTH = held([[2.0, 4.0], [1.0, 1.0], [5.0, np.nan], [3.0, 3.0]], [1.0, 2.0, 1.0, 0.0])
A = said("a", [[2.0, 4.0], [0.0, 0.0], [4.0, 9.0], [3.0, 3.0]], 8.0)
B = said("b", [[2.0, 5.0], [2.0, 2.0], [5.0, 0.0], [0.0, 0.0]], 2.0)


def test_win_shares_by_hand() -> None:
    everyone = np.ones(4, dtype=bool)
    # a wins the first, both err by 1 on the second, b wins the third; the fourth has no scale and is nobody's
    assert win_shares([A, B], TRUTH, everyone, ALL) == pytest.approx({"a": 0.5, "b": 0.5})
    assert win_shares([A, B], TRUTH, np.array([True, True, False, True]), ALL) == pytest.approx({"a": 0.75, "b": 0.25})
    # the second step is unknown for the third series; both err on the second series, b alone on the first
    assert win_shares([A, B], TRUTH, everyone, slice(1, 2)) == pytest.approx({"a": 0.75, "b": 0.25})
    assert win_shares([A, B], TRUTH, np.array([False, False, False, True]), ALL) == {}
    assert win_shares([], TRUTH, everyone, ALL) == {}


@given(st.lists(st.tuples(*(st.integers(0, 3) for _ in range(4))), min_size=1, max_size=12))
def test_win_shares_sum_to_one_and_copies_share(rows: list[tuple[int, ...]]) -> None:
    values = np.array(rows, dtype=float)
    truth = HeldOut(values[:, :1], None, np.ones(len(rows)), np.ones(len(rows)), "units", counts=True)
    forecasts = [Forecast(name, values[:, index : index + 1]) for index, name in enumerate("wxyz") if index]
    everyone = np.ones(len(rows), dtype=bool)
    shares = win_shares(forecasts, truth, everyone, slice(0, 1))
    assert sum(shares.values()) == pytest.approx(1.0)
    twice = win_shares([*forecasts, replace(forecasts[0], name="copy")], truth, everyone, slice(0, 1))
    assert twice["copy"] == twice["x"] <= shares["x"]


def test_a_sampled_candidate_is_compared_with_everyone_on_its_sample_and_the_oracle_wins_nothing() -> None:
    sampled = said("c", [[2.0, 4.0], NAN, [4.0, 4.0], NAN], 3.0)
    oracle = said("oracle", TRUTH.actual.tolist())
    rows = score_all([A, B, sampled, oracle], TRUTH, np.array([False, False, True, True]), ideal="oracle")
    found = {(row.segment, row.model, row.metric): row.value for row in rows}
    assert ("all", "c", "rmse") not in found and found["all", "oracle", "rmse"] == 0.0
    wins = {model: found[SAMPLE, model, "win_share"] for model in "abc"}
    assert wins == pytest.approx({"a": 0.25, "b": 0.5, "c": 0.25})  # a and c tie for the first series, b has the third
    assert found["all", "a", "win_share"] == pytest.approx(0.5)
    assert not any(model == "oracle" and metric == "win_share" for _, model, metric in found)
    assert (found["smooth", "a", "win_share"], found["intermittent", "b", "win_share"]) == (0.75, 1.0)
    assert (found["all", "a", "seconds"], found["all", "a", "seconds_per_series"]) == (8.0, 2.0)
    assert (found[SAMPLE, "c", "seconds"], found[SAMPLE, "c", "seconds_per_series"]) == (3.0, 1.5)
    assert {row.unit for row in rows if row.metric.startswith("seconds")} == {"s"}  # which manifests leave out
    assert wins_plot(rows).startswith(b"\x89PNG")


def test_a_ration_is_one_sample_for_all_and_all_series_only_where_minutes_say_so(shop: Dataset) -> None:
    assert shop.test is not None
    ration = Ration(series=2, seed=3)
    np.testing.assert_array_equal(ration.sample(6), ration.sample(6))
    assert ration.sample(1).tolist() == [0]
    assert not ration.affords_all(2, 6, 0.0)
    timed = replace(ration, minutes=1.0)
    assert timed.affords_all(2, 6, 20.0) and not timed.affords_all(2, 6, 20.1)

    asked: list[int] = []

    def ones(data: Dataset, pairs: Panel) -> np.ndarray:
        asked.append(len(pairs))
        return np.ones((len(pairs), data.horizon))

    one = SeriesBySeries("ones", ones, lambda: None, ration).forecast(shop, shop.test)
    assert np.flatnonzero(one.given).tolist() == ration.sample(6).tolist()
    every = SeriesBySeries("ones", ones, lambda: None, timed).forecast(shop, shop.test)
    assert every.given.all() and asked == [2, 2, 4]


def test_what_everyone_knows_closures_and_no_sales_below_zero(shop: Dataset) -> None:
    assert shop.test is not None
    mean = np.full((6, 7), -1.0)
    mean[0] = np.nan
    mean[1] = 5.0
    closed = shop.test.known_future["open"] == 0
    found = informed(Forecast("x", mean, seconds=1.0), shop, shop.test)
    assert np.isnan(found.mean[0]).all() and (found.mean[2:] == 0).all()
    np.testing.assert_array_equal(found.mean[1], np.where(closed[1], 0.0, 5.0))
    refunds = replace(shop, values=np.where(shop.values > 0, -1.0, shop.values))
    assert informed(Forecast("x", mean), refunds, shop.test).mean[2:].min() == -1.0


def test_every_peer_and_baseline_forecasts_through_the_door_better_than_a_flat_mean(
    shop: Dataset, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    assert shop.test is not None
    actual = shop.targets(shop.test)
    errors = {}
    candidates = [*baselines(), *peer_candidates(PEERS, ration=Ration(series=4), threads=1, seed=0)]
    with caplog.at_level(logging.DEBUG):
        for candidate in candidates:
            found = informed(candidate.forecast(shop, shop.test), shop, shop.test)
            assert found.name == candidate.name and found.mean.shape == actual.shape
            assert np.isfinite(found.mean[found.given]).all() and found.seconds is not None and found.seconds >= 0
            sample = Ration(series=4).sample(6)
            assert found.given[sample].all()
            errors[found.name] = np.sqrt(np.nanmean((actual - found.mean)[sample] ** 2))
    assert len(errors) == 7
    assert errors["prophet"] < errors["moving mean"] and errors["theta (statsforecast)"] < errors["moving mean"]
    assert "cmdstan" not in caplog.text + "".join(capfd.readouterr())


def test_the_past_alone_decides(shop: Dataset) -> None:
    assert shop.test is not None
    values = shop.values.copy()
    values[:, shop.test_period :] += 1_000.0
    changed = replace(shop, values=values)
    for candidate in peer_candidates(PEERS, ration=Ration(series=2), threads=1, seed=0):
        before, after = (candidate.forecast(data, shop.test).mean for data in (shop, changed))
        np.testing.assert_array_equal(before, after, err_msg=candidate.name)


def test_a_series_that_was_never_sold_or_is_new_gets_a_forecast_of_every_peer(shop: Dataset) -> None:
    assert shop.test is not None
    values, usable = shop.values.copy(), shop.usable.copy()
    values[0, : shop.test_period] = np.nan
    usable[0, : shop.test_period] = False
    values[1, : shop.test_period - 2] = np.nan
    usable[1, : shop.test_period - 2] = False
    thin = replace(shop, values=values, usable=usable)
    for candidate in peer_candidates(PEERS, ration=Ration(series=6), threads=1, seed=0):
        assert np.isfinite(candidate.forecast(thin, shop.test).mean).all(), candidate.name


def test_unknown_peers_are_named() -> None:
    with pytest.raises(ValueError, match=r"\['arima'\]: known ones are lightgbm, autoets, theta, prophet"):
        peer_candidates(["arima"], ration=Ration(), threads=1, seed=0)  # type: ignore[list-item]


def test_importing_the_peers_imports_no_peer_library() -> None:
    code = (
        "import sys, models.forecaster.peers, models.forecaster.evaluate; "
        "print([n for n in ('prophet', 'statsforecast', 'mlforecast', 'lightgbm', 'pandas') if n in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
