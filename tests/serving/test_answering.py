"""Who answers, and what: the champion of a real release, and the fallback whenever the champion must not or cannot."""

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from release_factory import FIRST, SECOND, Releases

from models.forecaster import fallback
from models.forecaster.predict import ForecastInput, load
from serving.answering import Answerer
from serving.champion import Champion, Prediction, degrade, open_champion
from serving.metrics import ServiceMetrics
from serving.predictor import load_model, load_snapshot
from serving.release import read_pointer
from serving.replies import Refusal
from serving.schemas import ForecastReply, ForecastRequest, ModelReply, ReasonsReply, ReasonsRequest, SeriesRequest
from serving.settings import ServeSettings

SETTINGS = ServeSettings(deadline_ms=5_000, breaker_failures=3, breaker_reset_s=0.1)


class Desk:
    """An Answerer on one release, with what a test wants to bend."""

    def __init__(self, releases: Releases, settings: ServeSettings = SETTINGS) -> None:
        self.settings = settings
        self.pointer = read_pointer(releases.bot / "champion.json")
        self.folder = releases.bot / self.pointer.release
        self.champion: Champion | None = open_champion(
            self.folder, self.pointer, settings, load_model=load_model, load_snapshot=load_snapshot
        )
        self.metrics = ServiceMetrics("forecaster")
        self.answerer = Answerer(lambda: self.champion, settings, self.metrics)

    def ask(self, **request) -> dict:
        body = asyncio.run(self.answerer.forecast(ForecastRequest(**request)))
        ForecastReply.model_validate_json(body)  # what is sent is what the schema promises
        return json.loads(body)

    def bend_model(self, predict) -> None:
        class Bent:
            def __init__(self, real) -> None:
                self.real = real

            def __getattr__(self, name: str):
                return getattr(self.real, name)

            def predict(self, rows, horizon, overrides):
                return predict(self.real, rows, horizon, overrides)

        self.champion = replace(self.champion, model=Bent(self.champion.model))


@pytest.fixture
def desk(made_releases: Releases) -> Desk:
    return Desk(made_releases)


@pytest.fixture
def looks_ahead(releases: Releases) -> Desk:
    """The second release: its model, unlike the first, learnt to look at the period after the one it forecasts."""
    releases.promote(SECOND)
    return Desk(releases)


def test_champion_answers_what_the_predictor_says(desk: Desk) -> None:
    reply = desk.ask(series_ids=["s0003", "s0001"], horizon=42)
    batch = load_snapshot(desk.folder / "state").read(["s0003", "s0001"])
    predictor = load(desk.folder / "artifact")
    expected = predictor.predict(
        ForecastInput(
            {name: batch.state[name] for name in predictor.spec.state_columns},
            {name: batch.known_future[name] for name in predictor.spec.covariates},
            batch.origin,
        )
    )
    assert reply["served_by"] == f"champion {desk.pointer.artifact_id}"
    for name in ("mean", "q10", "q50", "q90"):
        given = [series[name] for series in reply["forecasts"]]
        np.testing.assert_allclose(given, getattr(expected, name), rtol=1e-6)
    first = reply["forecasts"][0]
    assert (first["origin"], first["period_start"][0], first["unit"]) == ("2023-07-20", "2023-07-21", "units")
    assert len(first["period_start"]) == 42


@pytest.mark.parametrize("horizon", [1, 5, 41])
def test_a_short_forecast_is_the_start_of_the_long_one(looks_ahead: Desk, horizon: int) -> None:
    desk, ask = looks_ahead, {"series_ids": [f"s{number:04d}" for number in range(12)]}
    short = desk.ask(**ask, horizon=horizon)["forecasts"]
    for series, long in zip(short, desk.ask(**ask, horizon=42)["forecasts"], strict=True):
        for name in ("period_start", "mean", "q10", "q50", "q90"):
            assert series[name] == long[name][:horizon]


def test_the_last_period_of_a_short_forecast_sees_the_plan_beyond_it(looks_ahead: Desk) -> None:
    """Without the plan past the fifth period the fifth is another one, and no earlier one is."""
    champion = looks_ahead.champion
    model, rows = champion.model, champion.features.read(champion.series_ids)
    beyond = np.arange(42) >= 5
    ahead = {name: np.where(beyond, np.nan, values) for name, values in rows.known_future.items()}
    kept, cut = (model.predict(given, 5, {}).values for given in (rows, replace(rows, known_future=ahead)))
    np.testing.assert_array_equal(kept[:, :4], cut[:, :4])
    assert (kept[:, 4] != cut[:, 4]).any()


def test_only_the_quantiles_asked_for_are_sent(desk: Desk) -> None:
    series = desk.ask(series_ids=["s0001"], horizon=2, quantiles=[0.9])["forecasts"][0]
    assert {"q10", "q50", "q90"} & series.keys() == {"q90"}


def test_what_if_moves_only_the_series_it_names(desk: Desk) -> None:
    ask = {"series_ids": ["s0001", "s0002"], "horizon": 5}
    plain = desk.ask(**ask, overrides=[{"name": "promo_depth", "values": [0.0] * 5}])["forecasts"]
    override = {"name": "promo_depth", "values": [1.0] * 5, "series_ids": ["s0002"]}
    promoted = desk.ask(**ask, overrides=[{"name": "promo_depth", "values": [0.0] * 5}, override])["forecasts"]
    assert promoted[0]["mean"] == plain[0]["mean"]
    assert sum(promoted[1]["mean"]) > 1.2 * sum(plain[1]["mean"])  # the shop's planted lift is 1.8


@pytest.mark.parametrize(
    ("request_", "status", "says"),
    [
        ({"series_ids": ["nobody"]}, 404, "'nobody'"),
        ({"series_ids": ["s0001"], "overrides": [{"name": "moon", "values": [1.0] * 42}]}, 400, "'moon'"),
        ({"series_ids": ["s0001"], "overrides": [{"name": "promo_depth", "values": [1.0]}]}, 400, "horizon of 42"),
        (
            {
                "series_ids": ["s0001"],
                "horizon": 1,
                "overrides": [{"name": "promo_depth", "values": [1.0], "series_ids": ["s0002"]}],
            },
            400,
            "'s0002'",
        ),
        ({"series_ids": [f"s{n:04d}" for n in range(12)] + [f"x{n}" for n in range(9)], "reasons": True}, 400, "split"),
    ],
)
def test_requests_that_cannot_be_answered_are_refused_by_name(desk: Desk, request_, status, says) -> None:
    with pytest.raises(Refusal, match=says) as refused:
        desk.ask(**request_)
    assert refused.value.status == status


def test_reasons_add_up_to_the_mean(desk: Desk) -> None:
    mean = desk.ask(series_ids=["s0004"], horizon=7)["forecasts"][0]["mean"]
    body = asyncio.run(desk.answerer.reasons(ReasonsRequest(series_ids=["s0004"], horizon=7)))
    reply = ReasonsReply.model_validate_json(body).reasons[0]
    added = np.array(reply.base) + np.sum(list(reply.groups.values()), axis=0)
    np.testing.assert_allclose(added, np.array(mean)[np.array(reply.steps) - 1], rtol=1e-4)


def test_slow_model_gives_the_last_good_forecast_in_time(made_releases: Releases) -> None:
    desk = Desk(made_releases, SETTINGS.model_copy(update={"deadline_ms": 50.0}))

    def dawdle(real, rows, horizon, overrides):
        time.sleep(0.5)
        return real.predict(rows, horizon, overrides)

    desk.bend_model(dawdle)
    start = time.perf_counter()
    reply = desk.ask(series_ids=["s0001"], horizon=3, overrides=[{"name": "promo_depth", "values": [1.0] * 3}])
    assert reply["served_by"] == "fallback:last_good_forecast"
    assert any("longer than 50 ms" in note for note in reply["notes"])
    assert any("what-if" in note for note in reply["notes"])
    stored = fallback.read_last_good(desk.folder / "fallback")
    np.testing.assert_allclose(reply["forecasts"][0]["mean"], stored.values[stored.rows["s0001"], :3, 0])
    assert time.perf_counter() - start < 5.0


@pytest.mark.parametrize(
    "answer",
    [
        lambda p: replace(p, values=np.full_like(p.values, np.inf)),
        lambda p: replace(p, values=p.values[:, :, ::-1]),
        lambda p: replace(p, values=p.values[:, :1]),
        lambda p: replace(p, confidence=0.1),
    ],
)
def test_implausible_or_unsure_answers_are_not_passed_on(desk: Desk, answer) -> None:
    desk.bend_model(lambda real, *asked: answer(real.predict(*asked)))
    assert desk.ask(series_ids=["s0001"], horizon=3)["served_by"] == "fallback:last_good_forecast"


def test_breaker_opens_says_so_and_closes_again(desk: Desk) -> None:
    broken, calls = True, 0

    def predict(real, *asked) -> Prediction:
        nonlocal calls
        calls += 1
        if broken:
            raise RuntimeError("weights are gone")
        return real.predict(*asked)

    desk.bend_model(predict)
    ask = {"series_ids": ["s0001"], "horizon": 3}
    states = [desk.ask(**ask)["breaker"] for _ in range(4)]
    assert states == ["closed", "closed", "open", "open"]
    assert calls == 3, "an open breaker must not ask the model"
    assert "breaker is open" in desk.ask(**ask)["notes"][0]
    broken = False
    time.sleep(0.15)
    replies = [desk.ask(**ask) for _ in range(3)]
    assert [reply["served_by"].split()[0] for reply in replies] == ["champion"] * 3
    assert replies[-1]["breaker"] == "closed"


def test_failed_reasons_leave_the_forecast_and_its_breaker_alone(desk: Desk) -> None:
    def fail(*_asked):
        raise RuntimeError("no reasons today")

    real = desk.champion.model

    class Silent:
        def __getattr__(self, name: str):
            return fail if name == "explain" else getattr(real, name)

    desk.champion = replace(desk.champion, model=Silent())
    for _ in range(5):
        reply = desk.ask(series_ids=["s0001"], horizon=3, reasons=True)
        assert reply["served_by"].startswith("champion")
        assert reply["reasons"] is None and "no reasons" in reply["notes"][0]
        assert reply["breaker"] == "closed"
    with pytest.raises(Refusal, match="`/forecast` still answers") as refused:
        asyncio.run(desk.answerer.reasons(ReasonsRequest(series_ids=["s0001"])))
    assert refused.value.status == 503


def test_series_without_state_fall_back_alone(desk: Desk) -> None:
    real = desk.champion.features

    class Forgetful:
        def read(self, series_ids):
            batch = real.read(series_ids)
            origin = batch.origin.copy()
            origin[[name == "s0002" for name in series_ids]] = np.datetime64("NaT", "D")
            return replace(batch, origin=origin)

    desk.champion = replace(desk.champion, features=Forgetful())
    reply = desk.ask(series_ids=["s0001", "s0002"], horizon=3)
    assert [series["served_by"].split(" ")[0] for series in reply["forecasts"]] == [
        "champion",
        "fallback:last_good_forecast",
    ]
    assert reply["served_by"] == "fallback:last_good_forecast"
    assert reply["forecasts"][1]["origin"] == "2023-07-20"


def test_refused_release_still_answers_from_its_own_fallback(desk: Desk) -> None:
    desk.champion = degrade(None, desk.folder, desk.pointer, "weights altered", desk.settings)
    reply = desk.ask(series_ids=["s0001"], horizon=3)
    assert reply["served_by"] == "fallback:last_good_forecast"
    assert "weights altered" in reply["notes"][0]
    body = asyncio.run(desk.answerer.model(swaps=0, problem=None))
    assert ModelReply.model_validate_json(body).problem == "weights altered"


def test_without_any_champion_the_remedy_is_named(desk: Desk) -> None:
    desk.champion = None
    with pytest.raises(Refusal, match="promote one") as refused:
        desk.ask(series_ids=["s0001"])
    assert refused.value.status == 503


def test_pages_list_every_series_once(desk: Desk, made_releases: Releases) -> None:
    seen, after = [], ""
    while True:
        request = SeriesRequest(prefix="s00", after=after, limit=5)
        page = json.loads(asyncio.run(desk.answerer.series(request)))
        seen += page["series_ids"]
        assert page["total"] == 12
        if page["next_after"] is None:
            break
        after = page["next_after"]
    assert seen == sorted(made_releases.series_ids)
    none = json.loads(asyncio.run(desk.answerer.series(SeriesRequest(prefix="zzz"))))
    assert none == {"series_ids": [], "total": 0, "next_after": None}


def test_metrics_tell_who_answered_and_why_not_the_model(desk: Desk) -> None:
    desk.ask(series_ids=["s0001"], horizon=1)
    desk.bend_model(lambda *_: 1 / 0)
    desk.ask(series_ids=["s0001"], horizon=1)
    text = desk.metrics.exposition()[1].decode()
    assert 'storeloop_requests_total{bot="forecaster",endpoint="forecast",served_by="champion"} 1.0' in text
    assert 'served_by="fallback:last_good_forecast"} 1.0' in text
    assert 'storeloop_fallbacks_total{bot="forecaster",reason="error"} 1.0' in text


def test_champion_over_the_deadline_is_not_taken_over(made_releases: Releases) -> None:
    with pytest.raises(ValueError, match="train a smaller model"):
        Desk(made_releases, SETTINGS.model_copy(update={"deadline_ms": 0.001}))


def test_mixed_release_is_refused(releases: Releases, tmp_path: Path) -> None:
    import shutil

    from serving.release import ReleaseError, seal

    shutil.rmtree(releases.bot / FIRST / "artifact")
    shutil.copytree(releases.bot / "second" / "artifact", releases.bot / FIRST / "artifact")
    seal(releases.bot / FIRST, releases.ids[FIRST])
    with pytest.raises(ReleaseError, match="mixes artifact"):
        Desk(releases)
