"""The forecaster on a box: the cloud's numbers, a fallback that is always there, and errors that say what to do."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import bots, forecaster, inspection, pricing, recommender
from edge.bots import Answer, SelfTestError
from edge.bundle import BundledFile, BundleManifest
from edge.eyes import bot as eyes
from edge.forecaster import ForecasterBot, _knock_out, open_bot
from edge.runtime import EdgeRuntime, RuntimeConfig
from edge.snapshot import Snapshot, SnapshotError
from features.online import SnapshotState
from models.common.protocols import InputError
from models.forecaster.fallback import read_last_good
from serving.predictor import load_model, load_snapshot

MANIFEST = BundleManifest(
    bot="forecaster", revision=4, artifact_id="f" * 64, files={"a.json": BundledFile(sha256="0" * 64, size=0)}
)


@pytest.fixture(scope="module")
def bot(release) -> ForecasterBot:
    return open_bot(release.folder)


@pytest.fixture
def box(bot: ForecasterBot) -> Iterator[EdgeRuntime]:
    box = EdgeRuntime(bot, MANIFEST, RuntimeConfig(deadline_s=1.0, failures=2, reset_s=0.2))
    yield box
    box.close()


def numbers(reply: dict[str, Any]) -> np.ndarray:
    return np.array([[row[name] for name in ("mean", "q10", "q50", "q90")] for row in reply["forecasts"]]).transpose(
        0, 2, 1
    )


def test_snapshot_reads_what_the_feature_room_wrote(release) -> None:
    ours, theirs = Snapshot(release.folder / "state"), SnapshotState(release.folder / "state")
    ids = release.series_ids[::-2]
    mine, wanted = ours.read(ours.rows_of(ids)), theirs.read(ids)
    np.testing.assert_array_equal(mine.origin, wanted.origin)
    assert mine.state.keys() == wanted.state.keys()
    assert mine.known_future.keys() == wanted.known_future.keys()
    for got, expected in ((mine.state, wanted.state), (mine.known_future, wanted.known_future)):
        for name in expected:
            np.testing.assert_array_equal(got[name], expected[name])
    missing = sum(np.isnan(values) for values in wanted.state.values())
    np.testing.assert_array_equal(ours.missing_per_series()[ours.rows_of(ids)], missing)
    assert missing.sum() > 0


def test_answers_are_the_clouds_missing_values_included(release, box: EdgeRuntime) -> None:
    reply = box.answer({})
    np.testing.assert_allclose(numbers(reply), release.values, rtol=1e-4)
    assert [row["series_id"] for row in reply["forecasts"]] == release.series_ids
    assert (reply["served_by"], reply["breaker"], reply["revision"]) == ("edge:ffffffffffff", "closed", 4)
    some = box.answer({"series_ids": release.series_ids[3:1:-1], "horizon": 5})
    np.testing.assert_allclose(numbers(some), release.values[3:1:-1, :5], rtol=1e-4)
    first = some["forecasts"][0]
    assert np.datetime64(first["period_start"][0]) - np.datetime64(first["origin"]) == np.timedelta64(1, "D")
    assert len(first["period_start"]) == 5
    json.dumps(reply, allow_nan=False)


@pytest.mark.parametrize("horizon", [1, 2, 7, 13, 14])
def test_answers_are_those_of_the_service(release, bot: ForecasterBot, box: EdgeRuntime, horizon: int) -> None:
    rows = load_snapshot(release.folder / "state").read(release.series_ids)
    service = load_model(release.folder / "artifact")
    cloud = service.predict(rows, horizon, {}).values
    np.testing.assert_allclose(numbers(box.answer({"horizon": horizon})), cloud, rtol=1e-4)
    holes = _knock_out(bot._snapshot.read(bot._snapshot.rows_of(release.series_ids)))
    missing = [np.isnan(values).any() for values in (*holes.state.values(), *holes.known_future.values())]
    assert np.mean(missing) > 0.9
    without = service.predict(holes, horizon, {}).values
    np.testing.assert_allclose(bot._predict(holes, horizon)[0], without, rtol=1e-4)
    assert (without != cloud).any()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"series_ids": ["nobody"]}, "1 of 1 are not on this box"),
        ({"series_ids": []}, "at least 1 item"),
        ({"horizon": 0}, "horizon"),
        ({"horizon": 15}, "the model reaches 14 periods"),
        ({"horizon": "7"}, "horizon"),
        ({"store": "s1"}, "store"),
        ({"series_ids": [7]}, "series_ids.0"),
    ],
)
def test_a_wrong_request_says_field_and_remedy(box: EdgeRuntime, request_: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        box.answer(request_)
    assert box.status()["answered_by_model"] == 0
    assert box.status()["breaker"] == "closed"


class Broken(ForecasterBot):
    """The same bot with another model."""

    def __init__(self, bot: ForecasterBot, ask: Callable[[Any], Answer]) -> None:
        super().__init__(bot._predictor, bot._snapshot, bot._last_good)
        self.calls = 0
        self._replaced = ask

    def ask(self, request: Any) -> Answer:
        self.calls += 1
        return self._replaced(request)


def raising(request: Any) -> Answer:
    raise RuntimeError("no memory")


def late(request: Any) -> Answer:
    time.sleep(0.3)
    return Answer({}, 1.0)


@pytest.mark.parametrize(
    ("ask", "problem"),
    [
        (raising, "no memory"),
        (late, "took longer than 0.1 s"),
        (lambda request: Answer({"forecasts": []}, 0.2), "confidence 0.20 is below 0.5"),
    ],
)
def test_a_failing_model_is_replaced_by_the_fallback_and_left_alone(
    release,
    bot: ForecasterBot,
    ask: Callable[[Any], Answer],
    problem: str,
) -> None:
    broken = Broken(bot, ask)
    box = EdgeRuntime(broken, MANIFEST, RuntimeConfig(deadline_s=0.1, failures=2, reset_s=60))
    replies = [box.answer({}) for _ in range(5)]
    box.close()
    assert {reply["served_by"] for reply in replies} == {"fallback"}
    assert replies[-1]["breaker"] == "open"
    assert problem in replies[-1]["problem"]
    assert broken.calls == 2  # then the breaker spares the model
    np.testing.assert_allclose(numbers(replies[-1]), release.values, rtol=1e-6)  # float32 last good forecast
    status = box.status()
    assert (status["answered_by_model"], status["answered_by_fallback"], status["times_opened"]) == (0, 5, 1)


def test_a_model_that_recovers_is_asked_again(bot: ForecasterBot) -> None:
    failing = [True]

    def sometimes(request: Any) -> Answer:
        return raising(request) if failing[0] else ForecasterBot.ask(bot, request)

    box = EdgeRuntime(Broken(bot, sometimes), MANIFEST, RuntimeConfig(failures=1, reset_s=0.05, deadline_s=5))
    assert box.answer({})["breaker"] == "open"
    failing[0] = False
    time.sleep(0.1)
    assert box.answer({})["served_by"] == "edge:ffffffffffff"
    assert box.status()["breaker"] == "closed"
    box.close()


def test_fallback_of_a_series_without_a_forecast_is_its_seasonal_mean(bot: ForecasterBot, release) -> None:
    last_good = read_last_good(release.folder / "fallback")
    last_good.values[0] = np.nan
    lacking = ForecasterBot(bot._predictor, bot._snapshot, last_good)
    reply = lacking.fall_back(lacking.check({"series_ids": [release.series_ids[0]]})).reply
    state = bot._snapshot.read(np.array([0])).state
    wanted = [state[f"season_mean_{phase}"][0] for phase in range(7)]
    got = reply["forecasts"][0]["mean"]
    known = [phase for phase in range(7) if np.isfinite(wanted[phase])]
    assert known
    np.testing.assert_allclose([got[phase] for phase in known], [wanted[phase] for phase in known], rtol=1e-6)
    np.testing.assert_allclose(got[7:], got[:7])
    assert "seasonal mean" in reply["notes"][0]


def test_self_test_passes_here_and_notices_another_model(bot: ForecasterBot, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = bot.expected()
    report = bot.self_test(expected)
    assert report.worst_relative <= 1e-4
    assert report.missing_inputs > 50
    original = ForecasterBot._predict

    def drifted(self: ForecasterBot, rows: Any, horizon: int) -> Any:
        values, confidence = original(self, rows, horizon)
        return values * (1 + 3e-4), confidence

    monkeypatch.setattr(ForecasterBot, "_predict", drifted)
    with pytest.raises(SelfTestError, match=r"relative 3\.0e-04 > 0\.0001"):
        bot.self_test(expected)
    with pytest.raises(SelfTestError, match="cannot be read"):
        bot.self_test(b"nothing")


def test_status_says_how_old_the_knowledge_is(bot: ForecasterBot, box: EdgeRuntime) -> None:
    card = box.status()
    assert (card["series"], card["horizon"], card["frequency"]) == (12, 14, "daily")
    knows_until = date.fromisoformat(card["knows_until"])
    assert (date.fromisoformat(card["forecasts_until"]) - knows_until).days == 14
    assert bot.days_behind(date.fromordinal(knows_until.toordinal() + 3)) == 3


@pytest.mark.parametrize("file", ["state.safetensors", "snapshot.json"])
def test_a_damaged_snapshot_is_refused(release, tmp_path: Path, file: str) -> None:
    shutil.copytree(release.folder / "state", tmp_path / "state")
    content = bytearray((tmp_path / "state" / file).read_bytes())
    content[-3] ^= 1
    (tmp_path / "state" / file).write_bytes(content)
    with pytest.raises(SnapshotError, match="build the release again"):
        Snapshot(tmp_path / "state")


def test_only_known_bots_run(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="does not run on the edge"):
        bots.open_bot("os", tmp_path)
    assert set(bots.BOTS.values()) == {
        module.__name__ for module in (eyes, forecaster, inspection, pricing, recommender)
    }
