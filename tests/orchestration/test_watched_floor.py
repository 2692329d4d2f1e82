"""The watched shop: attention of every visit reaches Feast and the 360 row, raw positions expire, and who is erased is nobody."""

import stat
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from test_erasure import naming
from watched_floor import DAYS, TARGET, watched

from features.attention_registry import KEYS, features_of
from orchestration.assets.behaviour import BEHAVIOUR_ASSETS
from orchestration.customers import customer_360, repository
from orchestration.erasure import erase_customers
from orchestration.floor_tables import Delivery, land, panel_config, watched_days
from orchestration.floors import floor_of
from orchestration.positions import TABLES as RAW
from orchestration.resources import WorkspaceResource
from orchestration.runner import run
from orchestration.settings import Settings
from orchestration.workspace import Workspace

pytestmark = [pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def settings(make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return watched(make_settings, tmp_path_factory.mktemp("watched"))


@pytest.fixture(scope="module")
def shop(settings: Settings) -> Iterator[Workspace]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.behaviour.peers._TREES", 3)
        outcome = run(settings, f"+features/customer_360,+clean/products,{TARGET}")
    assert outcome.success, outcome.failures
    yield Workspace(settings)


def test_every_visit_s_attention_is_told_within_its_interval(shop: Workspace) -> None:
    rows, visits = shop.lake.arrow("clean", "attention"), shop.lake.arrow("clean", "floor_visits")
    assert len(watched_days(shop)) == DAYS == len(set(rows["day"].to_pylist()))
    assert set(rows["visit_id"].to_pylist()) == set(visits["visit_id"].to_pylist())
    assert pc.all(pc.less_equal(rows["seconds_low"], rows["seconds_high"])).as_py()
    payer = dict(zip(visits["visit_id"].to_pylist(), visits["customer_id"].to_pylist(), strict=True))
    assert all(payer[row["visit_id"]] == row["customer_id"] for row in rows.to_pylist())
    assert 0 < visits["customer_id"].null_count < visits.num_rows
    assert set(rows["product_id"].to_pylist()) <= set(shop.lake.arrow("clean", "products")["product_id"].to_pylist())
    panel = visits.filter(visits["panel"])["visit_id"].to_pylist()
    assert set(shop.positions.read("floor_looks")["visit_id"].to_pylist()) <= set(panel) < set(payer)


def test_offline_equals_online_for_every_key_of_every_view(shop: Workspace) -> None:
    store, known = repository(shop).open(), 0
    for view, keys in KEYS.items():
        published = pd.read_parquet(shop.feast_customers / f"{view}.parquet")
        entities = published[list(keys)].drop_duplicates().reset_index(drop=True)
        names = [feature.name for feature in features_of(view)]
        asked = [f"{view}:{name}" for name in names]
        at = pd.Timestamp("2024-06-01", tz="UTC")
        trained = store.get_historical_features(entity_df=entities.assign(event_timestamp=at), features=asked).to_df()
        online = store.get_online_features(features=asked, entity_rows=entities.to_dict("records")).to_dict()
        assert len(trained) == len(entities) > 0
        for name in names:
            offline = [None if pd.isna(value) else value for value in trained[name]]
            assert offline == online[name], name
            known += sum(value is not None for value in offline)
    assert known > 200


def test_training_at_a_moment_sees_the_days_before_it_alone(shop: Workspace) -> None:
    rows = shop.lake.arrow("clean", "attention").to_pylist()
    first, last = min(row["day"] for row in rows), max(row["day"] for row in rows)
    came_again = {row["customer_id"] for row in rows if row["day"] > first and row["customer_id"]}
    everybody = sorted({row["customer_id"] for row in rows if row["customer_id"]})
    for moment in (first + timedelta(days=1), last + timedelta(days=1)):
        asked = pd.DataFrame({"customer_id": everybody, "event_timestamp": pd.Timestamp(moment, tz="UTC")})
        joined = (
            repository(shop)
            .open()
            .get_historical_features(entity_df=asked, features=["customer_attention:attention_s"])
        )
        for found in joined.to_arrow().to_pylist():
            own = [row["seconds"] for row in rows if row["customer_id"] == found["customer_id"] and row["day"] < moment]
            assert found["attention_s"] == (pytest.approx(sum(own)) if own else None)
    assert came_again


def test_the_360_row_tells_what_a_customer_looked_at(shop: Workspace) -> None:
    rows = shop.lake.arrow("clean", "attention")
    name = rows["customer_id"].drop_null()[0].as_py()
    fields = {each["field"]: each for each in customer_360(shop, name)}
    mine = rows.filter(pc.equal(rows["customer_id"], name))
    assert fields["attention_s"]["value"] == pytest.approx(pc.sum(mine["seconds"]).as_py())
    assert (fields["attention_s"]["unit"], fields["attention_s"]["tables"]) == ("s", ["attention"])
    longest = mine.group_by("product_id").aggregate([("seconds", "sum")]).sort_by([("seconds_sum", "descending")])
    assert fields["attention_product_1"]["value"] == longest["product_id"][0].as_py()


def test_reports_tell_of_groups_alone(shop: Workspace) -> None:
    rows = shop.lake.arrow("clean", "attention").to_pylist()
    told = shop.lake.arrow("features", "product_attention").to_pylist()
    assert told
    for each in told:
        own = [row["seconds"] for row in rows if (row["product_id"], row["day"]) == (each["product_id"], each["day"])]
        assert len(own) == each["visits"] >= 2 and max(own) <= each["seconds"] / 2 + 1e-9


def test_devices_are_stored_under_names_of_the_day_alone(shop: Workspace, settings: Settings) -> None:
    floor = floor_of(shop)
    assert floor is not None
    heard = {
        n: set(floor.day(n).observed.wifi.fingerprints["device_id"].to_pylist()) for n in watched_days(shop).values()
    }
    rows = shop.lake.arrow("clean", "floor_devices")
    assert rows.num_rows == sum(map(len, heard.values())) == len(set(rows["device_id"].to_pylist()))
    for device in sorted(set().union(*heard.values()))[:3]:
        assert naming(settings.home, device) == []
    for secret in (settings.home / "secrets" / "pseudonyms.key", shop.root / "secrets" / "salts.json"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_a_secret_of_the_environment_travels_in_no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORELOOP_PSEUDONYM_SECRET", "a secret of the shop's own")
    settings = Settings()
    resource = WorkspaceResource.of(settings)
    assert "pseudonym_secret" not in resource.settings
    assert resource.open().settings.pseudonym_secret == settings.pseudonym_secret is not None


def test_more_days_than_positions_live_are_refused(make_settings: Callable[..., Settings], tmp_path: Any) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("panel: {days: 9}\nbehaviour: {positions_days: 8}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"panel.days 9: expected at most behaviour.positions_days, 8"):
        panel_config(make_settings(params=params))


def test_a_refused_delivery_changes_nothing_and_expiry_waits_for_no_gate(shop: Workspace) -> None:
    held = shop.positions.content_hash("floor_stops")
    stop = {"day": date(2024, 1, 20), "visit_id": "nobody's", "person": "p", "gondola": 0, "from_s": 5.0, "to_s": 4.0}
    raw = pa.Table.from_pylist([stop])
    outcome = land(shop, "floor_stops", Delivery({"2024-01-20": "elsewhere"}, lambda days: raw), run_id="r")
    assert not outcome.passed and shop.positions.content_hash("floor_stops") == held
    assert {line.split(":")[0] for line in outcome.check_metadata["broken"]} == {"reference", "ends_after_it_begins"}
    (expired,) = [asset for asset in BEHAVIOUR_ASSETS if asset.key.path == ["behaviour", "expired"]]
    assert not expired.asset_deps[expired.key]


def test_positions_expire_and_then_a_customer_is_erased(shop: Workspace, settings: Settings) -> None:
    """Two days later: positions of the days before are gone, in quarantine too, what was told of them stays."""
    before = shop.lake.arrow("clean", "attention")
    outcome = run(settings.model_copy(update={"twin_days": 27}), "group:floor,floor/attention,behaviour/expired")
    assert outcome.success, outcome.failures
    later = Workspace(settings.model_copy(update={"twin_days": 27}))
    days = [str(date(2024, 1, 1) + timedelta(days=number)) for number in (24, 25, 26)]
    assert all(list(later.positions.days(table)) == days for table in RAW)
    assert outcome.metadata["behaviour/expired"]["floor_tracks"] == 2
    for path in (later.root / "quarantine" / "floor_stops").rglob("*.parquet"):
        assert not pc.any(pc.equal(pa.parquet.read_table(path)["day"], "2024-01-20")).as_py()
    again = run(settings.model_copy(update={"twin_days": 27}), "behaviour/expired").metadata["behaviour/expired"]
    assert not any(value for name, value in again.items() if name.startswith("floor")) and again["salts"] == 0
    kept = later.lake.arrow("clean", "attention")
    gone = pc.less(kept["day"], pa.scalar(date(2024, 1, 25)))
    assert (
        kept.filter(gone).num_rows == before.filter(pc.less(before["day"], pa.scalar(date(2024, 1, 25)))).num_rows > 0
    )

    name = before["customer_id"].drop_null()[0].as_py()
    erased = erase_customers(later, [name], who="dora", reason="asked by letter")
    assert erased["online"] > 1 and naming(later.root, name) == []
    after = later.lake.arrow("clean", "attention")
    assert after.drop_columns("customer_id").equals(kept.drop_columns("customer_id")), "seen by nobody, yet seen"
    online = (
        repository(later)
        .open()
        .get_online_features(features=["customer_attention:attention_s"], entity_rows=[{"customer_id": name}])
    )
    assert online.to_dict()["attention_s"] == [None]
    told = "group:floor,floor/attention,features/attention,features/attention_online"
    outcome = run(settings.model_copy(update={"twin_days": 28}), told)
    assert outcome.success, outcome.failures
    assert naming(later.root, name) == []
