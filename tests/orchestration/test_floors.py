"""The twin's shop of a workspace: its products are the twin's, its days the newest that the twin has lived."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

from orchestration.floors import floor_of, shop_days
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from sources.twin.world import World


def test_the_shop_sells_what_the_twin_sells_on_its_newest_days(make_settings: Callable[..., Settings]) -> None:
    workspace = Workspace(make_settings(twin_days=40))
    floor = floor_of(workspace)
    assert floor is not None and floor is floor_of(workspace) and floor.seed == workspace.settings.twin_seed
    listed = World(workspace.source.params, floor.seed).static_tables()["products"]  # type: ignore[attr-defined]
    assert list(floor.studio.appearances.ids) == listed["product_id"].to_pylist()
    assert list(floor.studio.products.names) == listed["product_name"].to_pylist()
    assert len(floor.stands) == 3, "twelve products fill three gondolas"
    assert shop_days(workspace) == {date(2024, 2, 9): 39}
    assert len(floor.day(39).truth.visits) == floor.params.crowd.visits


def test_another_source_has_no_such_shop(tmp_path: Path, make_settings: Callable[..., Settings]) -> None:
    (tmp_path / "shop").mkdir()
    workspace = Workspace(make_settings(source=f"folder:{tmp_path / 'shop'}"))
    assert floor_of(workspace) is None and shop_days(workspace) == {}
