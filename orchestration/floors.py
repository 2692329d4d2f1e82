"""The twin's unmanned shop of a workspace: its floor, whose products are those of the twin's tables, and its newest days."""

from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from orchestration.settings import Settings
from orchestration.workspace import Workspace
from sources.twin.floor.params import CrowdParams, FloorParams

if TYPE_CHECKING:
    from sources.twin.floor.floor import Floor
    from sources.twin.params import TwinParams

TWIN = "twin"
REMEDY = "no shop without a till is configured: its floor is the twin's, set STORELOOP_SOURCE to `twin`"
_FEWEST = 4  # products of a gondola: on one with a single product there is nothing else to look at


class ShopConfig(BaseModel):
    """The section `shop` of `params.yaml`: how much the twin's shop is visited, and how it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(1, ge=1, le=3_650, description="newest days of the twin on which the shop is open")
    # Fewer visits than a shop's, so that the demo stays quick: filming them takes half a second each.
    floor: FloorParams = Field(FloorParams(crowd=CrowdParams(visits=24)), description="room, shoppers and sensors")


def shop_config(settings: Settings) -> ShopConfig:
    """`shop` of `params.yaml`."""
    return ShopConfig(**settings.section("shop"))


def floor_of(workspace: Workspace) -> "Floor | None":
    """The shop of this workspace; None where the source is not the twin.

    No more products than the twin has stand on its shelves, and no more gondolas than they fill.
    """
    world = _world(workspace)
    return None if world is None else _floor(shop_config(workspace.settings).floor, workspace.settings.twin_seed, world)


def shop_days(workspace: Workspace) -> dict[date, int]:
    """The days on which the shop is open, oldest first, each with its number by which `Floor.day` knows it: the newest that the twin
    has lived. None of them where the source is not the twin."""
    world = _world(workspace)
    if world is None:
        return {}
    first = max(world.days - shop_config(workspace.settings).days, 0)
    return {world.start + timedelta(days=number): number for number in range(first, world.days)}


def _world(workspace: Workspace) -> "TwinParams | None":
    if workspace.settings.source != TWIN:
        return None
    params: TwinParams = workspace.source.params  # type: ignore[attr-defined]
    return params


@cache
def _floor(params: FloorParams, seed: int, world: "TwinParams") -> "Floor":
    from sources.twin.floor.floor import Floor

    products = min(params.cameras.products, world.products)
    room = params.room.model_copy(update={"gondolas": min(params.room.gondolas, max(products // _FEWEST, 1))})
    cameras = params.cameras.model_copy(update={"products": products})
    return Floor(params.model_copy(update={"room": room, "cameras": cameras}), seed, world_seed=seed, world=world)
