"""State from Feast's online store instead of the release's snapshot: the same answers, over HTTP."""

import http.client
import json
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pytest
from release_factory import SECOND, Releases
from running import running

from features.engine import connect
from features.layout import Layout
from features.online import SnapshotState, StateBatch
from features.repository import Repository, apply, materialise, publish_online, publish_state
from serving.predictor import feature_reader
from serving.settings import ServeSettings

LEFT_OUT = "s0011"


def publish(folder: Path, batch: StateBatch) -> None:
    """A Feast repository on SQLite that holds `batch`, less one series."""
    layout = Layout(
        frequency="daily",
        state_names=tuple(batch.state),
        covariate_names=tuple(batch.known_future),
        horizon=batch.horizon,
    )
    kept = np.array(batch.series_ids) != LEFT_OUT
    ids, origin = np.array(batch.series_ids)[kept], batch.origin[kept]
    state = {"series_id": ids, "origin": origin} | {name: values[kept] for name, values in batch.state.items()}
    steps = np.tile(np.arange(1, layout.horizon + 1), ids.size)
    pairs = {"series_id": ids.repeat(layout.horizon), "origin": origin.repeat(layout.horizon), "step": steps}
    ahead = pairs | {name: values[kept].ravel() for name, values in batch.known_future.items()}
    attributes = dict.fromkeys(("series_id", "store_id", "product_id", "category", "region"), ids)
    tables = [ibis.memtable(pa.table(columns)) for columns in (state, ahead, attributes | {"started_on": origin})]
    repository, con = Repository(folder=folder), connect(memory_limit_gb=1)
    publish_state(repository, layout, tables[0], tables[2], con=con)
    publish_online(repository, layout, tables[0], tables[1], con=con)
    materialise(apply(repository, layout))


def ask(releases: Releases, folder: Path, **settings: str) -> dict[int, list[dict]]:
    """Forecasts of all series by horizon, from a service of its own."""
    environment = {
        "STORELOOP_SERVE_RELEASES": str(releases.root),
        "STORELOOP_SERVE_DEADLINE_MS": "10000",  # a starved test machine is not a slow store
    }
    answers = {}
    with running(
        "serving.forecaster:Forecaster", environment=environment | settings, log=folder / "service.log"
    ) as port:
        for horizon in (5, 42):
            body = json.dumps({"series_ids": list(releases.series_ids), "horizon": horizon})
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("POST", "/forecast", body, {"Content-Type": "application/json"})
            answers[horizon] = json.loads(connection.getresponse().read())["forecasts"]
            connection.close()
    return answers


def test_answers_from_feast_are_those_from_the_snapshot(releases: Releases, tmp_path: Path) -> None:
    releases.promote(SECOND)
    publish(tmp_path / "feast", SnapshotState(releases.bot / SECOND / "state").read(releases.series_ids))
    feast = {"STORELOOP_SERVE_ONLINE_STATE": "feast", "STORELOOP_SERVE_FEAST_REPO": str(tmp_path / "feast")}
    got, wanted = ask(releases, tmp_path, **feast), ask(releases, tmp_path)
    champion = f"champion {releases.ids[SECOND]}"
    for horizon, expected in wanted.items():
        assert {series["served_by"] for series in expected} == {champion}
        for mine, theirs in zip(got[horizon], expected, strict=True):
            if mine["series_id"] == LEFT_OUT:  # only a service that reads Feast misses it
                assert mine["served_by"] == "fallback:last_good_forecast"
            else:
                assert mine == theirs


def test_feast_without_its_folder_names_the_setting() -> None:
    with pytest.raises(ValueError, match="STORELOOP_SERVE_FEAST_REPO"):
        feature_reader(ServeSettings(online_state="feast"))
