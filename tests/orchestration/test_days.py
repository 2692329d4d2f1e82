"""Days as partitions: a run of what changed, a run over chosen days, and what Dagster then knows of each day."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.automation import every_morning
from orchestration.catalogue import DEMAND_TABLES, SHOP_SPECS, SPECS, TABLES
from orchestration.days import CHANGED, DAYS, sync_days
from orchestration.definitions import build
from orchestration.ingest import ingest_raw, known_days
from orchestration.runner import RunOutcome, open_instance, run
from orchestration.settings import Settings
from orchestration.workspace import Workspace

FACTS = [name for name in DEMAND_TABLES if SPECS[name].partition_by]
BY_DAY = [*(f"raw/{n}" for n in FACTS), *(f"clean/{n}" for n in FACTS), "demand/sales"]
WITH_SALES = ["demand/series", "demand/covariates"]  # made in the same step, so that they need the same days
BY_ORIGIN = ["features/sales_state", "features/known_future"]
TARGET = "group:sources,group:gate,group:demand,features/sales_state,features/known_future"
FIRST, LIVED = date(2024, 1, 1), 40


def keys_of(days: range) -> list[str]:
    return [str(FIRST + timedelta(days=day)) for day in days]


def test_every_fact_has_the_days_and_makes_them_in_one_run() -> None:
    graph = build(Settings()).resolve_asset_graph()
    daily = {"/".join(key.path) for key in graph.get_all_asset_keys() if graph.get(key).partitions_def is not None}
    of_customers = {spec.name for spec in TABLES if spec.partition_by} - set(FACTS)
    assert daily == {
        *BY_DAY,
        *BY_ORIGIN,
        *WITH_SALES,
        *(f"{layer}/{n}" for layer in ("raw", "clean") for n in of_customers),
        *("shop/log", *(f"shop/{spec.name}" for spec in SHOP_SPECS)),
    }
    for name in daily:
        node = graph.get(dg.AssetKey(name.split("/")))
        assert (node.partitions_def, node.backfill_policy) == (DAYS, dg.BackfillPolicy.single_run()), name
        assert CHANGED in (node.description or ""), name


def test_days_stay_in_order_whatever_order_they_come_in() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for days in (["02", "03"], ["02", "03", "05"], ["01", "02", "04", "05"], ["01", "04"]):
            sync_days(instance, days)
            assert instance.get_dynamic_partitions("day") == [CHANGED, *days]


def test_the_schedule_asks_for_what_changed(make_settings: Callable[..., Settings]) -> None:
    """Before any run: the instance knows the key from the start."""
    settings = make_settings()
    definitions = build(settings).get_repository_def()
    with (
        open_instance(Workspace(settings)) as instance,
        dg.build_schedule_context(instance, repository_def=definitions) as context,
    ):
        (asked,) = every_morning.evaluate_tick(context).run_requests or []
    assert asked.partition_key == CHANGED


@dataclass(frozen=True)
class Story:
    """The runs of one twin, and the contents of the lake after each."""

    workspace: Workspace
    runs: dict[str, RunOutcome]
    contents: dict[str, dict[str, str]]

    def made(self, which: str, asset: str) -> Any:
        facts = self.runs[which].metadata[asset]
        return next(facts[name] for name in ("days_read", "days_made", "origins_made") if name in facts)


@pytest.fixture(scope="module")
def story(make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Story:
    """40 days, again, a day more, and two of the days in between anew."""
    home = tmp_path_factory.mktemp("days") / "home"
    runs, contents = {}, {}
    chosen = (FIRST + timedelta(days=34), FIRST + timedelta(days=35))
    steps: list[tuple[str, int, tuple[date, date] | None]] = [
        *[("first", LIVED, None), ("again", LIVED, None)],
        *[("next day", LIVED + 1, None), ("chosen", LIVED + 1, chosen)],
    ]
    for name, lived, days in steps:
        settings = make_settings(home=home, twin_days=lived, horizon=7)
        runs[name] = run(settings, TARGET, days=days)
        assert runs[name].success, runs[name].failures
        lake = Workspace(settings).lake
        places = [
            ("gold" if layer == "demand" else layer, table)
            for layer, table in (asset.split("/") for asset in (*BY_DAY, *BY_ORIGIN))
        ]
        contents[name] = {table: lake.content_hash(layer, table) for layer, table in places}
    return Story(Workspace(settings), runs, contents)


def test_a_run_makes_the_days_that_changed(story: Story) -> None:
    for asset in BY_DAY:
        assert story.made("first", asset) == LIVED, asset
        assert story.made("again", asset) == 0, asset
    for table in FACTS:
        assert story.made("next day", f"raw/{table}") == 1, table
    assert story.made("next day", "clean/prices") == 1
    assert 1 <= story.made("next day", "clean/transactions") < 20, "a return opens the day of its sale"


def test_chosen_days_are_made_anew_with_the_same_content(story: Story) -> None:
    for asset in BY_DAY:
        assert story.made("chosen", asset) == 2, asset
    assert story.runs["chosen"].metadata["clean/prices"]["made"] == ", ".join(keys_of(range(34, 36)))
    assert story.contents["chosen"] == story.contents["next day"]
    assert story.contents["next day"] != story.contents["first"]


def test_dagster_knows_which_run_made_each_day(story: Story) -> None:
    with open_instance(story.workspace) as instance:
        assert instance.get_dynamic_partitions("day") == [CHANGED, *keys_of(range(LIVED + 1))]
        for asset in (*BY_DAY, *WITH_SALES):
            known = instance.get_materialized_partitions(dg.AssetKey(asset.split("/")))
            assert known == {CHANGED, *keys_of(range(LIVED + 1))}, asset
        origins = story.workspace.lake.version("features", "sales_state")
        assert origins is not None
        for asset in BY_ORIGIN:
            known = instance.get_materialized_partitions(dg.AssetKey(asset.split("/")))
            assert known >= origins.partitions.keys(), asset
        prices = dg.AssetKey(["raw", "prices"])
        logged = instance.fetch_materializations(prices, limit=1000).records
        runs = Counter((record.run_id, record.partition_key) for record in logged)
    ids = {name: outcome.run_id for name, outcome in story.runs.items()}
    wanted = {
        "first": [CHANGED, *keys_of(range(LIVED))],
        "again": [CHANGED],
        "next day": [CHANGED, *keys_of(range(LIVED, LIVED + 1))],
        "chosen": keys_of(range(34, 36)),
    }
    assert runs == {(ids[name], key): 1 for name, keys in wanted.items() for key in keys}


@pytest.mark.parametrize(
    ("target", "days", "said"),
    [
        ("clean/prices", (date(2023, 12, 31), FIRST), r"there are 2024-01-01 to 2024-02-10; choose"),
        ("clean/prices", (date(2024, 2, 1), date(2024, 1, 1)), r"there are 2024-01-01 to 2024-02-10; choose"),
        ("clean/stores", (FIRST, FIRST), r"nothing of 'clean/stores' is made by day"),
    ],
)
def test_days_that_cannot_be_made_are_refused(story: Story, target: str, days: tuple[date, date], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run(story.workspace.settings, target, days=days)


def test_a_day_the_source_lacks_is_named(story: Story) -> None:
    with pytest.raises(ValueError, match=r"2025-01-01 is no day .* has 2024-01-01 to 2024-02-10"):
        ingest_raw(story.workspace, "prices", force=["2025-01-01"])


def test_days_of_a_source_that_only_reports_sales(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    """They are known once demand is built, and can be made anew then; a day between that came late keeps the order."""
    shop = tmp_path / "shop"
    shop.mkdir()
    settings = make_settings(source=f"folder:{shop}", home=tmp_path / "home")

    def sold(*days: int) -> None:
        rows = [f"s,2024-01-{day:02d},3,units\n" for day in days]
        (shop / "sales.csv").write_text("shop,period_start,value,unit\n" + "".join(rows), encoding="utf-8")

    target = ",".join(f"{layer}/{table}" for layer in ("raw", "clean") for table in ("sales", "series", "covariates"))
    target += ",group:demand"
    sold(*range(3, 15))
    with pytest.raises(ValueError, match="none is known before the first"):
        run(settings, target, days=(date(2024, 1, 3), date(2024, 1, 4)))
    assert run(settings, target).success
    sold(*range(1, 16))
    assert run(settings, target).success
    assert run(settings, target, days=(date(2024, 1, 3), date(2024, 1, 4))).success
    workspace = Workspace(settings)
    assert known_days(workspace) == keys_of(range(15))
    with open_instance(workspace) as instance:
        assert instance.get_dynamic_partitions("day") == [CHANGED, *keys_of(range(15))]
        logged = instance.fetch_materializations(dg.AssetKey(["demand", "sales"]), limit=100).records
    days = Counter(record.partition_key for record in logged)
    assert days == {CHANGED: 2, **dict.fromkeys(keys_of(range(15)), 1), **dict.fromkeys(keys_of(range(2, 4)), 2)}
